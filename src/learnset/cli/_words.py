"""What the commands have in common: their options, and the words for families and methods."""

import dataclasses
import re
import shlex
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.random as jr
from rich.console import Console
from tyro.conf import subcommand

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
from ..models import MLP
from ..recipes import classes as few_shot, regression as recipes
from ..tasks import AbstractTasks, by_tasks, LinearGaussian, Sinusoids, Unrelated
from ..transfer import Pooled
from ._sources import AbstractSource, Files, Glyphs, Omniglot
from ._tables import AbstractTable, OwnTable, Sarcos, School, Tox21

PACKAGES = ("learnset", "jax", "jaxlib", "equinox", "optax", "numpy")


def _called(name: str, description: str) -> Any:
    return subcommand(name, description=description, prefix_name=False)


AnyTasks = (
    Annotated[Sinusoids, _called("sinusoids", "Sine waves of random amplitude and phase.")]
    | Annotated[
        LinearGaussian, _called("linear-gaussian", "Linear tasks whose best learner is known.")
    ]
    | Annotated[Unrelated, _called("unrelated", "The control: tasks that share nothing.")]
    | Annotated[
        Glyphs,
        _called("glyphs", "Few-shot: Unicode characters in many fonts; nothing to download."),
    ]
    | Annotated[Omniglot, _called("omniglot", "Few-shot: handwritten characters of 50 alphabets.")]
    | Annotated[
        Files, _called("files", "Few-shot: your own images (one folder a class) or .npz arrays.")
    ]
    | Annotated[School, _called("school", "Table: exam scores of pupils in 139 schools.")]
    | Annotated[Sarcos, _called("sarcos", "Table: seven torques of a robot arm.")]
    | Annotated[Tox21, _called("tox21", "Table: twelve assays of molecules, with missing labels.")]
    | Annotated[
        OwnTable,
        _called("table", "Your own CSV or Parquet file, by a task column or by several targets."),
    ]
)
AnyMethod = (
    Annotated[MAML, _called("maml", "An initialisation that few gradient steps take far.")]
    | Annotated[Reptile, _called("reptile", "Moves towards where each task's training ends.")]
    | Annotated[ANIL, _called("anil", "MAML that adapts the head alone.")]
    | Annotated[MetaSGD, _called("meta-sgd", "MAML with learnt step sizes.")]
    | Annotated[CAVIA, _called("cavia", "Adapts a few context inputs.")]
    | Annotated[IMAML, _called("imaml", "MAML by implicit gradients.")]
    | Annotated[R2D2, _called("r2d2", "Features for a ridge head.")]
    | Annotated[CNP, _called("cnp", "A network that reads the support set.")]
    | Annotated[Pooled, _called("pooled", "Pretraining on all tasks pooled.")]
    | Annotated[ProtoNet, _called("protonet", "Few-shot: features for the nearest class mean.")]
    | Annotated[
        MatchingNetwork, _called("matching", "Few-shot: features for the nearest neighbours.")
    ]
    | Annotated[
        RelationNetwork, _called("relation", "Few-shot: a learnt comparison of two images.")
    ]
    | Annotated[
        MetaOptNet, _called("metaoptnet", "Few-shot: features for a support vector machine.")
    ]
    | Annotated[
        ProtoMAML, _called("proto-maml", "Few-shot: MAML whose head starts at the class means.")
    ]
    | Annotated[BOIL, _called("boil", "Few-shot: MAML that leaves the head alone.")]
    | Annotated[
        MAMLPlusPlus,
        _called("maml-plus-plus", "Few-shot: MAML with learnt step sizes, and stable."),
    ]
    | Annotated[
        InContext, _called("in-context", "Few-shot: a transformer that reads the support set.")
    ]
)


@dataclasses.dataclass(frozen=True)
class Common:
    """What all commands have."""

    out: Path | None = None
    """directory for everything that the run leaves behind; runs/COMMAND-WHAT, unless given"""
    seed: int = 0
    """of all randomness"""
    steps: int | None = None
    """training steps"""
    quick: bool = False
    """a short run, to see that and how it works"""
    resume: bool = False
    """go on with the run in the directory, bit for bit"""
    overwrite: bool = False
    """replace the run in the directory"""
    checkpoint_every: int | None = None
    """steps between checkpoints"""

    def __post_init__(self):
        if self.steps is not None and self.steps < 1:
            raise InputError(f"`--steps {self.steps}`, but it must be at least 1.")
        if self.checkpoint_every is not None and self.checkpoint_every < 1:
            raise InputError(
                f"`--checkpoint-every {self.checkpoint_every}`, but it must be at least 1."
            )
        if self.resume and self.overwrite:
            raise InputError(
                "`--resume` goes on with a run and `--overwrite` replaces it: give one of them."
            )

    def folder(self, name: str) -> Path:
        return self.out or Path("runs") / name

    @property
    def saving(self) -> dict[str, Any]:
        """How a run is kept, as `train` and `compare` take it."""
        return {
            "checkpoint_every": self.checkpoint_every,
            "resume": self.resume,
            "overwrite": self.overwrite,
        }


