"""Words for families of tasks and for methods, as `train`, `evaluate` and `draw` read them."""

import dataclasses
import re
from typing import Annotated, Any

import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from ..comparison import slug
from ..core import cross_entropy, error_rate, gaussian_nll, InputError, Loss, mse
from ..data import some, Splits
from ..meta import (
    ANIL,
    BOIL,
    CAVIA,
    CNP,
    IMAML,
    InContext,
    MAML,
    MAMLPlusPlus,
    MatchingNetwork,
    MetaOptNet,
    MetaSGD,
    ProtoMAML,
    ProtoNet,
    R2D2,
    RelationNetwork,
    Reptile,
)
from ..tasks import AbstractTasks, by_tasks, LinearGaussian, Sinusoids, Unrelated
from ..transfer import Pooled
from ._kept import check_present, Kept, NAMES
from ._options import called
from .subjects import (
    AbstractSource,
    AbstractTable,
    Custom,
    Files,
    Glyphs,
    Network,
    Omniglot,
    OwnTable,
    Sarcos,
    School,
    sizes,
    Tox21,
)

AnyTasks = (
    Annotated[Sinusoids, called("sinusoids", "Sine waves of random amplitude and phase.")]
    | Annotated[
        LinearGaussian, called("linear-gaussian", "Linear tasks whose best learner is known.")
    ]
    | Annotated[Unrelated, called("unrelated", "The control: tasks that share nothing.")]
    | Annotated[Glyphs, called("glyphs", "Few-shot: Unicode characters in many fonts.")]
    | Annotated[Omniglot, called("omniglot", "Few-shot: handwritten characters.")]
    | Annotated[Files, called("files", "Few-shot: your own images or .npz arrays.")]
    | Annotated[School, called("school", "Table: exam scores of pupils in 139 schools.")]
    | Annotated[Sarcos, called("sarcos", "Table: seven torques of a robot arm.")]
    | Annotated[Tox21, called("tox21", "Table: twelve assays of molecules.")]
    | Annotated[OwnTable, called("table", "Your own CSV or Parquet file.")]
    | Annotated[Custom, called("custom", "Your own tasks, from a Python module.")]
)
AnyMethod = (
    Annotated[MAML, called("maml", "An initialisation that few gradient steps take far.")]
    | Annotated[Reptile, called("reptile", "Moves towards where each task's training ends.")]
    | Annotated[ANIL, called("anil", "MAML that adapts the head alone.")]
    | Annotated[MetaSGD, called("meta-sgd", "MAML with learnt step sizes.")]
    | Annotated[CAVIA, called("cavia", "Adapts a few context inputs.")]
    | Annotated[IMAML, called("imaml", "MAML by implicit gradients.")]
    | Annotated[R2D2, called("r2d2", "Features for a ridge head.")]
    | Annotated[CNP, called("cnp", "A network that reads the support set.")]
    | Annotated[Pooled, called("pooled", "Pretraining on all tasks pooled.")]
    | Annotated[ProtoNet, called("protonet", "Few-shot: features for the nearest class mean.")]
    | Annotated[MatchingNetwork, called("matching", "Few-shot: features for neighbours.")]
    | Annotated[RelationNetwork, called("relation", "Few-shot: a learnt comparison.")]
    | Annotated[MetaOptNet, called("metaoptnet", "Few-shot: features for support vectors.")]
    | Annotated[ProtoMAML, called("proto-maml", "Few-shot: MAML from the class means.")]
    | Annotated[BOIL, called("boil", "Few-shot: MAML that leaves the head alone.")]
    | Annotated[MAMLPlusPlus, called("maml-plus-plus", "Few-shot: MAML, stabilised.")]
    | Annotated[InContext, called("in-context", "Few-shot: a transformer that reads the support.")]
)


