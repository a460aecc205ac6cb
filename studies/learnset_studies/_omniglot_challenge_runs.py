"""The one-shot runs of the Omniglot challenge, official and our own, and the alphabets around them.

Source: Lake, Salakhutdinov & Tenenbaum 2015; the 20 official runs are those of the repository's
folder `python/one-shot-classification`.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from learnset.core import Batch, InputError, Task
from learnset.data import area_averaged, Labelled, omniglot

WAYS, DRAWERS, SIZE = 20, 20, 28  # characters of a run, people who drew each, pixels of networks
SEED = 0  # of the alphabets that are held out, and of our own runs


class Exam(NamedTuple):
    """Runs to be scored on, at the size of the original images."""

    name: str
    runs: list[omniglot.OneShotRun]
    origin: str

    @property
    def complete(self) -> bool:
        """Whether these are the runs that all published errors are of."""
        return self.name == "official runs" and len(self.runs) == 20


def exams_and_classes(num_held_out: int, runs_each: int) -> tuple[list[Exam], Labelled]:
    """The runs to be scored on, and the classes to train on: all background alphabets where the
    runs are not made of them."""
    official = official_exam()
    classes = omniglot.background(size=SIZE)
    if official is not None and official.complete:
        return [official], classes
    more = [] if official is None else [official]
    if omniglot.find("images_evaluation.zip") is not None:
        whole = omniglot.evaluation(size=omniglot.SIDE)
        return [_own_exam(whole, held_out(whole, 2 * num_held_out), runs_each), *more], classes
    held = held_out(classes, num_held_out)
    others = classes.of_groups(sorted(set(classes.groups) - set(held)))
    return [_own_exam(omniglot.background(size=omniglot.SIDE), held, runs_each), *more], others


def official_exam() -> Exam | None:
    """The official runs that are at hand: 20, or the sample; None where there are none."""
    try:
        runs = omniglot.one_shot_runs()
    except InputError:
        return None
    return Exam("official runs", runs, "from the repository")


def _own_exam(whole: Labelled, alphabets: list[str], runs_each: int) -> Exam:
    origin = f"of {', '.join(sorted(alphabets))}"
    return Exam("own runs", own_runs(whole.of_groups(alphabets), runs_each, SEED), origin)


def held_out(classes: Labelled, number: int) -> list[str]:
    """Alphabets with at least 20 characters, drawn by `SEED`."""
    enough = [name for name in sorted(set(classes.groups)) if classes.groups.count(name) >= WAYS]
    if len(enough) < number:
        raise InputError(
            f"omniglot-challenge: `held_out={number}`, but {len(enough)} alphabets have {WAYS}"
            " characters. Lower it."
        )
    return shuffled(enough, SEED)[:number]


def shuffled(names: list[str], seed: int) -> list[str]:
    """The names in an order drawn by `seed`, always the same."""
    return [names[i] for i in np.random.RandomState(seed).permutation(len(names))]


def own_runs(classes: Labelled, runs_each: int, seed: int) -> list[omniglot.OneShotRun]:
    """Runs like the official ones: twenty characters of one alphabet, one person's drawings to
    learn from, another's in another order to classify."""
    runs, random = [], np.random.RandomState(seed)
    for alphabet in sorted(set(classes.groups)):
        members = np.flatnonzero(np.array(classes.groups) == alphabet)
        for number in range(runs_each):
            chosen = classes.starts[random.permutation(members)[:WAYS]]
            one, other = random.permutation(DRAWERS)[:2]
            labels = random.permutation(WAYS)
            train, test = classes.x[chosen + one], classes.x[chosen + other][labels]
            runs.append(omniglot.OneShotRun(f"{alphabet} {number + 1}", train, test, labels))
    return runs


def smaller_sets(classes: Labelled, number: int) -> dict[str, list[str]]:
    """Sets of five alphabets, drawn by `SEED + 1`."""
    order = shuffled(sorted(set(classes.groups)), SEED + 1)
    return {f"set {n + 1}": sorted(order[5 * n : 5 * n + 5]) for n in range(number)}


def official_sets(number: int) -> dict[str, list[str]]:
    """The alphabets of the official sets of five that are at hand."""
    return {
        f"set {n}": sorted(set(omniglot.minimal(n, size=SIZE).groups))
        for n in range(1, number + 1)
        if omniglot.find(f"images_background_small{n}.zip") is not None
    }


def as_tasks(runs: list[omniglot.OneShotRun]) -> Task:
    """Runs as tasks of small images."""
    one_hot = np.eye(WAYS, dtype=np.float32)

    def batch(images: list[np.ndarray], labels: list[Any]) -> Batch:
        x = np.stack([area_averaged(each, SIZE, SIZE) for each in images]).astype(np.float32) / 255
        y = one_hot[np.stack(labels)]
        return Batch(jnp.asarray(x), jnp.asarray(y), jnp.ones(x.shape[:2], jnp.float32))

    number = len(runs)
    support = batch([run.train for run in runs], [np.arange(WAYS)] * number)
    query = batch([run.test for run in runs], [run.labels for run in runs])
    return Task(support, query, jnp.full(number, -1), jnp.zeros((number, 0), jnp.float32))
