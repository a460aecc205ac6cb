"""Recipes, questions and rows that the studies of few-shot classification of characters share."""

import abc
import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Key, Shaped

from learnset.comparison import (
    Accuracy,
    ByGradient,
    Comparison,
    Experience,
    learn,
    NewTasks,
    NothingLearnt,
    Recipe,
    Setting,
    slug,
)
from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    Batch,
    cross_entropy,
    features,
    head,
    InputError,
    Model,
    settled,
)
from learnset.data import Labelled, Splits, turned
from learnset.meta import ANIL, MAML, MatchingNetwork, ProtoNet
from learnset.models import BatchNorm, classifier, Conv4, Headed, Raw
from learnset.recipes.classes import without_model
from learnset.report import Page
from learnset.tasks import Affine, Episodes
from learnset.transfer import FineTune, Prototypes, Unroll

from ._characters_page import draw, matching_steps
from ._study import SHARED

STEP_SIZES = (0.01, 0.03, 0.1, 0.3)  # of learning from scratch, chosen on validation tasks
SCRATCH_STEPS = 20
WAYS = 5  # of networks that adapt by gradient descent


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
    trained_shots: ClassVar[tuple[int, ...]] = (1,)  # of networks that adapt by gradient descent
    reads: ClassVar[frozenset[str]] = SHARED | {"seed", "steps", "checkpoint_every", "resume"}
    draw = staticmethod(draw)

    @abc.abstractmethod
    def protocols(self) -> dict[str, tuple[Splits, str]]:
        """Ways to divide the characters, by name: those to train, validate and test on, and words
        about them."""

    @abc.abstractmethod
    def queries(self, ways: int) -> int:
        """Queries of each class, when scored."""

    @abc.abstractmethod
    def compared(
        self, protocol: str, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        """The fields of a row about published values."""

    @staticmethod
    @abc.abstractmethod
    def page(result: dict[str, Any]) -> Page:
        """The page of results, all of its numbers from `result`."""

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if not isinstance(value, bool) and min(np.ravel(value)) < 1:
                raise InputError(f"{self.name}: `{name}={value}`, but it must be at least 1.")

    def with_steps(self, steps: int) -> "Characters":
        """The same study with another number of training steps."""
        return dataclasses.replace(self, steps=steps, maml_steps=steps, gradient_steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `learn`."""
        parts = [
            self._run(folder, protocol, splits, words, {"key": key} | options)
            for protocol, (splits, words) in self.protocols().items()
        ]
        return {"rows": [row for part in parts for row in part.pop("rows")], "protocols": parts}

    def _run(
        self, folder: Path, protocol: str, splits: Splits, words: str, options: dict[str, Any]
    ) -> dict[str, Any]:
        """The part of one protocol."""
        folder, scored = folder / slug(protocol), self.scored(splits)
        untrained, adapting = [raw_pixels(), from_scratch()], self.adapting()
        comparing, rows = self.comparing(splits.train), []
        seconds: dict[str, float] = {}
        for shots in self.trained_shots:
            of_five_ways = self._of_five_ways(splits, shots)
            where = folder / f"{shots}-shot"
            adapted = learn(self.classifier, of_five_ways, out=where, **options)
            seconds |= {f"{r.name} {shots}-shot": adapted.learnt(r).seconds for r in adapting}
            first = shots == self.trained_shots[0]
            rows += self._rows(adapted, [*(untrained if first else []), *adapting], scored, shots)
        compared = learn(
            self.encoder, self._of_many_ways(splits), out=folder / "comparing", **options
        )
        for recipe in comparing:
            seconds[recipe.name] = compared.learnt(recipe).seconds
            rows += self._rows_of_features(compared, recipe, scored)
        for row in rows:
            row["protocol"] = protocol
            if row["tasks"] == "new":
                cell = (row["recipe"], row["ways"], row["shots"], row["value"], row["ci95"])
                row |= self.compared(protocol, *cell)
        order = [recipe.name for recipe in (*untrained, *comparing, *adapting)]
        return {
            "rows": sorted(rows, key=lambda row: order.index(row["recipe"])),
            "protocol": protocol,
            "data": words,
            "training": seconds,
            "trained_shots": list(self.trained_shots),
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

    # Networks, and the tasks that they are trained on

    def encoder(self, key: Key[Array, ""]) -> Headed:
        """A network that compares features."""
        return Headed(Conv4((28, 28, 1), filters=self.filters, key=key), None)

    def classifier(self, key: Key[Array, ""]) -> Model:
        """A five-way classifier, which adapts by gradient descent."""
        encoder_key, head_key = jr.split(key)
        options = {"filters": self.gradient_filters, "strided": True, "normalisation": BatchNorm}
        return classifier(Conv4((28, 28, 1), **options, key=encoder_key), WAYS, key=head_key)

    def _of_many_ways(self, splits: Splits) -> NewTasks:
        parts = (turned(splits.train, mirrored=True), *_unused(self.ways))
        return self.question(Episodes(*parts, self.ways, shots=1, queries=5, augment=Affine()))

    def _of_five_ways(self, splits: Splits, shots: int) -> NewTasks:
        parts = (turned(splits.train), splits.validation, splits.test)
        return self.question(Episodes(*parts, WAYS, shots=shots, queries=5, augment=Affine()))

    # Recipes

    def comparing(self, classes: Labelled) -> list[Recipe]:
        """Networks that compare features, trained with many classes at a time for all cells, and
        normalised by statistics of the training images."""
        of_all = SettledBy(jnp.asarray(classes.x[::10]))

        def trained(name: str, method: ProtoNet | MatchingNetwork, steps: int) -> Recipe:
            learner = by_adam(method, steps, tasks_per_step=1, finish=of_all)
            return Recipe(name, Setting.META, (learner,), (method.adapter,))

        return [
            trained("ProtoNet", ProtoNet(), self.steps),
            trained("matching network", MatchingNetwork(), matching_steps(self.steps)),
        ]

    def adapting(self) -> list[Recipe]:
        """Networks that adapt by gradient descent, trained and tested with five classes."""

        def trained(
            name: str, method: AbstractMethod, steps: int, adapter: AbstractAdapter
        ) -> Recipe:
            learner = by_adam(method, steps, tasks_per_step=self.gradient_tasks)
            return Recipe(name, Setting.META, (learner,), (adapter,))

        maml = MAML(cross_entropy, 0.4)
        first_order = MAML(cross_entropy, 0.4, unroll=Unroll.FIRST_ORDER)
        anil = ANIL(cross_entropy, 0.4, 1)
        three_steps = FineTune(cross_entropy, 0.4, 3)
        of_the_head = FineTune(cross_entropy, 0.4, 3, where=head)
        return [
            trained("MAML", maml, self.maml_steps, three_steps),
            trained("FOMAML", first_order, self.gradient_steps, three_steps),
            trained("ANIL", anil, self.gradient_steps, of_the_head),
        ]

    # Questions and rows

    def question(self, tasks: Episodes) -> NewTasks:
        """New tasks, answered after the last step of adaptation. All images of many tasks together
        are gigabytes."""
        return NewTasks(
            tasks,
            Accuracy(),
            seeds=1,
            shots=(tasks.shots,),
            queries=tasks.queries,
            validation_tasks=min(100, self.test_tasks),
            test_tasks=self.test_tasks,
            watched=(),
            chooses_steps=False,
            at_once=200,
        )

    def _rows(
        self, experience: Experience, recipes: list[Recipe], splits: Splits, trained_shots: int
    ) -> list[dict[str, Any]]:
        """Accuracy in each cell on new characters; of a classifier in those of its ways, after
        training with as many shots where there was such a training."""
        rows = []
        for ways, shots in self.cells:
            nearest = shots if shots in self.trained_shots else self.trained_shots[0]
            able = [
                one
                for one in recipes
                if one.name == "raw pixels"
                or (ways == WAYS and (nearest == trained_shots or not one.learns))
            ]
            if able:
                comparison = experience.ask(self.question(self.tasks(splits, ways, shots)), able)
                rows += [self._row(comparison, one.name, ways) for one in able]
        return rows

    def _rows_of_features(
        self, experience: Experience, recipe: Recipe, splits: Splits
    ) -> list[dict[str, Any]]:
        """Accuracy in each cell, on new characters and on those of training. Features of each image
        are computed once, and not anew in every task."""
        model = jax.tree.map(
            lambda leaf: leaf[0, 0] if eqx.is_array(leaf) else leaf,
            experience.learnt(recipe).models[0],
        )
        new = Splits(*(embedded(model, classes) for classes in splits))
        seen = Splits(new.test, new.validation, new.train)
        models = {recipe.name: Headed(Raw(), None)}
        rows = []
        for which, parts in {"new": new, "seen": seen}.items():
            for ways, shots in self.cells:
                question = self.question(self.tasks(parts, ways, shots))
                comparison = experience.ask(question, [recipe], models=models)
                rows.append(self._row(comparison, recipe.name, ways, which))
        return rows

    def _row(
        self, comparison: Comparison, name: str, ways: int, which: str = "new"
    ) -> dict[str, Any]:
        outcome, (shots,) = comparison[name], comparison.shots
        assert shots is not None  # they are new tasks
        accuracy, half = (100 * number for number in comparison.value(outcome, shots))
        return {
            "part": "table",
            "recipe": name,
            "setting": outcome.recipe.setting.value,
            "tasks": which,
            "ways": ways,
            "shots": shots,
            "quantity": "accuracy",
            "value": accuracy,
            "ci95": half,
            "num_tasks": outcome.at(shots).size,
            "transductive": outcome.transductive,
        }


# Parts of recipes


def raw_pixels() -> Recipe:
    """The nearest class mean of images as they are."""
    learner = NothingLearnt(without_model)
    return Recipe("raw pixels", Setting.SCRATCH, (learner,), (Prototypes(),))


def from_scratch() -> Recipe:
    """The untrained classifier, which learns each task by many steps of the best size."""
    adapters = tuple(FineTune(cross_entropy, lr, SCRATCH_STEPS) for lr in STEP_SIZES)
    return Recipe("from scratch", Setting.SCRATCH, adapters=adapters)


def by_adam(method: AbstractMethod, steps: int, **options: Any) -> ByGradient:
    """Training by Adam with a step size that falls from 0.002 to zero."""
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, steps))
    return ByGradient(method, steps=steps, optimiser=optimiser, **options)


class SettledBy(eqx.Module):
    """Normalises a trained model by statistics of images for good.

    **Arguments:** `images`: of training, as bytes.
    """

    images: Shaped[Array, "images height width channels"]

    def __call__(self, model: Model, past: Any, key: Key[Array, ""]) -> Model:
        del past, key
        xs = self.images.astype(jnp.result_type(float)) / 255
        return settled(model, Batch(xs, jnp.zeros((len(xs), 1))))


def embedded(model: Model, classes: Labelled, most: int = 500) -> Labelled:
    """The same classes with features in place of images, of a model whose features of an image
    depend on no other. At most `most` images are embedded at a time."""
    see = eqx.filter_jit(lambda x: features(model, x.astype(jnp.result_type(float)) / 255))
    rest = np.zeros((-len(classes.x) % most, *classes.x.shape[1:]), classes.x.dtype)
    padded = np.concatenate([classes.x, rest])  # one program for all portions
    portions = [np.asarray(see(jnp.asarray(x))) for x in np.split(padded, len(padded) // most)]
    return dataclasses.replace(classes, x=np.concatenate(portions)[: len(classes.x)])


def _unused(ways: int) -> tuple[Labelled, Labelled]:
    """Empty classes for the splits that training never draws from: theirs are fewer than `ways`."""
    blank, labels = np.zeros((6 * ways, 28, 28, 1), np.uint8), np.repeat(np.arange(ways), 6)

    def classes(name: str) -> Labelled:
        return Labelled.from_arrays(blank, labels, [f"{name} {i}" for i in range(ways)])

    return classes("a"), classes("b")
