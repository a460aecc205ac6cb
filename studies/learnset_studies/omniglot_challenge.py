"""The Omniglot challenge: which of twenty characters of an alphabet never seen is it, from one drawing of each?

Source: Lake, Salakhutdinov & Tenenbaum 2015, *Human-level concept learning through probabilistic program induction*,
Science 350:1332-1338, Figure 6a; the 20 runs and the code of the distance are those of the repository's folder
`python/one-shot-classification`.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key

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
from learnset.data import area_averaged, Classes, Labelled, omniglot, turned
from learnset.meta import MAML, ProtoNet
from learnset.models import classifier, Conv4, Headed, Raw
from learnset.recipes.classes import Classifying, normalised_by
from learnset.tasks import AbstractTasks, choose
from learnset.training import score, train
from learnset.transfer import FineTune, modified_hausdorff, Pooled, Prototypes, SimpleShot

from ._omniglot_challenge_page import draw_errors, draw_run, page
from ._study import row

WAYS, DRAWERS, SIZE = (
    20,
    20,
    28,
)  # characters of a run, people who drew each, pixels that networks see
SEED = 0  # of the alphabets that are held out, of the five that are the smaller sets, and of our own runs
STATISTICS = 6  # times 80 training images, whose statistics a pretrained encoder keeps
LAKE = "Lake, Salakhutdinov & Tenenbaum 2015"
UNVERIFIED = "recalled, unverified"
PUBLISHED: dict[
    str, dict[str, float | str]
] = {  # error in per cent, after 30 and after five background alphabets
    "people": {"all": 4.5, "source": LAKE},
    "BPL": {"all": 3.3, "five, 1": 4.3, "five, 2": 4.0, "source": LAKE},
    "BPL without learning to learn": {"all": 11.0, "source": LAKE},
    "BPL without compositionality": {"all": 14.0, "source": LAKE},
    "Siamese network": {"all": 8.0, "source": LAKE + " (Koch et al., augmented)"},
    "deep convolutional network": {"all": 13.5, "five, 1": 24.0, "five, 2": 22.3, "source": LAKE},
    "hierarchical deep model": {"all": 34.8, "source": LAKE},
    "modified Hausdorff distance": {"all": 38.8, "source": LAKE + "; demo_classification.py"},
    "RCN": {"all": 7.3, "source": UNVERIFIED + ": Lake et al. 2019"},
    "prototypical network": {
        "all": 13.7,
        "five, mean": 30.1,
        "source": UNVERIFIED + ": Lake et al. 2019",
    },
    "prototypical network, augmented": {"all": 6.0, "source": UNVERIFIED},
    "VHE": {"all": 18.7, "source": UNVERIFIED},
    "ARC, augmented": {"all": 1.5, "source": UNVERIFIED},
}
AS_PUBLISHED = {  # what ours are set beside
    "modified Hausdorff": "modified Hausdorff distance",
    "transfer: SimpleShot": "deep convolutional network",
    "meta: ProtoNet": "prototypical network",
}


@dataclasses.dataclass(frozen=True)
class OmniglotChallengeStudy:
    """The study's sizes.

    **Arguments:**

    - `steps`: of each training; every step sees `8 * WAYS` images, whatever the method.
    - `filters`: of four strided convolutions.
    - `held_out`, `runs_each`: background alphabets that our own runs are made of, and runs of each.
    - `smaller_sets`: how many sets of five alphabets are trained on, one or two.
    """

    steps: int = 500
    filters: int = 32
    held_out: int = 5
    runs_each: int = 4
    smaller_sets: int = 2

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
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`. `options` go to `train`.

        **Returns:** what `result.json` holds.
        """
        exams, classes = self._exams()
        official = official_sets(self.smaller_sets) if exams[0].complete else {}
        alphabets = {"all": sorted(set(classes.groups))} | self._smaller_sets(classes) | official
        runs = [
            run for exam in exams for run in exam.runs
        ]  # of all together: one program scores them
        rights, seconds = without_training(runs), {}
        for learner in self._learners(classes, key):
            for set_name, groups in alphabets.items():
                name = f"{learner.name}, {set_name}"
                adapted, seconds[name] = learner.trained_on(
                    classes, groups, name, self.steps, folder, options
                )
                rights[learner.name, set_name] = answered(adapted, runs)
        ends = np.cumsum([len(exam.runs) for exam in exams])[:-1]
        rows = [
            row_of(part, exam, *name)
            for name, right in rights.items()
            for exam, part in zip(exams, np.split(right, ends), strict=True)
        ]
        words = {
            "alphabets": alphabets,
            "characters": {
                name: len(classes.of_groups(groups)) for name, groups in alphabets.items()
            },
            "exams": {exam.name: {"runs": len(exam.runs), "from": exam.origin} for exam in exams},
        }
        words |= {"official_sets": list(official), "seed_of_sets": SEED + 1}
        result = {"rows": rows, "published": PUBLISHED, "training": seconds} | words
        draw_errors(result, folder)
        draw_run(runs[0], {name: right[0] for name, right in rights.items()}, folder)
        (folder / "README.md").write_text(page(result, self.steps, self.filters))
        return result

    # Data

    def _exams(self) -> tuple[list["Exam"], Labelled]:
        """The runs to be scored on, and the classes to train on: all background alphabets where the runs are not made
        of them."""
        official = official_exam()
        classes = omniglot.background(size=SIZE)
        if official is not None and official.complete:
            return [official], classes
        more = [] if official is None else [official]
        if omniglot.find("images_evaluation.zip") is not None:
            return [self._own(omniglot.evaluation, None), *more], classes
        held = held_out(classes, self.held_out)
        return [self._own(omniglot.background, held), *more], classes.of_groups(
            sorted(set(classes.groups) - set(held))
        )

    def _own(self, read: Any, alphabets: list[str] | None) -> "Exam":
        """Our own runs of these alphabets, or of twice as many as are held out otherwise."""
        whole = read(size=omniglot.SIDE)
        alphabets = held_out(whole, 2 * self.held_out) if alphabets is None else alphabets
        origin = f"our own, of {', '.join(sorted(alphabets))}"
        return Exam("own runs", own_runs(whole.of_groups(alphabets), self.runs_each, SEED), origin)

    def _smaller_sets(self, classes: Labelled) -> dict[str, list[str]]:
        """Sets of five alphabets, drawn by `SEED + 1`."""
        order = shuffled(sorted(set(classes.groups)), SEED + 1)
        return {
            f"five, {n + 1}": sorted(order[5 * n : 5 * n + 5]) for n in range(self.smaller_sets)
        }

    def _learners(self, classes: Labelled, key: Key[Array, ""]) -> list["Learner"]:
        encoder_key, head_key, train_key = jr.split(key, 3)
        encoder = Conv4((SIZE, SIZE, 1), filters=self.filters, strided=True, key=encoder_key)
        start = classifier(encoder, WAYS, key=head_key)
        pool = Classes(turned(classes))
        every = OfAlphabets(pool, jnp.arange(len(pool)), jnp.asarray(len(pool)))
        pooled = dataclasses.replace(every, ways=4 * WAYS, shared_labels=True)
        whole = Classifying(len(pool))(start, head_key)
        proto, maml = ProtoNet(), MAML(cross_entropy, 0.4)
        three_steps = FineTune(
            cross_entropy, 0.4, 3
        )  # MAML §5.2: one step in training, three in evaluation
        return [
            Learner(
                "transfer: SimpleShot",
                Pooled(cross_entropy),
                whole,
                pooled,
                1,
                SimpleShot(),
                train_key,
            ),
            Learner(
                "meta: ProtoNet",
                proto,
                start,
                dataclasses.replace(every, ways=2 * WAYS, queries=3),
                1,
                proto,
                train_key,
            ),
            Learner("meta: MAML", maml, start, every, 4, three_steps, train_key),
        ]


