"""Few-shot classification of handwritten characters: the cells of Omniglot's table that every paper fills."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from .._errors import InputError
from .._evaluate import evaluate
from .._figure import COLOURS, FAINT, INK, new_figure, write_figure
from .._losses import cross_entropy, error_rate
from .._method import AbstractAdapter, AbstractMethod
from .._predict import is_transductive, settled
from .._train import train
from .._tree import head
from .._types import Batch, Model
from ..meta import ANIL, MAML, MatchingNetwork, ProtoNet
from ..models import BatchNorm, classifier, Conv4, Headed, Raw
from ..tasks import Affine, Episodes, Labelled, omniglot, Splits, turned
from ..transfer import FineTune, Prototypes, Unroll
from ._study import markdown_table

CELLS = ((5, 1), (5, 5), (20, 1), (20, 5))  # ways, shots
FINN = "Finn, Abbeel & Levine 2017, table 1"
PUBLISHED = {  # accuracy in per cent, in the order of CELLS
    "ProtoNet": ((98.8, 99.7, 96.0, 98.9), "Snell, Swersky & Zemel 2017, table 1"),
    "matching network": ((98.1, 98.9, 93.8, 98.5), FINN + " (Vinyals et al. 2016)"),
    "MAML": ((98.7, 99.9, 95.8, 98.9), FINN),
    "FOMAML": ((98.3, 99.2, 89.4, 97.9), "Nichol, Achiam & Schulman 2018, table 2 (with transduction)"),
}
NEEDED = {(5, 1): 98.0, (5, 5): 99.4, (20, 1): 94.0}  # what this library set itself, for ProtoNet


@dataclasses.dataclass(frozen=True)
class OmniglotStudy:
    """The study's sizes.

    **Arguments:**

    - `steps`, `ways`, `filters`: of networks that compare features: training steps of one task each, with so many
      classes, one shot and five queries; filters of four convolutions that are pooled, which at equal time is better than
      strides here.
    - `gradient_steps`, `gradient_tasks`, `gradient_filters`: of networks that adapt by gradient descent: training steps
      of so many tasks of five classes; filters of four strided convolutions.
    - `test_tasks`: held-out tasks of each cell.
    """

    steps: int = 4000
    ways: int = 60
    filters: int = 64
    gradient_steps: int = 1500
    gradient_tasks: int = 8
    gradient_filters: int = 32
    test_tasks: int = 1000

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"omniglot: `{name}={value}`, but it must be at least 1.")

    def quick(self) -> "OmniglotStudy":
        """A fast run of all parts, whose networks have not learnt much."""
        return OmniglotStudy(20, 20, 16, 20, 2, 16, 40)

    def full(self) -> "OmniglotStudy":
        """The papers' sizes; for a machine with an accelerator."""
        return OmniglotStudy(60_000, 60, 64, 60_000, 32, 64, 1000)

    def with_steps(self, steps: int) -> "OmniglotStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps, gradient_steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`. `options` go to `train`.

        **Returns:** what `result.json` holds.
        """
        splits, which = data()
        keys = jr.split(key, 4)
        learners = [
            Learner("raw pixels", Headed(Raw(), None), Prototypes()),
            self._comparing("ProtoNet", ProtoNet(), splits, keys[0], folder, options),
            self._comparing("matching network", MatchingNetwork(), splits, keys[1], folder, options),
            *self._adapting(splits, keys[2], folder, options),
        ]
        rows = [row for learner in learners for row in self._rows(learner, splits, keys[3])]
        draw(rows, folder)
        training = {learner.name: learner.seconds for learner in learners if learner.seconds}
        counts = {"train": len(splits.train), "validation": len(splits.validation), "test": len(splits.test)}
        result = {"rows": rows, "training": training, "data": which, "classes": counts}
        (folder / "README.md").write_text(page(result, self))
        return result

    def _comparing(self, name: str, method: AbstractMethod, splits: Splits, key, folder: Path, options: Any):
        """A network that compares features, trained with many classes at a time; one for all cells."""
        model_key, train_key = jr.split(key)
        train_on = Episodes(
            turned(splits.train, mirrored=True),
            *_unused(self.ways),
            ways=self.ways,
            shots=1,
            queries=5,
            augment=Affine(),
        )
        start = Headed(Conv4((28, 28, 1), filters=self.filters, key=model_key), None)
        optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, self.steps))
        run = self._train(name, method, start, train_on, optimiser, self.steps, 1, train_key, folder, options)
        return Learner(name, with_statistics(run.model, splits.train), method.adapter, seconds=run.seconds)

    def _adapting(self, splits: Splits, key, folder: Path, options: Any) -> list["Learner"]:
        """Networks that adapt by gradient descent, trained and tested with five classes."""
        of = {
            "MAML": (MAML(cross_entropy, 0.4), FineTune(cross_entropy, 0.4, 3)),
            "FOMAML": (MAML(cross_entropy, 0.4, unroll=Unroll.FIRST_ORDER), FineTune(cross_entropy, 0.4, 3)),
            "ANIL": (ANIL(cross_entropy, 0.4, 1), FineTune(cross_entropy, 0.4, 3, where=head)),
        }
        tasks = Episodes(
            turned(splits.train), splits.validation, splits.test, ways=5, shots=1, queries=5, augment=Affine()
        )
        encoder_key, head_key, train_key = jr.split(key, 3)
        encoder = Conv4(
            (28, 28, 1), filters=self.gradient_filters, strided=True, normalisation=BatchNorm, key=encoder_key
        )
        start = classifier(encoder, 5, key=head_key)
        optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, self.gradient_steps))
        learners = []
        for name, (method, adapter) in of.items():
            sizes = (self.gradient_steps, self.gradient_tasks)
            run = self._train(name, method, start, tasks, optimiser, *sizes, train_key, folder, options)
            learners.append(Learner(name, run.model, adapter, ways=5, seconds=run.seconds))
        return learners

    def _train(self, name, method, model, tasks, optimiser, steps, number, key, folder, options) -> Any:
        where = folder / "checkpoints" / name.replace(" ", "-").lower()
        arguments = {"steps": steps, "tasks_per_step": number, "key": key, "out": where, "name": name} | options
        return train(method, model, tasks, optimiser, **arguments)

    def _rows(self, learner: "Learner", splits: Splits, key: Key[Array, ""]) -> list[dict[str, Any]]:
        """Accuracy in each cell, on tasks that are the same for all learners."""
        rows = []
        for number, (ways, shots) in enumerate(CELLS):
            if learner.ways not in (None, ways):
                continue
            queries = 15 if ways == 5 else 5
            tasks = Episodes(splits.train, splits.validation, splits.test, ways=ways, shots=shots, queries=queries)
            options = {"num_tasks": self.test_tasks, "metric": error_rate, "key": jr.fold_in(key, number)}
            errors = np.asarray(in_portions(learner.adapter, learner.model, tasks, **options))
            rows.append(_row(learner, ways, shots, errors))
        return rows


class Learner(eqx.Module):
    """A trained model, how it learns a task, and for how many classes."""

    name: str
    model: Model
    adapter: AbstractAdapter
    ways: int | None = None  # any, unless said
    seconds: float = 0.0  # of training


def data() -> tuple[Splits, str]:
    """The official alphabets, or those of the background set alone where the others are not at hand."""
    if omniglot.find("images_evaluation.zip") is not None:
        return omniglot.official(), "official: trained on background alphabets, tested on the evaluation alphabets"
    return omniglot.development(), "development: background alphabets alone, some of them held out"


def with_statistics(model: Model, classes: Labelled) -> Model:
    """The model normalised by statistics of training images for good: every tenth of them."""
    xs = jnp.asarray(classes.x[::10]).astype(jnp.result_type(float)) / 255
    return eqx.filter_jit(settled)(model, Batch(xs, jnp.zeros((len(xs), 1))))


def in_portions(adapter, model, tasks, *, num_tasks: int, metric, key, most: int = 200) -> Float[np.ndarray, "tasks"]:
    """Errors after the last step; a part of the tasks at a time, for the images of all would need gigabytes."""
    portions = [most] * (num_tasks // most) + [num_tasks % most] * bool(num_tasks % most)
    found = [
        evaluate(adapter, model, tasks, key=jr.fold_in(key, i), num_tasks=size, metric=metric).errors[:, -1]
        for i, size in enumerate(portions)
    ]
    return np.concatenate([np.asarray(errors) for errors in found])


def _unused(ways: int) -> tuple[Labelled, Labelled]:
    """Empty classes for the splits that training with many classes never draws from, which have too few."""
    blank = np.zeros((6 * ways, 28, 28, 1), np.uint8)
    labels = np.repeat(np.arange(ways), 6)
    return tuple(Labelled.from_arrays(blank, labels, [f"{part} {i}" for i in range(ways)]) for part in "ab")


def _row(learner: Learner, ways: int, shots: int, errors: Float[np.ndarray, "tasks"]) -> dict[str, Any]:
    accuracy, half = 100 * (1 - float(errors.mean())), 196 * float(errors.std()) / np.sqrt(len(errors))
    row = {"part": "table", "recipe": learner.name, "tasks": "new", "ways": ways, "shots": shots}
    row |= {"quantity": "accuracy", "value": accuracy, "ci95": half, "num_tasks": len(errors)}
    row |= {"transductive": learner.adapter.transductive or is_transductive(learner.model)}
    if learner.name == "ProtoNet" and (ways, shots) in NEEDED:
        row |= {"needed": NEEDED[ways, shots], "reached": bool(accuracy >= NEEDED[ways, shots])}
    if learner.name not in PUBLISHED:
        return row
    values, source = PUBLISHED[learner.name]
    published = values[CELLS.index((ways, shots))]
    return row | {"published": published, "source": source, "agrees": bool(abs(accuracy - published) <= half + 0.05)}


def draw(rows: list[dict[str, Any]], folder: Path) -> None:
    """`accuracy`: ours and the published values, a panel for each cell."""
    figure, axes = new_figure(1, len(CELLS), width=12, height=3.6)
    names = list(dict.fromkeys(row["recipe"] for row in rows))
    for axis, (ways, shots) in zip(axes[0], CELLS, strict=True):
        mine = {row["recipe"]: row for row in rows if (row["ways"], row["shots"]) == (ways, shots)}
        for i, name in enumerate(names):
            if name not in mine:
                continue
            row = mine[name]
            axis.errorbar(row["value"], i, xerr=row["ci95"], fmt="o", color=COLOURS[0], capsize=3)
            if "published" in row:
                axis.plot(row["published"], i, "D", color=COLOURS[1], markersize=6)
        axis.axvline(100 / ways, color=FAINT, linestyle=":", linewidth=1)
        axis.set_yticks(range(len(names)), names if (ways, shots) == CELLS[0] else [""] * len(names))
        axis.set(
            title=f"{ways}-way {shots}-shot", xlabel="accuracy (%)", xlim=(None, 100.5), ylim=(len(names) - 0.5, -0.5)
        )
    axes[0][0].plot([], [], "o", color=COLOURS[0], label="ours")
    axes[0][0].plot([], [], "D", color=COLOURS[1], label="published")
    axes[0][0].legend(frameon=False, fontsize=8, labelcolor=INK)
    write_figure(figure, folder, "accuracy")


def page(result: dict[str, Any], study: OmniglotStudy) -> str:
    """The page of results, all of its numbers from `result`."""
    found = {(row["recipe"], row["ways"], row["shots"]): row for row in result["rows"]}
    lines = [["accuracy (%)", *(f"{ways}-way {shots}-shot" for ways, shots in CELLS)]]
    for name in dict.fromkeys(row["recipe"] for row in result["rows"]):
        cells = [found.get((name, *cell)) for cell in CELLS]
        sees = "*" if any(cell and cell["transductive"] for cell in cells) else ""
        lines.append(
            [f"**{name}**{sees}", *("" if c is None else f"{c['value']:.2f} ± {c['ci95']:.2f}" for c in cells)]
        )
        if name in PUBLISHED:
            lines.append(["published", *(f"{value}" for value in PUBLISHED[name][0])])
    sources = "; ".join(f"{name}: {source}" for name, (_, source) in PUBLISHED.items())
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result["training"].items())
    needed = [row for row in result["rows"] if "needed" in row]
    goals = ", ".join(
        f"{r['ways']}-way {r['shots']}-shot {r['value']:.2f} of {r['needed']} ({'reached' if r['reached'] else 'not reached'})"
        for r in needed
    )
    counts = result["classes"]
    return f"""# Omniglot: new characters from one drawing, or from five

Made by `learnset study omniglot`; all numbers are in [result.json](result.json). Data: {result["data"]};
{counts["train"]} characters to train on, {counts["test"]} to test on, which have no alphabet in common.
{study.test_tasks} held-out tasks a cell, the same for all.

{markdown_table(lines)}

± is the 95 % interval over tasks of one training. \\* its queries see each other (batch normalisation), as in the published
number. Sources: {sources}. Most papers test on characters drawn at random from all alphabets, which is easier than new
alphabets.

![Accuracy](accuracy.svg)

For ProtoNet we had set ourselves: {goals}.

**Sizes.** ProtoNet and the matching network: four convolutions of {study.filters} with pooling, {study.ways}-way one-shot
training for {study.steps:,} steps of one task, characters turned and mirrored as classes of their own, images turned,
stretched and moved a little; normalised by statistics of training images. MAML, FOMAML and ANIL: four strided convolutions of
{study.gradient_filters}, five-way one-shot training for {study.gradient_steps:,} steps of {study.gradient_tasks} tasks, one inner
step of 0.4, three when tested; the one-shot network is also given five shots. The papers train for 60,000 steps, with 64
filters and 32 tasks a step: `learnset study omniglot --full`, for a machine with an accelerator. Training took {times}.
"""
