"""Learners, training and scores that the studies of few-shot classification of characters share."""

import abc
import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import Setting
from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    Batch,
    cross_entropy,
    error_rate,
    features,
    head,
    InputError,
    is_transductive,
    Loss,
    Model,
    Predictor,
    settled,
    Split,
)
from learnset.data import Labelled, Splits, turned
from learnset.meta import ANIL, MAML, MatchingNetwork, ProtoNet
from learnset.models import BatchNorm, classifier, Conv4, Headed, Raw
from learnset.report import Page
from learnset.tasks import AbstractTasks, Affine, Episodes
from learnset.training import evaluate, train, Trained
from learnset.transfer import FineTune, Prototypes, Unroll

from ._characters_page import draw, matching_steps

STEP_SIZES = (0.01, 0.03, 0.1, 0.3)  # of learning from scratch, chosen on validation tasks
SCRATCH_STEPS = 20


class Learner(eqx.Module):
    """A trained model, how it learns a task, and for how many classes."""

    name: str
    setting: Setting
    model: Model
    adapter: AbstractAdapter
    ways: int | None = None  # any number, by default
    seconds: float = 0.0  # of training
    compares: bool = False  # by features, of which each is of one image alone


class AtTheEnd(AbstractAdapter):
    """An adapter whose queries are answered once at the end, and not after each of its steps."""

    adapter: AbstractAdapter

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.adapter.adapt(model, support)


