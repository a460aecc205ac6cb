"""What studies of few-shot classification of characters share: who learns, for how long, and how well."""

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

from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    Batch,
    COLOURS,
    cross_entropy,
    error_rate,
    FAINT,
    features,
    head,
    INK,
    InputError,
    is_transductive,
    Model,
    new_figure,
    Predictor,
    settled,
    Split,
    write_figure,
)
from learnset.data import Labelled, Splits, turned
from learnset.meta import ANIL, MAML, MatchingNetwork, ProtoNet
from learnset.models import BatchNorm, classifier, Conv4, Headed, Raw
from learnset.tasks import Affine, Episodes
from learnset.training import evaluate, train
from learnset.transfer import FineTune, Prototypes, Unroll

from ._study import markdown_table

STEP_SIZES = (0.01, 0.03, 0.1, 0.3)  # of learning from scratch, to choose from on validation tasks
SCRATCH_STEPS = 20


class Learner(eqx.Module):
    """A trained model, how it learns a task, and for how many classes."""

    name: str
    model: Model
    adapter: AbstractAdapter
    ways: int | None = None  # any, unless said
    seconds: float = 0.0  # of training
    compares: bool = False  # by features, of which each is of one image alone


class AtTheEnd(AbstractAdapter):
    """An adapter that is not watched on its way: queries are answered once, and not after each of its steps."""

    adapter: AbstractAdapter

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.adapter.adapt(model, support)