class Network(eqx.Module):
    """Makes the common network: two hidden layers of 40 units, as in the MAML paper."""

    in_size: int
    out_size: int

    def __call__(self, key: jax.Array) -> MLP:
        return MLP(self.in_size, self.out_size, width=40, depth=2, key=key)


def sizes(tasks: Any) -> tuple[int, int]:
    """Lengths of an input and of a target."""
    task = jax.eval_shape(lambda: tasks.draw(1, Split.TRAIN, key=jr.key(0)))
    return task.support.x.shape[-1], task.support.y.shape[-1]


@dataclasses.dataclass(frozen=True)
class Family:
    """What a family of tasks brings: the tasks, the network that all start from, and how errors are measured."""

    tasks: AbstractTasks
    network: Any
    metric: Loss
    loss: Loss
    extensions: dict[type, Any]  # what a method makes of the network
    notes: tuple[str, ...] = ()  # what is to be known of the data

    def model(self, method: Any, key: jax.Array) -> Any:
        """The model that a method trains, made of the common network."""
        model_key, extension_key = jr.split(key)
        extend = self.extensions.get(type(method), few_shot.unchanged)
        return extend(self.network(model_key), extension_key)

    def method(self, method: Any) -> Any:
        """The method with this family's loss.

        **Raises:** `InputError` for a method that such tasks mean nothing to.
        """
        numbers = getattr(method, "loss", None) in (mse, gaussian_nll)
        if self.loss is not cross_entropy and not numbers:
            raise InputError(
                f"`{word(method)}` tells classes apart, but these tasks ask for numbers. Choose another method."
            )
        if self.loss is cross_entropy and isinstance(method, (Pooled, CAVIA)):
            raise InputError(
                f"`{word(method)}` is not for classes here; `learnset compare` pretrains on all of them."
            )
        return (
            dataclasses.replace(method, loss=self.loss)
            if self.loss is cross_entropy and numbers
            else method
        )


REGRESSION = {
    MetaSGD: recipes.rated,
    CAVIA: recipes.contextual,
    R2D2: recipes.ridged,
    CNP: recipes.amortised,
}
CLASSES = {
    MetaSGD: recipes.rated,
    R2D2: few_shot.ridged,
    CNP: few_shot.amortised,
    RelationNetwork: few_shot.related,
    MetaOptNet: few_shot.scaled,
    MAMLPlusPlus: few_shot.stepwise,
    InContext: few_shot.in_context,
}


def family(tasks: Any) -> Family:
    """What the words for a family stand for."""
    if isinstance(tasks, AbstractSource):
        episodes = tasks.episodes()
        return Family(
            episodes, tasks.network(episodes), error_rate, cross_entropy, CLASSES, episodes.notes
        )
    if isinstance(tasks, AbstractTable):
        table = tasks.table()
        held_out = by_tasks(table)
        measures = (error_rate, cross_entropy, CLASSES) if table.classes else (mse, mse, REGRESSION)
        return Family(held_out, Network(*sizes(held_out)), *measures)
    return Family(tasks, Network(*sizes(tasks)), mse, mse, REGRESSION)


def say_notes(notes: Sequence[str], console: Console) -> None:
    """What is to be known of the data, in a line each."""
    for line in notes:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def word(thing: Any) -> str:
    """The word that stands for an object on the command line."""
    for union in (AnyTasks, AnyMethod):
        for option in union.__args__:
            if option.__origin__ is type(thing):
                return option.__metadata__[0].name
    return slug(re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", type(thing).__name__))


def meta(arguments: Sequence[str], began: float) -> dict[str, Any]:
    """How a result came about, for `result.json`."""
    command = shlex.join(["learnset", *arguments])
    return {
        "command": command,
        "seconds": round(time.perf_counter() - began, 1),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of the packages that decide on numbers."""
    return {name: metadata.version(name) for name in PACKAGES}
