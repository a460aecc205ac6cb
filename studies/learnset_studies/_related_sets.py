"""Tables of many small related tasks: schools, people, joints of a robot arm, simulations."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from learnset.behaviour import read_stimulus_action
from learnset.core import InputError, needs
from learnset.data import sarcos, school, Table

from . import simulated_tables

MOST_ROWS = 100  # of a task
SCHOOLS = 60  # of 139
POSTURES = 6


def schools() -> Table:
    """Exam scores of pupils; each school is a task, some of which are drawn."""
    table = school()
    assert table.task is not None  # as it has been read
    some = np.random.default_rng(0).permutation(len(table))[:SCHOOLS]
    rows = np.isin(table.task, some)
    return _table(table.x[rows], table.y[rows, 0], table.task[rows])


def people() -> Table:
    """Whether a key press is right, where people learn which of three keys belongs to each picture;
    each person is a task. Inputs are the number of pictures, how often this one has been shown and
    answered rightly, trials since then, and the number of the block."""
    trials = read_stimulus_action(1)
    series = np.unique(
        np.stack([trials.person, trials.block, trials.stimulus]), axis=1, return_inverse=True
    )[1].ravel()
    place = np.arange(len(series))
    order = np.lexsort([place, series])  # trials of one picture next to each other
    first = np.append(True, np.diff(series[order]) > 0)
    right = np.nan_to_num(trials.correct)[order]
    before = np.cumsum(right) - right
    before -= np.maximum.accumulate(np.where(first, before, 0))
    since = np.where(first, 0, np.diff(place[order], prepend=0))
    columns = np.empty((2, len(series)))
    columns[:, order] = before, since
    x = np.stack([trials.set_size, trials.repetition, *columns, trials.block], axis=1)
    known = np.isfinite(trials.correct)
    return _table(x[known], trials.correct[known], trials.person[known])


def torques() -> Table:
    """Torques of seven joints of a robot arm in six regions of postures; each pair is a task. A
    torque is in standard deviations of its joint."""
    with needs("tables"):
        from sklearn.cluster import KMeans

    table = sarcos()
    joints = len(table)
    x = np.asarray(table.x, np.float64)
    positions = x[:, :joints] / x[:, :joints].std(axis=0)
    options: dict[str, Any] = {"n_init": 1, "random_state": 0}
    region = KMeans(POSTURES, **options).fit_predict(positions)
    y = (table.y - table.y.mean(axis=0)) / table.y.std(axis=0)
    task = region[:, None] * joints + np.arange(joints)
    return _table(np.repeat(x, joints, axis=0), y.reshape(-1), task.reshape(-1))


def _simulated(name: str) -> Callable[[], Table]:
    return lambda: _table(*simulated_tables.arrays(name))


SETS: dict[str, Callable[[], Table]] = {
    "schools": schools,
    "people": people,
    "torques": torques,
    **{name: _simulated(name) for name in simulated_tables.TABLES},
}


def _table(x: np.ndarray, y: np.ndarray, task: Shaped[np.ndarray, "rows"]) -> Table:
    """A table with at most `MOST_ROWS` rows of each task, drawn at random."""
    order = np.random.default_rng(0).permutation(len(y))
    order = order[np.argsort(task[order], kind="stable")]
    start = np.searchsorted(task[order], task[order])
    some = np.sort(order[np.arange(len(order)) - start < MOST_ROWS])
    return Table.from_arrays(x[some], y[some], task[some])


def made(names: Sequence[str]) -> tuple[dict[str, Table], dict[str, str]]:
    """The tables by name; and why others are not there, in words.

    >>> made(["smooth"])[0]
    {'smooth': Table(40 tasks, 1600 rows, 3 inputs, regression)}
    """
    there, missing = {}, {}
    for name in names:
        try:
            there[name] = SETS[name]()
        except InputError as error:  # LEARNSET_DATA has not these data
            missing[name] = str(error)
    return there, missing