@dataclasses.dataclass(frozen=True)
class Characters(abc.ABC):
    """A study of characters, and its sizes.

    **Arguments:**

    - `steps`, `ways`, `filters`: of networks that compare features: training steps of one task each
        (of matching networks half as many), with `ways` classes, one shot and five queries; filters
        of each of four convolutions that are pooled, few where images are large.
    - `maml_steps`, `gradient_steps`: of MAML, and of the other networks that adapt by gradient
        descent: training steps of `gradient_tasks` tasks of five classes; `gradient_filters`: of
        each of four strided convolutions.
    - `test_tasks`: held-out tasks of each cell.
    """

    steps: int = 6000
    ways: int = 60
    filters: tuple[int, ...] = (24, 48, 96, 192)
    maml_steps: int = 36_000
    gradient_steps: int = 6000
    gradient_tasks: int = 8
    gradient_filters: int = 32
    test_tasks: int = 1000

    name: ClassVar[str]
    cells: ClassVar[tuple[tuple[int, int], ...]]  # ways, shots
    reads: ClassVar[frozenset[str]] = frozenset({"seed", "steps", "checkpoint_every", "resume"})
    draw = staticmethod(draw)

    @abc.abstractmethod
    def data(self) -> tuple[Splits, str]:
        """Characters to train, validate and test on, and words about them."""

    @abc.abstractmethod
    def queries(self, ways: int) -> int:
        """Queries of each class, when scored."""

    @abc.abstractmethod
    def compared(
        self, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        """The fields of a row about published values and goals."""

    @staticmethod
    @abc.abstractmethod
    def page(result: dict[str, Any]) -> Page:
        """The page of results, all of its numbers from `result`."""

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if min(np.ravel(value)) < 1:
                raise InputError(f"{self.name}: `{name}={value}`, but it must be at least 1.")

    def with_steps(self, steps: int) -> "Characters":
        """The same study with another number of training steps."""
        return dataclasses.replace(self, steps=steps, maml_steps=steps, gradient_steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `train`."""
        splits, origin = self.data()
        scored = self.scored(splits)
        keys = jr.split(key, 4)
        trainer = Trainer(folder, options)
        none, matching = Setting.SCRATCH, matching_steps(self.steps)
        learners = [
            Learner("raw pixels", none, Headed(Raw(), None), Prototypes()),
            self._from_scratch(splits, keys[2]),
            self._comparing("ProtoNet", ProtoNet(), self.steps, splits, keys[0], trainer),
            self._comparing(
                "matching network", MatchingNetwork(), matching, splits, keys[1], trainer
            ),
            *self._adapting(splits, keys[2], trainer),
        ]
        return {
            "rows": [row for learner in learners for row in self._rows(learner, scored, keys[3])],
            "training": {one.name: one.seconds for one in learners if one.seconds},
            "data": origin,
            "classes": {
                "train": len(splits.train),
                "validation": len(splits.validation),
                "test": len(scored.test),
            },
        }

    def scored(self, splits: Splits) -> Splits:
        """The classes that have enough examples for every cell."""
        fewest = max(shots + self.queries(ways) for ways, shots in self.cells)
        return Splits(*(classes.of_size(fewest) for classes in splits))

    def tasks(self, splits: Splits, ways: int, shots: int) -> Episodes:
        """The tasks of a cell."""
        return Episodes(*splits, ways=ways, shots=shots, queries=self.queries(ways))

    def _comparing(
        self,
        name: str,
        method: ProtoNet | MatchingNetwork,
        steps: int,
        splits: Splits,
        key: Key[Array, ""],
        trainer: "Trainer",
    ) -> Learner:
        """A network that compares features, trained with many classes at a time for all cells."""
        model_key, train_key = jr.split(key)
        classes = turned(splits.train, mirrored=True)
        sizes = {"ways": self.ways, "shots": 1, "queries": 5}
        tasks = Episodes(classes, *_unused(self.ways), **sizes, augment=Affine())
        start = Headed(Conv4((28, 28, 1), filters=self.filters, key=model_key), None)
        run = trainer.train(name, method, start, tasks, steps, 1, train_key)
        model = with_statistics(run.model, splits.train)
        about = {"seconds": run.seconds, "compares": True}
        return Learner(name, Setting.META, model, method.adapter, **about)

    def _start(self, key: Key[Array, ""]) -> Model:
        """A five-way classifier that nothing has trained."""
        encoder_key, head_key = jr.split(key)
        options = {"filters": self.gradient_filters, "strided": True, "normalisation": BatchNorm}
        return classifier(Conv4((28, 28, 1), **options, key=encoder_key), 5, key=head_key)

    def _from_scratch(self, splits: Splits, key: Key[Array, ""]) -> Learner:
        """The untrained classifier, which learns each task by many steps of the best size."""
        start_key, choice_key = jr.split(key)
        start = self._start(start_key)
        tasks = Episodes(*splits, ways=5, shots=1, queries=5)
        adapters = [FineTune(cross_entropy, lr, SCRATCH_STEPS) for lr in STEP_SIZES]
        sizes = {"num_tasks": min(100, self.test_tasks), "metric": error_rate, "key": choice_key}

        def error(adapter: AbstractAdapter) -> float:
            scored = evaluate(AtTheEnd(adapter), start, tasks, split=Split.VALIDATION, **sizes)
            return float(scored.errors.mean())

        best = adapters[int(np.argmin([error(adapter) for adapter in adapters]))]
        return Learner("from scratch", Setting.SCRATCH, start, best, ways=5)

    def _adapting(self, splits: Splits, key: Key[Array, ""], trainer: "Trainer") -> list[Learner]:
        """Networks that adapt by gradient descent, trained and tested with five classes."""
        three_steps = FineTune(cross_entropy, 0.4, 3)
        first_order = MAML(cross_entropy, 0.4, unroll=Unroll.FIRST_ORDER)
        methods: dict[str, tuple[AbstractMethod, AbstractAdapter]] = {
            "MAML": (MAML(cross_entropy, 0.4), three_steps),
            "FOMAML": (first_order, three_steps),
            "ANIL": (ANIL(cross_entropy, 0.4, 1), FineTune(cross_entropy, 0.4, 3, where=head)),
        }
        parts = (turned(splits.train), splits.validation, splits.test)
        tasks = Episodes(*parts, ways=5, shots=1, queries=5, augment=Affine())
        start_key, train_key = jr.split(key)
        start = self._start(start_key)
        learners = []
        for name, (method, adapter) in methods.items():
            steps = self.maml_steps if name == "MAML" else self.gradient_steps
            sizes = (steps, self.gradient_tasks, train_key)
            run = trainer.train(name, method, start, tasks, *sizes)
            about = {"ways": 5, "seconds": run.seconds}
            learners.append(Learner(name, Setting.META, run.model, adapter, **about))
        return learners

    def _rows(self, learner: Learner, splits: Splits, key: Key[Array, ""]) -> list[dict[str, Any]]:
        """Accuracy in each cell on new characters; of a learner that compares features also on
        those of training."""
        if not learner.compares:
            return self._cells(learner, learner.model, splits, key)
        # Features of each image are computed once, and not anew in every task.
        splits = Splits(*(embedded(learner.model, classes) for classes in splits))
        raw = Headed(Raw(), None)
        seen = Splits(splits.test, splits.validation, splits.train)
        rows = self._cells(learner, raw, splits, key)
        return rows + self._cells(learner, raw, seen, key, "seen")

    def _cells(
        self,
        learner: Learner,
        model: Model,
        splits: Splits,
        key: Key[Array, ""],
        which: str = "new",
    ) -> list[dict[str, Any]]:
        """Accuracy in each cell, on tasks that are the same for all learners."""
        rows, adapter = [], AtTheEnd(learner.adapter)
        for number, (ways, shots) in enumerate(self.cells):
            if learner.ways not in (None, ways):
                continue
            tasks, cell_key = self.tasks(splits, ways, shots), jr.fold_in(key, number)
            options = {"num_tasks": self.test_tasks, "metric": error_rate, "key": cell_key}
            errors = np.asarray(in_portions(adapter, model, tasks, **options))
            accuracy = 100 * (1 - float(errors.mean()))
            half = 196 * float(errors.std()) / np.sqrt(len(errors))
            row = {
                "part": "table",
                "recipe": learner.name,
                "setting": learner.setting.value,
                "tasks": which,
                "ways": ways,
                "shots": shots,
                "quantity": "accuracy",
                "value": accuracy,
                "ci95": half,
                "num_tasks": len(errors),
                "transductive": learner.adapter.transductive or is_transductive(learner.model),
            }
            new = which == "new"
            row |= self.compared(learner.name, ways, shots, accuracy, half) if new else {}
            rows.append(row)
        return rows


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Where the checkpoints of a study go, and the options of its training."""

    folder: Path
    options: dict[str, Any]

    def train(
        self,
        name: str,
        method: AbstractMethod,
        model: Model,
        tasks: AbstractTasks,
        steps: int,
        tasks_per_step: int,
        key: Key[Array, ""],
    ) -> Trained:
        """Trains by Adam with a step size that falls from 0.002 to zero."""
        out = self.folder / "checkpoints" / name.replace(" ", "-").lower()
        arguments = {"steps": steps, "tasks_per_step": tasks_per_step, "key": key}
        optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, steps))
        arguments |= {"out": out, "name": name} | self.options
        return train(method, model, tasks, optimiser, **arguments)


