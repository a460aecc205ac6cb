"""The Omniglot challenge: twenty characters of a new alphabet, told apart from one drawing of each.

Source: Lake, Salakhutdinov & Tenenbaum 2015, *Human-level concept learning through probabilistic
program induction*, Science 350:1332-1338, Figure 6a.
"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from learnset.comparison import (
    Accuracy,
    ByGradient,
    compare,
    GivenTasks,
    NothingLearnt,
    Outcome,
    Recipe,
    Setting,
)
from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    at,
    Batch,
    confidence,
    cross_entropy,
    InputError,
    Model,
    Split,
    Task,
)
from learnset.data import Classes, Labelled, omniglot, turned
from learnset.meta import MAML, ProtoNet
from learnset.models import classifier, Conv4
from learnset.recipes.classes import Classifying, normalised_by, without_model
from learnset.tasks import AbstractTasks, choose
from learnset.training import write_npz
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
from ._study import row, SHARED

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

    reads: ClassVar = SHARED | {"seed", "steps", "checkpoint_every", "resume", "full"}
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
        """Trains and scores. `options` go to `compare`. The drawings of the first run go to
        `drawings.npz`."""
        exams, classes = exams_and_classes(self.held_out, self.runs_each)
        official = official_sets(self.smaller_sets) if exams[0].complete else {}
        alphabets = {"all": sorted(set(classes.groups))}
        alphabets |= smaller_sets(classes, self.smaller_sets) | official
        runs = [run for exam in exams for run in exam.runs]  # one program scores them all
        recipes = self._recipes(classes, alphabets)
        question = GivenTasks(of_all(classes), as_tasks(runs), measure=Accuracy())
        comparison = compare(
            list(recipes.values()), self.network, question, key=key, out=folder, **options
        )
        outcomes = {about: comparison[recipe.name] for about, recipe in recipes.items()}
        assert not any(outcome.transductive for outcome in outcomes.values())
        rights = by_hausdorff(runs)
        errors = {("modified Hausdorff", Setting.SCRATCH, "none"): 1 - rights.mean(axis=1)}
        for (name, trained_on), outcome in outcomes.items():
            about = (name, outcome.recipe.setting, trained_on)
            errors[about] = 1 - np.float64(outcome.at(1)[0])
        ends = np.cumsum([len(exam.runs) for exam in exams])[:-1]
        write_npz(folder / "drawings.npz", train=runs[0].train, test=runs[0].test)
        return {
            "rows": [
                row_of(part, exam, *about)
                for about, each in errors.items()
                for exam, part in zip(exams, np.split(each, ends), strict=True)
            ],
            "training": [
                {
                    "recipe": name,
                    "alphabets": trained_on,
                    "train_seconds": round(outcome.cost.train_seconds, 2),
                }
                for (name, trained_on), outcome in outcomes.items()
                if outcome.recipe.learns
            ],
            "alphabets": alphabets,
            "characters": {name: len(classes.of_groups(each)) for name, each in alphabets.items()},
            "exams": {exam.name: {"runs": len(exam.runs), "from": exam.origin} for exam in exams},
            "official_sets": list(official),
            "seed_of_sets": SEED + 1,
            "figures": {"run": _drawn_run(runs[0], rights[0], outcomes)},
        }

    def network(self, key: Key[Array, ""]) -> Model:
        """A classifier of the characters of a run."""
        encoder_key, head_key = jr.split(key)
        encoder = Conv4((SIZE, SIZE, 1), filters=self.filters, strided=True, key=encoder_key)
        return classifier(encoder, WAYS, key=head_key)

    def _recipes(
        self, classes: Labelled, alphabets: dict[str, list[str]]
    ) -> dict[tuple[str, str], Recipe]:
        """Recipes by name and by the alphabets that they are trained on."""
        groups = turned_groups(classes)
        optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, self.steps))
        # MAML §5.2: one step in training, three in evaluation.
        three_steps, proto = FineTune(cross_entropy, 0.4, 3), ProtoNet()
        recipes = {("nearest raw pixels", "none"): raw_pixels()}

        def trained(
            name: str,
            setting: Setting,
            method: AbstractMethod,
            adapter: AbstractAdapter,
            tasks_per_step: int,
            sizes: dict[str, Any],
            **parts: Any,
        ) -> None:
            for which, wanted in alphabets.items():
                learner = ByGradient(
                    method,
                    past=OnlyOf.named(groups, wanted, **sizes),
                    steps=self.steps,
                    tasks_per_step=tasks_per_step,
                    optimiser=optimiser,
                    **parts,
                )
                recipe = Recipe(f"{name} on {which}", setting, (learner,), (adapter,))
                recipes[name, which] = recipe

        whole = {"model": Classifying(len(groups)), "finish": with_statistics}
        pooled = {"ways": 4 * WAYS, "shared_labels": True}
        pretraining, maml = Pooled(cross_entropy), MAML(cross_entropy, 0.4)
        trained("SimpleShot", Setting.TRANSFER, pretraining, SimpleShot(), 1, pooled, **whole)
        trained("ProtoNet", Setting.META, proto, proto, 1, {"ways": 2 * WAYS, "queries": 3})
        trained("MAML", Setting.META, maml, three_steps, 4, {})
        return recipes


def raw_pixels() -> Recipe:
    """The nearest drawing, pixel by pixel."""
    learner = NothingLearnt(without_model)
    return Recipe("nearest raw pixels", Setting.SCRATCH, (learner,), (Prototypes(),))


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

    @property
    def points_per_shot(self) -> int:
        return self.ways


def of_all(classes: Labelled) -> OfAlphabets:
    """Tasks of all characters and of their turned images."""
    pool = Classes(turned(classes))
    return OfAlphabets(pool, jnp.arange(len(pool)), jnp.asarray(len(pool)))


class OnlyOf(eqx.Module):
    """Makes tasks of some of the characters, and of other sizes, from tasks of all of them.

    **Arguments:** as for `OfAlphabets`.
    """

    chosen: Int[Array, "classes"]
    number: Int[Array, ""]
    ways: int = WAYS
    queries: int = 1
    shared_labels: bool = False

    @classmethod
    def named(cls, groups: tuple[str, ...], wanted: list[str], **sizes: Any) -> "OnlyOf":
        """Only of the characters whose group is wanted."""
        chosen = np.flatnonzero(np.isin(groups, wanted))
        padded = jnp.asarray(np.resize(chosen, len(groups)), jnp.int32)
        return cls(padded, jnp.asarray(len(chosen), jnp.int32), **sizes)

    def __call__(self, tasks: OfAlphabets, key: Key[Array, ""]) -> OfAlphabets:
        del key
        names = [field.name for field in dataclasses.fields(self)]
        return dataclasses.replace(tasks, **{name: getattr(self, name) for name in names})


def turned_groups(classes: Labelled) -> tuple[str, ...]:
    """The alphabets of `turned(classes)`: four turns of each character."""
    return classes.groups * 4


def with_statistics(model: Model, tasks: OfAlphabets, key: Key[Array, ""]) -> Model:
    """A pretrained encoder, normalised and centred by statistics of training images."""
    xs = tasks.draw(STATISTICS, Split.TRAIN, key=key).support.x
    return normalised_by(model, xs.reshape(-1, *xs.shape[2:]))


# Scoring


def by_hausdorff(runs: list[omniglot.OneShotRun]) -> Bool[np.ndarray, "runs items"]:
    """The items that are nearest to the right training drawing; of two as near, to the first, as
    in the demo of the repository."""
    nearest = [modified_hausdorff(run.test, run.train).argmin(axis=1) for run in runs]
    return np.stack([near == run.labels for near, run in zip(nearest, runs, strict=True)])


@eqx.filter_jit
def right_items(adapter: AbstractAdapter, model: Model, task: Task) -> Bool[Array, "items"]:
    """The items of a run that are answered right."""
    return confidence(adapter.adapt(model, task.support), task.query)[1] > 0.5


def row_of(
    wrong: Float[np.ndarray, "runs"], exam: Exam, name: str, setting: Setting, alphabets: str
) -> dict[str, Any]:
    """Error over runs, next to the published one. Whether they agree is said of the 20 official
    runs alone; of the distance, which has no chance in it, to the digit that was published."""
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


def _drawn_run(
    run: omniglot.OneShotRun,
    by_distance: Bool[np.ndarray, "items"],
    outcomes: dict[tuple[str, str], Outcome],
) -> dict[str, Any]:
    """The answers to a run, of what has learnt nothing or from all alphabets."""
    task = at(as_tasks([run]), 0)
    rights = {"modified Hausdorff": by_distance}
    for (name, trained_on), outcome in outcomes.items():
        if trained_on in ("none", "all"):
            adapter: Any = outcome.recipe.adapters[0]
            rights[name] = np.asarray(right_items(adapter, at(outcome.models, 0), task))
    right = {name: each.astype(int).tolist() for name, each in rights.items()}
    return {"name": run.name, "labels": [int(label) for label in run.labels], "right": right}