class OfAlphabets(AbstractTasks):
    """Tasks of some of the characters of a common pool: the program is the same whichever they are.

    Twenty drawings of each character are drawn from. With `shared_labels` targets are numbers of the pool and not of
    the task, as pretraining needs them.
    """

    pool: Classes
    chosen: Int[
        Array, "classes"
    ]  # numbers of the characters to draw from, those behind `number` being none
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
        label, labels = (
            (classes, len(self.pool)) if self.shared_labels else (jnp.arange(self.ways), self.ways)
        )
        y = jnp.broadcast_to(
            jax.nn.one_hot(label, labels, dtype=x.dtype)[None], (each, self.ways, labels)
        )
        parts = (slice(self.shots), slice(self.shots, None))
        return Task(
            *(
                Batch(*(leaf[part].reshape(-1, *leaf.shape[2:]) for leaf in (x, y)))
                for part in parts
            )
        )

    def of(self, groups: tuple[str, ...], wanted: list[str]) -> "OfAlphabets":
        """The same of the characters whose group is wanted."""
        chosen = np.flatnonzero(np.isin(groups, wanted))
        padded = jnp.asarray(np.resize(chosen, len(groups)), jnp.int32)
        return eqx.tree_at(
            lambda t: (t.chosen, t.number), self, (padded, jnp.asarray(len(chosen), jnp.int32))
        )


