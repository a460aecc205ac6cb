"""The Omniglot challenge: twenty characters of a new alphabet, told apart from one drawing of each.

Source: Lake, Salakhutdinov & Tenenbaum 2015, *Human-level concept learning through probabilistic
program induction*, Science 350:1332-1338, Figure 6a.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from learnset.comparison import Setting
from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    Batch,
    confidence,
    cross_entropy,
    fast_dots,
    InputError,
    is_transductive,
    Model,
    Split,
    Task,
)
from learnset.data import Classes, Labelled, omniglot, turned
from learnset.meta import MAML, ProtoNet
from learnset.models import classifier, Conv4, Headed, Raw
from learnset.recipes.classes import Classifying, normalised_by
from learnset.tasks import AbstractTasks, choose
from learnset.training import score, train
from learnset.transfer import FineTune, modified_hausdorff, Pooled, Prototypes, SimpleShot

from ._omniglot_challenge_page import COMPARED_WITH, draw, page, PUBLISHED
from ._omniglot_challenge_runs import (
    as_tasks,
    DRAWERS,
    Exam,
    exams_and_classes,
    official_sets,
    SEED,
    SIZE,
    smaller_sets,
    WAYS,
)
from ._study import row

STATISTICS = 6  # times 80 training images, whose statistics a pretrained encoder keeps


@dataclasses.dataclass(frozen=True)
class OmniglotChallengeStudy:
    """Reproduces the one-shot classification of the Omniglot challenge. Its sizes:

    **Arguments:**

    - `steps`: of each training; every step sees `8 * WAYS` images, whatever the method.
    - `filters`: of four strided convolutions.
    - `held_out`, `runs_each`: background alphabets that our own runs are made of, and runs of each.
    - `smaller_sets`: sets of five alphabets that are trained on, one or two.
    """

    steps: int = 500
    filters: int = 32
    held_out: int = 5
    runs_each: int = 4
    smaller_sets: int = 2

    reads: ClassVar = frozenset({"seed", "steps", "checkpoint_every", "resume", "full"})
    draw = staticmethod(draw)
    page = staticmethod(page)

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(
                    f"omniglot-challenge: `{name}={value}`, but it must be at least 1."
                )
        if self.smaller_sets > 2:
            raise InputError(
                f"omniglot-challenge: `smaller_sets={self.smaller_sets}`, but there are 1 and 2."
            )

    def quick(self) -> "OmniglotChallengeStudy":
        """A fast run of all parts, whose networks have not learnt much."""
        return OmniglotChallengeStudy(20, 16, 3, 1, 1)

    def full(self) -> "OmniglotChallengeStudy":
        """Long training of a wider network; for a machine with an accelerator."""
        return OmniglotChallengeStudy(20_000, 64, 5, 8, 2)

    def with_steps(self, steps: int) -> "OmniglotChallengeStudy":
        """The same study with another number of training steps."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `train`. The drawings of the first run go to
        `drawings.npz`."""
        exams, classes = exams_and_classes(self.held_out, self.runs_each)
        official = official_sets(self.smaller_sets) if exams[0].complete else {}
        alphabets = {"all": sorted(set(classes.groups))}
        alphabets |= smaller_sets(classes, self.smaller_sets) | official
        runs = [run for exam in exams for run in exam.runs]  # one program scores them all
        rights, training = without_training(runs), []
        for learner in self._learners(classes, key):
            for name, groups in alphabets.items():
                model, seconds = learner.trained_on(
                    classes, groups, name, self.steps, folder, options
                )
                about = {"recipe": learner.name, "alphabets": name, "train_seconds": seconds}
                training.append(about)
                right = answered(learner.adapter, model, runs)
                rights[learner.name, learner.setting, name] = right
        ends = np.cumsum([len(exam.runs) for exam in exams])[:-1]
        first = runs[0]
        np.savez_compressed(folder / "drawings.npz", train=first.train, test=first.test)
        return {
            "rows": [
                row_of(part, exam, *about)
                for about, right in rights.items()
                for exam, part in zip(exams, np.split(right, ends), strict=True)
            ],
            "training": training,
            "alphabets": alphabets,
            "characters": {name: len(classes.of_groups(each)) for name, each in alphabets.items()},
            "exams": {exam.name: {"runs": len(exam.runs), "from": exam.origin} for exam in exams},
            "official_sets": list(official),
            "seed_of_sets": SEED + 1,
            "figures": {"run": _first_run(first, rights)},
        }

    def _learners(self, classes: Labelled, key: Key[Array, ""]) -> list["Learner"]:
        encoder_key, head_key, train_key = jr.split(key, 3)
        encoder = Conv4((SIZE, SIZE, 1), filters=self.filters, strided=True, key=encoder_key)
        start = classifier(encoder, WAYS, key=head_key)
        pool = Classes(turned(classes))
        every = OfAlphabets(pool, jnp.arange(len(pool)), jnp.asarray(len(pool)))
        pooled = dataclasses.replace(every, ways=4 * WAYS, shared_labels=True)
        wide = dataclasses.replace(every, ways=2 * WAYS, queries=3)
        whole = Classifying(len(pool))(start, head_key)
        pretraining, proto, maml = Pooled(cross_entropy), ProtoNet(), MAML(cross_entropy, 0.4)
        # MAML §5.2: one step in training, three in evaluation.
        steps, shot, meta = FineTune(cross_entropy, 0.4, 3), SimpleShot(), Setting.META
        transfer = Setting.TRANSFER
        return [
            Learner("SimpleShot", transfer, pretraining, whole, pooled, 1, shot, train_key),
            Learner("ProtoNet", meta, proto, start, wide, 1, proto, train_key),
            Learner("MAML", meta, maml, start, every, 4, steps, train_key),
        ]


class OfAlphabets(AbstractTasks):
    """Tasks of some of the characters of a common pool: the same program whichever they are.

    Twenty drawings of each character are drawn from. With `shared_labels` targets are numbers of
    the pool and not of the task, as pretraining needs them.

    **Arguments:**

    - `chosen`, `number`: the characters to draw from are the first `number` of `chosen`.
    """

    pool: Classes
    chosen: Int[Array, "classes"]
    number: Int[Array, ""]
    ways: int = WAYS
    shots: int = 1
    queries: int = 1
    shared_labels: bool = False

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        class_key, drawer_key = jr.split(split.fold(key))
        classes = self.chosen[choose(self.number, self.ways, key=class_key)]
        each = self.shots + self.queries
        drawers = jax.vmap(lambda k: choose(DRAWERS, each, key=k))(jr.split(drawer_key, self.ways))
        x = self.pool[self.pool.starts[classes][None] + drawers.T]  # shots and queries, ways, *in
        label = classes if self.shared_labels else jnp.arange(self.ways)
        labels = len(self.pool) if self.shared_labels else self.ways
        y = jax.nn.one_hot(label, labels, dtype=x.dtype)
        y = jnp.broadcast_to(y[None], (each, self.ways, labels))

        def batch(part: slice) -> Batch:
            return Batch(*(leaf[part].reshape(-1, *leaf.shape[2:]) for leaf in (x, y)))

        return Task(batch(slice(self.shots)), batch(slice(self.shots, None)))

    def of(self, groups: tuple[str, ...], wanted: list[str]) -> "OfAlphabets":
        """The same of the characters whose group is wanted."""
        chosen = np.flatnonzero(np.isin(groups, wanted))
        padded = jnp.asarray(np.resize(chosen, len(groups)), jnp.int32)
        return eqx.tree_at(
            lambda t: (t.chosen, t.number), self, (padded, jnp.asarray(len(chosen), jnp.int32))
        )


class Learner(eqx.Module):
    """One way to train, and how its model learns a run."""

    name: str
    setting: Setting
    method: AbstractMethod
    model: Model
    tasks: Any
    tasks_per_step: int
    adapter: AbstractAdapter
    key: Key[Array, ""]

    def trained_on(
        self,
        classes: Labelled,
        alphabets: list[str],
        set_name: str,
        steps: int,
        folder: Path,
        options: dict[str, Any],
    ) -> tuple[Model, float]:
        """The model after training on some alphabets, and the seconds that it took."""
        tasks = self.tasks.of(turned_groups(classes), alphabets)
        name = f"{self.name} on {set_name}"
        arguments = {
            "steps": steps,
            "tasks_per_step": self.tasks_per_step,
            "key": self.key,
            "out": folder / "checkpoints" / name.lower().replace(" ", "-"),
            "name": name,
        } | options
        run = train(self.method, self.model, tasks, _adam(steps), **arguments)
        model = with_statistics(run.model, tasks, self.key) if tasks.shared_labels else run.model
        return model, round(run.seconds, 2)


def turned_groups(classes: Labelled) -> tuple[str, ...]:
    """The alphabets of `turned(classes)`: four turns of each character."""
    return classes.groups * 4


@functools.cache
def _adam(steps: int) -> optax.GradientTransformation:
    """One object, by which the compiled program of a training is found again."""
    return optax.adam(optax.cosine_decay_schedule(3e-3, steps))


def with_statistics(model: Model, tasks: OfAlphabets, key: Key[Array, ""]) -> Model:
    """A pretrained encoder, normalised and centred by statistics of training images."""
    xs = tasks.draw(STATISTICS, Split.TRAIN, key=key).support.x
    return normalised_by(model, xs.reshape(-1, *xs.shape[2:]))


# Scoring

Rights = dict[tuple[str, Setting, str], Bool[np.ndarray, "runs items"]]


def without_training(runs: list[omniglot.OneShotRun]) -> Rights:
    """The items that are answered right where nothing has been learnt."""
    none = Setting.SCRATCH
    pixels = answered(Prototypes(), Headed(Raw(), None), runs)
    return {
        ("modified Hausdorff", none, "none"): by_hausdorff(runs),
        ("nearest raw pixels", none, "none"): pixels,
    }


def by_hausdorff(runs: list[omniglot.OneShotRun]) -> Bool[np.ndarray, "runs items"]:
    """The items that are nearest to the right training drawing; of two as near, to the first, as
    in the demo of the repository."""
    nearest = [modified_hausdorff(run.test, run.train).argmin(axis=1) for run in runs]
    return np.stack([near == run.labels for near, run in zip(nearest, runs, strict=True)])


def answered(
    adapter: AbstractAdapter, model: Model, runs: list[omniglot.OneShotRun]
) -> Bool[np.ndarray, "runs items"]:
    """The items that are answered right, each by itself, from the training drawings of its run."""
    assert not (is_transductive(model) or adapter.transductive)
    return np.asarray(_right(adapter, model, as_tasks(runs))) > 0.5


@eqx.filter_jit
def _right(adapter: AbstractAdapter, model: Model, tasks: Task) -> Float[Array, "runs items"]:
    scored = fast_dots(lambda model, tasks: score(adapter, model, tasks, confidence))
    return scored(model, tasks)[:, -1, 1]


def row_of(
    right: Bool[np.ndarray, "runs items"], exam: Exam, name: str, setting: Setting, alphabets: str
) -> dict[str, Any]:
    """Error over runs, next to the published one. Whether they agree is said of the 20 official
    runs alone; of the distance, which has no chance in it, to the digit that was published."""
    wrong = 1.0 - right.mean(axis=1)
    compared_with = COMPARED_WITH.get(name, "")
    theirs = PUBLISHED.get(compared_with, {})
    published: Any = theirs.get("all" if alphabets == "none" else alphabets)
    about = {
        "part": exam.name,
        "recipe": name,
        "setting": setting.value,
        "tasks": "new",
        "alphabets": alphabets,
        "quantity": "error",
    }
    share = None if published is None else published / 100
    ours = row(wrong[None], share, str(theirs.get("source", "")), **about)
    ours |= {"compared_with": compared_with} if theirs else {}
    each = {run.name: round(float(e), 4) for run, e in zip(exam.runs, wrong, strict=True)}
    ours |= {"by_run": each}
    if published is None:
        return ours
    exact = abs(100 * ours["value"] - published) <= 0.05 + 1e-9
    agrees = exact if name == "modified Hausdorff" else ours["agrees"]
    return ours | {"agrees": agrees if exam.complete else None}


def _first_run(run: omniglot.OneShotRun, rights: Rights) -> dict[str, Any]:
    """The answers to the first run, of what has learnt nothing or from all alphabets."""
    right = {
        name: each[0].astype(int).tolist()
        for (name, _, alphabets), each in rights.items()
        if alphabets in ("none", "all")
    }
    return {"name": run.name, "labels": [int(label) for label in run.labels], "right": right}