@dataclasses.dataclass(frozen=True)
class Characters(abc.ABC):
    """A study of characters, and its sizes.

    **Arguments:**

    - `steps`, `ways`, `filters`: of networks that compare features: training steps of one task each (of matching networks
      half as many), with so many classes, one shot and five queries; filters of each of four convolutions that are
      pooled, few where images are large.
    - `maml_steps`, `gradient_steps`: of MAML, and of the other networks that adapt by gradient descent: training steps of
      `gradient_tasks` tasks of five classes; `gradient_filters`: of each of four strided convolutions.
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

    @abc.abstractmethod
    def data(self) -> tuple[Splits, str]:
        """Characters to train, validate and test on, and words about them."""

    @abc.abstractmethod
    def queries(self, ways: int) -> int:
        """Queries of each class, when scored."""

    @abc.abstractmethod
    def beside(
        self, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        """What a row says of published values, and of what was to be reached."""

    @abc.abstractmethod
    def page(self, result: dict[str, Any]) -> str:
        """The page of results, all of its numbers from `result`."""

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if min(np.ravel(value)) < 1:
                raise InputError(f"{self.name}: `{name}={value}`, but it must be at least 1.")

    def with_steps(self, steps: int) -> "Characters":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps, maml_steps=steps, gradient_steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`. `options` go to `train`.

        **Returns:** what `result.json` holds.
        """
        splits, which = self.data()
        scored = self.scored(splits)
        keys = jr.split(key, 4)
        learners = [
            Learner("raw pixels", Headed(Raw(), None), Prototypes()),
            self._from_scratch(splits, keys[2]),
            self._comparing("ProtoNet", ProtoNet(), self.steps, splits, keys[0], folder, options),
            self._comparing(
                "matching network",
                MatchingNetwork(),
                self.matching_steps,
                splits,
                keys[1],
                folder,
                options,
            ),
            *self._adapting(splits, keys[2], folder, options),
        ]
        rows = [row for learner in learners for row in self._rows(learner, scored, keys[3])]
        draw(rows, self.cells, folder)
        training = {learner.name: learner.seconds for learner in learners if learner.seconds}
        counts = {
            "train": len(splits.train),
            "validation": len(splits.validation),
            "test": len(scored.test),
        }
        result = {"rows": rows, "training": training, "data": which, "classes": counts}
        (folder / "README.md").write_text(self.page(result))
        return result

    def scored(self, splits: Splits) -> Splits:
        """The classes that have enough examples for every cell."""
        fewest = max(shots + self.queries(ways) for ways, shots in self.cells)
        return Splits(*(classes.of_size(fewest) for classes in splits))

    def tasks(self, splits: Splits, ways: int, shots: int) -> Episodes:
        """The tasks of a cell."""
        return Episodes(*splits, ways=ways, shots=shots, queries=self.queries(ways))

    @property
    def matching_steps(self) -> int:
        """Training steps of matching networks."""
        return max(1, self.steps // 2)

    def _comparing(
        self,
        name: str,
        method: AbstractMethod,
        steps: int,
        splits: Splits,
        key,
        folder: Path,
        options: Any,
    ) -> Learner:
        """A network that compares features, trained with many classes at a time; one for all cells."""
        model_key, train_key = jr.split(key)
        sizes = {"ways": self.ways, "shots": 1, "queries": 5}
        train_on = Episodes(
            turned(splits.train, mirrored=True), *_unused(self.ways), **sizes, augment=Affine()
        )
        start = Headed(Conv4((28, 28, 1), filters=self.filters, key=model_key), None)
        optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, steps))
        run = self._train(
            name, method, start, train_on, optimiser, steps, 1, train_key, folder, options
        )
        return Learner(
            name,
            with_statistics(run.model, splits.train),
            method.adapter,
            seconds=run.seconds,
            compares=True,
        )

    def _start(self, key: Key[Array, ""]) -> Model:
        """A five-way classifier that nothing has trained."""
        encoder_key, head_key = jr.split(key)
        encoder = Conv4(
            (28, 28, 1),
            filters=self.gradient_filters,
            strided=True,
            normalisation=BatchNorm,
            key=encoder_key,
        )
        return classifier(encoder, 5, key=head_key)

    def _from_scratch(self, splits: Splits, key: Key[Array, ""]) -> Learner:
        """The untrained classifier, which learns each task by many steps of the best size."""
        start_key, choice_key = jr.split(key)
        start = self._start(start_key)
        tasks = Episodes(splits.train, splits.validation, splits.test, ways=5, shots=1, queries=5)
        adapters = [FineTune(cross_entropy, lr, SCRATCH_STEPS) for lr in STEP_SIZES]
        sizes = {"num_tasks": min(100, self.test_tasks), "metric": error_rate, "key": choice_key}
        errors = [
            float(
                evaluate(
                    AtTheEnd(adapter), start, tasks, split=Split.VALIDATION, **sizes
                ).errors.mean()
            )
            for adapter in adapters
        ]
        return Learner("from scratch", start, adapters[int(np.argmin(errors))], ways=5)

    def _adapting(
        self, splits: Splits, key: Key[Array, ""], folder: Path, options: Any
    ) -> list[Learner]:
        """Networks that adapt by gradient descent, trained and tested with five classes."""
        of = {
            "MAML": (MAML(cross_entropy, 0.4), FineTune(cross_entropy, 0.4, 3)),
            "FOMAML": (
                MAML(cross_entropy, 0.4, unroll=Unroll.FIRST_ORDER),
                FineTune(cross_entropy, 0.4, 3),
            ),
            "ANIL": (ANIL(cross_entropy, 0.4, 1), FineTune(cross_entropy, 0.4, 3, where=head)),
        }
        tasks = Episodes(
            turned(splits.train),
            splits.validation,
            splits.test,
            ways=5,
            shots=1,
            queries=5,
            augment=Affine(),
        )
        start_key, train_key = jr.split(key)
        start = self._start(start_key)
        learners = []
        for name, (method, adapter) in of.items():
            steps = self.maml_steps if name == "MAML" else self.gradient_steps
            optimiser, sizes = (
                optax.adam(optax.cosine_decay_schedule(2e-3, steps)),
                (steps, self.gradient_tasks),
            )
            run = self._train(
                name, method, start, tasks, optimiser, *sizes, train_key, folder, options
            )
            learners.append(Learner(name, run.model, adapter, ways=5, seconds=run.seconds))
        return learners

    def _train(
        self, name, method, model, tasks, optimiser, steps, number, key, folder, options
    ) -> Any:
        where = folder / "checkpoints" / name.replace(" ", "-").lower()
        arguments = {
            "steps": steps,
            "tasks_per_step": number,
            "key": key,
            "out": where,
            "name": name,
        } | options
        return train(method, model, tasks, optimiser, **arguments)

    def _rows(self, learner: Learner, splits: Splits, key: Key[Array, ""]) -> list[dict[str, Any]]:
        """Accuracy in each cell on new characters; of a learner that compares features also on those it was trained on."""
        if not learner.compares:
            return self._cells(learner, learner.model, splits, key)
        # Images are seen once each, and not anew in every task.
        splits, raw = (
            Splits(*(embedded(learner.model, classes) for classes in splits)),
            Headed(Raw(), None),
        )
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
        rows = []
        for number, (ways, shots) in enumerate(self.cells):
            if learner.ways not in (None, ways):
                continue
            tasks = self.tasks(splits, ways, shots)
            options = {
                "num_tasks": self.test_tasks,
                "metric": error_rate,
                "key": jr.fold_in(key, number),
            }
            errors = np.asarray(in_portions(AtTheEnd(learner.adapter), model, tasks, **options))
            accuracy, half = (
                100 * (1 - float(errors.mean())),
                196 * float(errors.std()) / np.sqrt(len(errors)),
            )
            row = {
                "part": "table",
                "recipe": learner.name,
                "tasks": which,
                "ways": ways,
                "shots": shots,
            }
            row |= {
                "quantity": "accuracy",
                "value": accuracy,
                "ci95": half,
                "num_tasks": len(errors),
            }
            row |= {"transductive": learner.adapter.transductive or is_transductive(learner.model)}
            rows.append(
                row
                | (self.beside(learner.name, ways, shots, accuracy, half) if which == "new" else {})
            )
        return rows

    def _seen_in_words(self, result: dict[str, Any]) -> str:
        """How well characters are told apart that training has seen."""
        found: dict[str, list[str]] = {}
        for row in result["rows"]:
            if row["tasks"] == "seen":
                found.setdefault(row["recipe"], []).append(f"{row['value']:.1f}")
        each = "; ".join(f"{name} {', '.join(values)} %" for name, values in found.items())
        return f"""On tasks of the characters that they were trained on, in the order of the table: {each}.
What the table lacks of that is what they do not carry over to new characters."""

    def _sizes_in_words(self, result: dict[str, Any]) -> str:
        """How the learners were trained, and for how long."""
        filters = ", ".join(map(str, self.filters))
        times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result["training"].items())
        return f"""**Sizes.** ProtoNet and the matching network: four convolutions of {filters} with pooling, {self.ways}-way
one-shot training for {self.steps:,} and {self.matching_steps:,} steps of one task, characters turned and mirrored as classes of
their own, images turned, stretched and moved a little; normalised by statistics of training images. MAML, FOMAML and ANIL:
four strided convolutions of {self.gradient_filters}, five-way one-shot training for {self.maml_steps:,} steps (MAML) and
{self.gradient_steps:,} (the others) of {self.gradient_tasks} tasks, one inner step of 0.4, three when tested; the one-shot
network is also given five shots. From scratch: the same network untrained, {SCRATCH_STEPS} steps on each task of the
size that is best on validation tasks. Training took {times}."""