class Learner(eqx.Module):
    """One way to train, and what is done with its model in a run."""

    name: str
    method: AbstractMethod | None
    model: Model
    tasks: Any
    tasks_per_step: int
    adapter: AbstractAdapter
    key: Key[Array, ""]

    def trained_on(
        self,
        classes: Labelled,
        alphabets: list[str],
        name: str,
        steps: int,
        folder: Path,
        options: dict[str, Any],
    ) -> tuple["Learner", float]:
        """The learner after training on some alphabets, and the seconds that it took."""
        tasks = self.tasks.of(turned_groups(classes), alphabets)
        where = (
            folder
            / "checkpoints"
            / "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
        )
        arguments = {
            "steps": steps,
            "tasks_per_step": self.tasks_per_step,
            "key": self.key,
        } | options
        run = train(self.method, self.model, tasks, _adam(steps), out=where, name=name, **arguments)
        model = with_statistics(run.model, tasks, self.key) if tasks.shared_labels else run.model
        return eqx.tree_at(lambda one: one.model, self, model), round(run.seconds, 2)


def turned_groups(classes: Labelled) -> tuple[str, ...]:
    """The alphabets of `turned(classes)`: four turns of each character."""
    return classes.groups * 4


@functools.cache
def _adam(steps: int) -> optax.GradientTransformation:
    """One object, by which the compiled program of a training is found again for the next set of alphabets."""
    return optax.adam(optax.cosine_decay_schedule(3e-3, steps))


def with_statistics(model: Model, tasks: OfAlphabets, key: Key[Array, ""]) -> Model:
    """The encoder of a pretrained classifier, normalised and centred by statistics of training images."""
    xs = tasks.draw(STATISTICS, Split.TRAIN, key=key).support.x
    return normalised_by(model, xs.reshape(-1, *xs.shape[2:]))


class Exam(NamedTuple):
    """Runs to be scored on, at the size of the original images."""

    name: str
    runs: list[omniglot.OneShotRun]
    origin: str

    @property
    def complete(self) -> bool:
        """Whether these are the runs that everything published is of."""
        return self.name == "official runs" and len(self.runs) == 20


def official_exam() -> Exam | None:
    """The official runs that are at hand: 20, or the sample; None where there are none."""
    try:
        runs = omniglot.one_shot_runs()
    except InputError:
        return None
    return Exam("official runs", runs, "the repository")


def official_sets(number: int) -> dict[str, list[str]]:
    """The alphabets of the official sets of five that are at hand."""
    there = [
        n
        for n in range(1, number + 1)
        if omniglot.find(f"images_background_small{n}.zip") is not None
    ]
    return {f"five, {n}": sorted(set(omniglot.minimal(n, size=SIZE).groups)) for n in there}


def held_out(classes: Labelled, number: int) -> list[str]:
    """So many alphabets with at least 20 characters, drawn by `SEED`."""
    enough = [name for name in sorted(set(classes.groups)) if classes.groups.count(name) >= WAYS]
    if len(enough) < number:
        raise InputError(
            f"omniglot-challenge: `held_out={number}`, but {len(enough)} alphabets have {WAYS} characters. Lower it."
        )
    return shuffled(enough, SEED)[:number]


def shuffled(names: list[str], seed: int) -> list[str]:
    """The names in an order drawn by `seed`, the same for ever."""
    return [names[i] for i in np.random.RandomState(seed).permutation(len(names))]