@dataclasses.dataclass(frozen=True)
class Common:
    """A family of tasks without the tasks: the common network, and how errors are measured."""

    network: Any
    metric: Loss
    loss: Loss

    @property
    def measure(self) -> str:
        """The name of the metric."""
        return "error rate" if self.metric is error_rate else "mean squared error"

    def model(self, method: Any, key: Key[Array, ""]) -> Any:
        """The model that a method trains, made of the common network."""
        model_key, prepare_key = jr.split(key)
        return self.method(method).prepare(self.network(model_key), key=prepare_key)

    def method(self, method: Any) -> Any:
        """The method with this family's loss.

        **Raises:** `InputError` for a method that does not apply to such tasks.
        """
        numbers = getattr(method, "loss", None) in (mse, gaussian_nll)
        if self.loss is not cross_entropy and not numbers:
            raise InputError(
                f"`{word(method)}` tells classes apart, but these tasks have numbers as targets."
                " Choose another method."
            )
        if self.loss is cross_entropy and isinstance(method, (Pooled, CAVIA)):
            raise InputError(
                f"`{word(method)}` is not for classes here; `learnset compare` pretrains on all of"
                " them."
            )
        if self.loss is cross_entropy and numbers:
            return dataclasses.replace(method, loss=self.loss)
        return method


@dataclasses.dataclass(frozen=True)
class Family(Common):
    """A family of tasks as it is trained on."""

    tasks: AbstractTasks
    notes: tuple[str, ...] = ()  # about the data
    kept: Kept = Kept({})  # what a run keeps of the data


def family(tasks: Any, kept: Kept | None = None) -> Family:
    """The family that a word stands for.

    **Arguments:** `kept`: of an earlier run, whose parts these are; what is in none is left out.
    """
    if isinstance(tasks, AbstractSource):
        return _few_shot_family(tasks, kept)
    if isinstance(tasks, AbstractTable):
        return _table_family(tasks, kept)
    if isinstance(tasks, Custom):
        custom = tasks.tasks()
        return Family(tasks.network(custom), mse, mse, custom)
    return Family(Network(*sizes(tasks)), mse, mse, tasks)


def few_shot(source: AbstractSource, shape: tuple[int, ...]) -> Common:
    """A family of few-shot tasks with examples of this shape, which need not be at hand."""
    return Common(source.network(shape), error_rate, cross_entropy)


def _few_shot_family(source: AbstractSource, kept: Kept | None) -> Family:
    notes = ()
    if kept is None:
        parts = source.parts()
        shape = parts.train.x.shape[1:]
        names = {name: part.names for name, part in zip(NAMES, parts, strict=True)}
        kept = Kept(names, shape=shape, ranges=parts.train.ranges)
    else:
        classes = source.classes(kept.shape, kept.ranges)
        notes = check_present(_place(source), kept, classes.names, "classes")
        number = {name: i for i, name in enumerate(classes.names)}
        chosen = [[number[n] for n in kept.parts[part] if n in number] for part in NAMES]
        parts = Splits(*(source.of_size(classes.subset(some)) for some in chosen))
        if parts.train.x.shape[1:] != kept.shape:
            raise InputError(
                f"{_place(source)} has examples of shape {parts.train.x.shape[1:]}, but the run had"
                f" {kept.shape}."
            )
    episodes = source.episodes_of(parts)
    common = few_shot(source, kept.shape)
    return Family(
        common.network, common.metric, common.loss, episodes, (*notes, *episodes.notes), kept
    )


def _table_family(source: AbstractTable, kept: Kept | None) -> Family:
    table, part, notes = source.table(), None, ()
    if kept is not None:
        notes = check_present(_place(source), kept, table.names, "tasks")
        part_of = {name: i for i, part in enumerate(NAMES) for name in kept.parts[part]}
        part = np.array([part_of.get(name, -1) for name in table.names])
    held_out = by_tasks(table, part=part)
    kept = Kept(dict(zip(NAMES, held_out.names, strict=True)))
    used = {name for names in held_out.names for name in names}
    small = sorted(name for name in table.names if name not in used)
    if small and part is None:
        notes = (f"{len(small)} tasks with fewer than 2 labelled rows: {some(small)}.",)
    measures = (error_rate, cross_entropy) if table.classes else (mse, mse)
    return Family(Network(*sizes(held_out)), *measures, held_out, (*table.notes, *notes), kept)


def _place(source: Any) -> str:
    """Where data come from, in words."""
    return str(getattr(source, "path", word(source)))


def word(thing: Any) -> str:
    """The word that stands for an object on the command line."""
    for union in (AnyTasks, AnyMethod):
        for option in union.__args__:
            if option.__origin__ is type(thing):
                return option.__metadata__[0].name
    return slug(re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", type(thing).__name__))
