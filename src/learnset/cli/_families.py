"""Words for families of tasks and for methods, as `train`, `evaluate` and `draw` read them."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Annotated, Any

import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from ..comparison import slug
from ..core import cross_entropy, error_rate, gaussian_nll, InputError, Loss, mse, Split
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
from ..tasks import (
    AbstractTasks,
    by_tasks,
    Episodes,
    HeldOutTasks,
    LinearGaussian,
    Sinusoids,
    Unrelated,
)
from ..transfer import Pooled
from ._options import called
from .subjects import (
    AbstractSource,
    AbstractTable,
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
class Family:
    """A family of tasks as it is trained on: the tasks, the common network, and how errors are
    measured."""

    tasks: AbstractTasks
    network: Any
    metric: Loss
    loss: Loss
    notes: tuple[str, ...] = ()  # about the data

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


def family(tasks: Any, parts: dict[str, list[str]] | None = None) -> Family:
    """The family that a word stands for.

    **Arguments:** `parts`: the names of the tasks of a table to train, validate and test on, as an
    earlier run had them; others are left out then.
    """
    if isinstance(tasks, AbstractSource):
        episodes = tasks.episodes()
        network = tasks.network(episodes)
        return Family(episodes, network, error_rate, cross_entropy, episodes.notes)
    if isinstance(tasks, AbstractTable):
        table = tasks.table()
        held_out = by_tasks(table, part=None if parts is None else _division(table.names, parts))
        measures = (error_rate, cross_entropy) if table.classes else (mse, mse)
        return Family(held_out, Network(*sizes(held_out)), *measures)
    return Family(tasks, Network(*sizes(tasks)), mse, mse)


def _division(names: Sequence[str], parts: dict[str, list[str]]) -> np.ndarray:
    """The number of the part of each task; -1 for those in none."""
    of_name = {name: i for i, part in enumerate(parts.values()) for name in part}
    return np.array([of_name.get(name, -1) for name in names])


def parts_of(tasks: Any) -> dict[str, list[str]]:
    """The names of the tasks, or of the classes, to train, validate and test on, where they have
    names."""
    if isinstance(tasks, HeldOutTasks):
        names = tasks.names
    elif isinstance(tasks, Episodes):
        names = [tasks.pool(split).names for split in Split]
    else:
        return {}
    return {split.name.lower(): list(n) for split, n in zip(Split, names, strict=True)}


def word(thing: Any) -> str:
    """The word that stands for an object on the command line."""
    for union in (AnyTasks, AnyMethod):
        for option in union.__args__:
            if option.__origin__ is type(thing):
                return option.__metadata__[0].name
    return slug(re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", type(thing).__name__))