def with_statistics(model: Model, classes: Labelled) -> Model:
    """The model normalised by statistics of training images for good: every tenth of them."""
    xs = jnp.asarray(classes.x[::10]).astype(jnp.result_type(float)) / 255
    return eqx.filter_jit(settled)(model, Batch(xs, jnp.zeros((len(xs), 1))))


def embedded(model: Model, classes: Labelled, most: int = 500) -> Labelled:
    """The same classes with features in place of images, of a model whose features of an image
    depend on no other. At most `most` images are embedded at a time."""
    see = eqx.filter_jit(lambda x: features(model, x.astype(jnp.result_type(float)) / 255))
    rest = np.zeros((-len(classes.x) % most, *classes.x.shape[1:]), classes.x.dtype)
    padded = np.concatenate([classes.x, rest])  # one program for all portions
    portions = [np.asarray(see(jnp.asarray(x))) for x in np.split(padded, len(padded) // most)]
    return dataclasses.replace(classes, x=np.concatenate(portions)[: len(classes.x)])


def in_portions(
    adapter: AbstractAdapter,
    model: Model,
    tasks: AbstractTasks,
    *,
    num_tasks: int,
    metric: Loss,
    key: Key[Array, ""],
    most: int = 200,
) -> Float[np.ndarray, "tasks"]:
    """Errors after the last step, `most` tasks at a time: all images together are gigabytes."""
    portions = [most] * (num_tasks // most) + [num_tasks % most] * bool(num_tasks % most)

    def errors(i: int, size: int) -> np.ndarray:
        options = {"key": jr.fold_in(key, i), "num_tasks": size, "metric": metric}
        return np.asarray(evaluate(adapter, model, tasks, **options).errors[:, -1])

    return np.concatenate([errors(i, size) for i, size in enumerate(portions)])


def _unused(ways: int) -> tuple[Labelled, Labelled]:
    """Empty classes for the splits that training never draws from: theirs are fewer than `ways`."""
    blank, labels = np.zeros((6 * ways, 28, 28, 1), np.uint8), np.repeat(np.arange(ways), 6)

    def classes(name: str) -> Labelled:
        return Labelled.from_arrays(blank, labels, [f"{name} {i}" for i in range(ways)])

    return classes("a"), classes("b")
