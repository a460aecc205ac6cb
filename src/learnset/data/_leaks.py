"""Signs that scores on a table will be better than predictions of new rows."""

import numpy as np
from jaxtyping import Float, Int

from ._table import Table

FEWEST = 30  # rows, below which much is chance
REPEATED = 0.01  # of the rows, from which copies are said
DISTINCT = 0.9  # of the rows have a value of their own in a column whose copies are no chance
SAME = 0.9999  # of the variance that one column explains if it is the target in another form


def leak_notes(table: Table) -> list[str]:
    """A note where rows are copies of others, where one input alone gives the target, and where the
    name of the task does."""
    if len(table.x) < FEWEST:
        return []
    first = _first_of_copies(table)
    return [*_copies(table, first), *_answers(table, first), *_constant_tasks(table)]


def _first_of_copies(table: Table) -> Int[np.ndarray, "different"]:
    """The rows without those that are copies of earlier ones in every column."""
    columns = [*table.x.T, *table.y.T] + ([] if table.task is None else [table.task])
    # Rows of different sums are different; those of one sum are compared cell by cell.
    sums = np.zeros(len(table.x), np.uint64)
    for column in columns:
        bits = (np.asarray(column, np.float64) + 0.0).view(np.uint64)  # -0.0 is 0.0
        sums = (sums ^ bits ^ (bits >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    order = np.argsort(sums, kind="stable")
    same = np.flatnonzero(np.diff(sums[order]) == 0)
    if not len(same):
        return np.arange(len(sums))
    some = np.unique(np.concatenate([order[same], order[same + 1]]))
    cells = np.ascontiguousarray(
        np.stack([np.asarray(c[some], np.float64) + 0.0 for c in columns], axis=1)
    )
    first = np.unique(cells.view(f"V{cells.shape[1] * 8}").ravel(), return_index=True)[1]
    copies = np.ones(len(some), bool)
    copies[first] = False
    return np.delete(np.arange(len(sums)), some[copies])


def _copies(table: Table, first: Int[np.ndarray, "different"]) -> list[str]:
    count = len(table.x)
    if table.group is not None or table.part is not None:
        return []
    if count - len(first) < REPEATED * count:
        return []
    values = np.concatenate([table.x, table.y], axis=1)[first]
    distinct = max(len(np.unique(column)) for column in values.T)
    if distinct < DISTINCT * len(first):  # rows of few different values are alike by chance
        return []
    return [
        f"{count - len(first):,} of {count:,} rows repeat another in every column. Copies lie on"
        " both sides of a division, and scores are too good: keep one of each."
    ]


def _answers(table: Table, rows: Int[np.ndarray, "different"]) -> list[str]:
    notes = []
    for i, target in enumerate(table.targets):
        known = rows[np.isfinite(table.y[rows, i])]
        y = table.y[known, i]
        if len(y) < FEWEST:
            continue
        for j, column in enumerate(table.columns):
            classes = bool(table.target_classes[i])
            x = table.x[known, j].astype(np.float64)
            if _gives(x, y, classes=classes, words=j in table.words):
                notes.append(
                    f"Column {column!r} alone gives the target {target!r}. If it is not known"
                    f" before that, leave it out: `--leave-out {column}`."
                )
    return notes


def _gives(
    x: Float[np.ndarray, "rows"], y: Float[np.ndarray, "rows"], *, classes: bool, words: bool
) -> bool:
    """Whether an input is the target in another form: on a line with it, or with one value of it
    for each of its own values."""
    filled = np.isfinite(x)
    x, y = x[filled], y[filled]
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return False
    if not words and not classes and np.corrcoef(x, y)[0, 1] ** 2 > SAME:
        return True
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    starts = np.flatnonzero(np.diff(x, prepend=np.nan) != 0)
    if 2 * len(starts) > len(x):  # most values stand once, and say nothing of others
        return not words and classes and _parts(y)
    return bool((np.maximum.reduceat(y, starts) == np.minimum.reduceat(y, starts)).all())


def _parts(y: Float[np.ndarray, "rows"]) -> bool:
    """Whether each class is one stretch, in the order of an input, of enough rows."""
    ends = np.flatnonzero(np.diff(y)) + 1
    stretches = np.diff(np.concatenate([[0], ends, [len(y)]]))
    return len(stretches) == len(np.unique(y)) and bool((stretches >= FEWEST // 3).all())


def _constant_tasks(table: Table) -> list[str]:
    if table.task is None:
        return []
    known = np.isfinite(table.y[:, 0])
    task, y = table.task[known], table.y[known, 0]
    low, high = np.full(len(table), np.inf), np.full(len(table), -np.inf)
    np.minimum.at(low, task, y)
    np.maximum.at(high, task, y)
    if 2 * len(table) > len(y) or (low < high).any():
        return []
    return [
        f"All rows of a task have the same {table.targets[0]!r}, so that the name of the task alone"
        " gives it. Only scores on new tasks mean something; of each task one row would do."
    ]