def with_statistics(model: Model, classes: Labelled) -> Model:
    """The model normalised by statistics of training images for good: every tenth of them."""
    xs = jnp.asarray(classes.x[::10]).astype(jnp.result_type(float)) / 255
    return eqx.filter_jit(settled)(model, Batch(xs, jnp.zeros((len(xs), 1))))


def embedded(model: Model, classes: Labelled, most: int = 500) -> Labelled:
    """The same classes with features in place of images, of a model whose features of an image depend on no other."""
    see = eqx.filter_jit(lambda x: features(model, x.astype(jnp.result_type(float)) / 255))
    rest = np.zeros((-len(classes.x) % most, *classes.x.shape[1:]), classes.x.dtype)
    padded = np.concatenate([classes.x, rest])  # one program for all portions
    seen = [np.asarray(see(jnp.asarray(part))) for part in np.split(padded, len(padded) // most)]
    return dataclasses.replace(classes, x=np.concatenate(seen)[: len(classes.x)])


def in_portions(
    adapter, model, tasks, *, num_tasks: int, metric, key, most: int = 200
) -> Float[np.ndarray, "tasks"]:
    """Errors after the last step; a part of the tasks at a time, for the images of all would need gigabytes."""
    portions = [most] * (num_tasks // most) + [num_tasks % most] * bool(num_tasks % most)
    found = [
        evaluate(
            adapter, model, tasks, key=jr.fold_in(key, i), num_tasks=size, metric=metric
        ).errors[:, -1]
        for i, size in enumerate(portions)
    ]
    return np.concatenate([np.asarray(errors) for errors in found])


def _unused(ways: int) -> tuple[Labelled, Labelled]:
    """Empty classes for the splits that training with many classes never draws from, which have too few."""
    blank = np.zeros((6 * ways, 28, 28, 1), np.uint8)
    labels = np.repeat(np.arange(ways), 6)
    return tuple(
        Labelled.from_arrays(blank, labels, [f"{part} {i}" for i in range(ways)]) for part in "ab"
    )


def draw(rows: list[dict[str, Any]], cells: tuple[tuple[int, int], ...], folder: Path) -> None:
    """`accuracy`: ours and the published values, a panel for each cell; chance as a dotted line."""
    figure, axes = new_figure(1, len(cells), width=12, height=3.6)
    rows = [row for row in rows if row["tasks"] == "new"]
    names = list(dict.fromkeys(row["recipe"] for row in rows))
    for axis, (ways, shots) in zip(axes[0], cells, strict=True):
        mine = {row["recipe"]: row for row in rows if (row["ways"], row["shots"]) == (ways, shots)}
        for i, name in enumerate(names):
            if name not in mine:
                continue
            row = mine[name]
            axis.errorbar(row["value"], i, xerr=row["ci95"], fmt="o", color=COLOURS[0], capsize=3)
            if "published" in row:
                axis.plot(row["published"], i, "D", color=COLOURS[1], markersize=6)
        axis.axvline(100 / ways, color=FAINT, linestyle=":", linewidth=1)
        axis.set_yticks(
            range(len(names)), names if (ways, shots) == cells[0] else [""] * len(names)
        )
        axis.set(
            title=f"{ways}-way {shots}-shot",
            xlabel="accuracy (%)",
            xlim=(None, 102),
            ylim=(len(names) - 0.5, -0.5),
        )
    if any("published" in row for row in rows):
        axes[0][0].plot([], [], "o", color=COLOURS[0], label="ours")
        axes[0][0].plot([], [], "D", color=COLOURS[1], label="published")
        axes[0][0].legend(frameon=False, fontsize=8, labelcolor=INK)
    write_figure(figure, folder, "accuracy")


def table(
    result: dict[str, Any],
    cells: tuple[tuple[int, int], ...],
    published: dict[str, tuple[float, ...]],
) -> str:
    """Accuracy by learner and cell, what was published below it; a star where queries see each other."""
    rows = [row for row in result["rows"] if row["tasks"] == "new"]
    found = {(row["recipe"], row["ways"], row["shots"]): row for row in rows}
    lines = [["accuracy (%)", *(f"{ways}-way {shots}-shot" for ways, shots in cells)]]
    for name in dict.fromkeys(row["recipe"] for row in rows):
        mine = [found.get((name, *cell)) for cell in cells]
        sees = "\\*" if any(row and row["transductive"] for row in mine) else ""
        values = ("" if row is None else f"{row['value']:.2f} ± {row['ci95']:.2f}" for row in mine)
        lines.append([f"**{name}**{sees}", *values])
        if name in published:
            lines.append(["published", *(f"{value}" for value in published[name])])
    return markdown_table(lines)