def own_runs(classes: Labelled, runs_each: int, seed: int) -> list[omniglot.OneShotRun]:
    """Runs as the official ones are: twenty characters of one alphabet, one drawer's to learn from, another's in another
    order to classify."""
    runs, random = [], np.random.RandomState(seed)
    for alphabet in sorted(set(classes.groups)):
        members = np.flatnonzero(np.array(classes.groups) == alphabet)
        for number in range(runs_each):
            chosen = classes.starts[random.permutation(members)[:WAYS]]
            one, other = random.permutation(DRAWERS)[:2]
            labels = random.permutation(WAYS)
            name = f"{alphabet} {number + 1}"
            runs.append(
                omniglot.OneShotRun(
                    name, classes.x[chosen + one], classes.x[chosen + other][labels], labels
                )
            )
    return runs


# Scoring


def without_training(
    runs: list[omniglot.OneShotRun],
) -> dict[tuple[str, str], Bool[np.ndarray, "runs items"]]:
    """Which items are answered right by who has learnt nothing."""
    pixels = Learner("", None, Headed(Raw(), None), None, 1, Prototypes(), jr.key(0))
    return {
        ("modified Hausdorff", "none"): by_hausdorff(runs),
        ("nearest raw pixels", "none"): answered(pixels, runs),
    }


def by_hausdorff(runs: list[omniglot.OneShotRun]) -> Bool[np.ndarray, "runs items"]:
    """Which items are nearest to the right training drawing; of two as near the first, as in the demo."""
    nearest = [modified_hausdorff(run.test, run.train).argmin(axis=1) for run in runs]
    return np.stack([near == run.labels for near, run in zip(nearest, runs, strict=True)])


def answered(learner: Learner, runs: list[omniglot.OneShotRun]) -> Bool[np.ndarray, "runs items"]:
    """Which items a learner answers right, after one look at a run's training drawings."""
    assert not (
        is_transductive(learner.model) or learner.adapter.transductive
    )  # each item is answered by itself
    return np.asarray(_right(learner.adapter, learner.model, as_tasks(runs))) > 0.5


@eqx.filter_jit
def _right(adapter: AbstractAdapter, model: Model, tasks: Task) -> Float[Array, "runs items"]:
    return fast_dots(lambda model, tasks: score(adapter, model, tasks, confidence))(model, tasks)[
        :, -1, 1
    ]


def as_tasks(runs: list[omniglot.OneShotRun]) -> Task:
    """Runs as tasks of small images."""
    one_hot = np.eye(WAYS, dtype=np.float32)

    def batch(images: list[np.ndarray], labels: list[np.ndarray]) -> Batch:
        x = np.stack([area_averaged(each, SIZE, SIZE) for each in images]).astype(np.float32) / 255
        return Batch(
            jnp.asarray(x),
            jnp.asarray(one_hot[np.stack(labels)]),
            jnp.ones(x.shape[:2], jnp.float32),
        )

    train, test = ([getattr(run, part) for run in runs] for part in ("train", "test"))
    number = len(runs)
    support = batch(train, [np.arange(WAYS)] * number)
    query = batch(test, [run.labels for run in runs])
    return Task(support, query, jnp.full(number, -1), jnp.zeros((number, 0), jnp.float32))


def row_of(
    right: Bool[np.ndarray, "runs items"], exam: Exam, name: str, alphabets: str
) -> dict[str, Any]:
    """Error over runs. It is said to agree with a published one that was verified, on the official 20 runs alone: of the
    distance, which has no chance in it, to the digit that was published."""
    wrong = 1.0 - right.mean(axis=1)
    beside = PUBLISHED.get(AS_PUBLISHED.get(name, ""), {})
    published = beside.get("all" if alphabets == "none" else alphabets)
    words = {
        "part": exam.name,
        "recipe": name,
        "tasks": "new",
        "alphabets": alphabets,
        "quantity": "error",
    }
    found = row(
        wrong[None],
        None if published is None else published / 100,
        str(beside.get("source", "")),
        **words,
    )
    found |= {"beside": AS_PUBLISHED[name]} if beside else {}
    found |= {
        "by_run": {
            run.name: round(float(each), 4) for run, each in zip(exam.runs, wrong, strict=True)
        }
    }
    if published is None:
        return found
    exact = abs(100 * found["error"] - published) <= 0.05 + 1e-9
    agrees = exact if name == "modified Hausdorff" else found["agrees"]
    return found | {
        "agrees": agrees if exam.complete and not found["source"].startswith(UNVERIFIED) else None
    }
