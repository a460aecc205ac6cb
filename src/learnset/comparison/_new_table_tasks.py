"""The question about tasks of a table that are held out, others in each division."""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array, Int, Key

from ..core import at, InputError, Split, Task
from ..data import Table
from ..tasks import AbstractTasks, by_tasks, HeldOutTasks, most_points
from ._measure import AbstractPointMeasure, LogLoss, MeanSquaredError
from ._question import AbstractNewTasks, padded, stacked
from ._seeds import Purpose, seed_keys

FEWEST = 8  # tasks of which some can be held out
FOLDS = 5  # divisions until each task has been held out once
QUERIES = 10  # rows of a held-out task to be scored on, at least


class NewTableTasks(AbstractNewTasks):
    """Tasks of a table that are held out, each to be learnt from a few of its rows. Each division
    holds out others, so that five divisions score every task. `of_table` makes it.

    - `sets`: the tasks of each division, their arrays with a leading axis.
    - `names`: of the tasks that each division holds out, to score on.
    """

    sets: HeldOutTasks
    names: tuple[tuple[str, ...], ...]
    measure: AbstractPointMeasure = MeanSquaredError()
    shots: tuple[int, ...] = (2, 5, 10, 20)
    queries: int = 30
    validation_tasks: int = 60
    test_tasks: int = 60
    watched: tuple[int, ...] | None = None
    chooses_steps: bool = True
    at_once: int | None = None

    @classmethod
    def of_table(
        cls,
        table: Table,
        large: Int[np.ndarray, "some"],
        *,
        shots: tuple[int, ...],
        seeds: Sequence[int] = range(5),
        queries: int = 10,
        watched: tuple[int, ...] | None = None,
    ) -> "NewTableTasks":
        """The question to a table.

        **Arguments:**

        - `large`: the tasks with enough rows, of which some are held out.
        - `shots`: rows of a task that are learnt from. `queries`: others, to be scored on.

        **Raises:** `InputError` for fewer than eight tasks.
        """
        if len(large) < FEWEST:
            raise InputError(
                f"{len(large)} tasks have enough rows, but to hold some out there must be at least"
                f" {FEWEST}."
            )
        options = {"shots": shots[len(shots) // 2], "queries": queries}
        least = min(len(table.rows_of(number)) for number in large)
        most = max(most_points(table), shots[-1] + queries)
        sets = [
            by_tasks(table, seed=seed, part=part, least=least, most=most, **options)
            for seed, part in zip(seeds, held_out(len(table), large, seeds), strict=True)
        ]
        names = tuple(tasks.names[Split.TEST.value] for tasks in sets)
        measure = LogLoss() if table.classes else MeanSquaredError()
        return cls(stacked(_alike(sets)), names, measure, shots, watched=watched)

    @property
    def family(self) -> HeldOutTasks:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The tasks of the first division, of the sizes of all."""
        return at(self.sets, 0)

    @property
    def seeds(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return len(self.names)

    @property
    def units(self) -> Int[np.ndarray, "seeds tasks"]:
        number = {name: i for i, name in enumerate(sorted({n for of in self.names for n in of}))}
        draws = range(self.test_tasks)
        return np.array([[number[of[i % len(of)]] for i in draws] for of in self.names])

    def past(self) -> tuple[AbstractTasks, bool]:
        return self.sets, True

    def ask(self, split: Split, view: object, key: Key[Array, ""]) -> Task:
        purpose, number = Purpose.TEST, self.test_tasks
        if split is Split.VALIDATION:
            purpose, number = Purpose.VALIDATION, self.validation_tasks
        keys = seed_keys(key, purpose, self.seeds)
        return _draw(self.sets, keys, (split, number, max(self.shots), self.queries))


@eqx.filter_jit
def _draw(
    sets: HeldOutTasks, keys: Key[Array, "seeds"], sizes: tuple[Split, int, int, int]
) -> Task:
    split, number, shots, queries = sizes

    def of_division(tasks: HeldOutTasks, key: Key[Array, ""]) -> Task:
        return tasks.with_shots(shots, queries).draw(number, split, key=key)

    return eqx.filter_vmap(of_division)(sets, keys)


def held_out(
    tasks: int, large: Int[np.ndarray, "some"], seeds: Sequence[int]
) -> list[Int[np.ndarray, "tasks"]]:
    """The part of each task in each division: a fifth of the large ones is scored, another chooses
    settings. Each five divisions score all of them, as cross-validation does.

    >>> parts = held_out(10, np.arange(10), range(5))
    >>> sum((part == 2).astype(int) for part in parts).tolist()
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    size = -(-len(large) // FOLDS)
    divisions = []
    for nth, _ in enumerate(seeds):
        turn, fold = divmod(nth, FOLDS)
        order = np.random.default_rng(seeds[turn * FOLDS]).permutation(large)
        order = np.roll(order, -fold * size)
        part = np.zeros(tasks, np.int64)
        part[order[:size]], part[order[size : 2 * size]] = Split.TEST.value, Split.VALIDATION.value
        divisions.append(part)
    return divisions


def enough_rows(
    table: Table, shots: tuple[int, ...]
) -> tuple[tuple[int, ...], Int[np.ndarray, "some"]]:
    """The numbers of rows to learn from that enough tasks have, and the tasks that have all of
    these, of which some can be held out; none where there are too few."""
    count = np.array([len(table.rows_of(i)) for i in range(len(table))])
    least = max(FEWEST, len(table) // 2)
    shots = tuple(s for s in shots if (count >= s + QUERIES).sum() >= least)
    large = np.flatnonzero(count >= shots[-1] + QUERIES) if shots else np.zeros(0, int)
    return shots, large


def rows_to_score(table: Table, large: Int[np.ndarray, "some"], shots: Sequence[int]) -> int:
    """How many rows of a task to score on: those that half of the tasks have left, 10 to 30."""
    count = np.array([len(table.rows_of(i)) for i in large])
    return int(min(30, max(QUERIES, np.median(count) - shots[-1])))


def _alike(divisions: Sequence[HeldOutTasks]) -> list[HeldOutTasks]:
    """The tasks of all divisions padded to the same numbers of inputs and points."""
    width = max(tasks.train.x.shape[-1] for tasks in divisions)
    most = {s: max(tasks.pool(s).weight.shape[1] for tasks in divisions) for s in Split}

    def of_one(tasks: HeldOutTasks) -> HeldOutTasks:
        parts = (padded(tasks.pool(split), 1, points, width) for split, points in most.items())
        fields = dict(zip(("train", "validation", "test"), parts, strict=True))
        return dataclasses.replace(tasks, names=((), (), ()), **fields)

    return [of_one(tasks) for tasks in divisions]
