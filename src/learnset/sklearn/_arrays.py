"""Arrays in and out: rows of tasks, task columns, missing labels."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..core import Batch, InputError


def padded_tasks(
    x: np.ndarray, y: np.ndarray, there: np.ndarray, number: np.ndarray, groups: int
) -> Batch:
    """The points of each task, `number` times columns plus column, with points of weight zero to one length."""
    columns = y.shape[1]
    rows = [
        np.flatnonzero((number == g) & there[:, c]) for g in range(groups) for c in range(columns)
    ]
    length = room(max(map(len, rows)))  # few lengths, and so few programs
    index = np.stack([np.pad(row, (0, length - len(row))) for row in rows])
    weight = np.stack([np.arange(length) < len(row) for row in rows])
    column = np.tile(np.arange(columns), groups)[:, None]
    arrays = x[index], y[index, column], weight
    return Batch(*(jnp.asarray(array, jnp.float32) for array in arrays))


def room(length: int) -> int:
    """The next power of two, at least eight."""
    return max(8, 1 << (length - 1).bit_length())


def without_column(x: Any, column: int | str) -> tuple[Any, Any]:
    """The inputs without their task column, and that column, of an array or a data frame."""
    if hasattr(x, "columns"):
        names = list(x.columns)
        name = names[column] if isinstance(column, int) and column not in names else column
        if name not in names:
            raise InputError(
                f"`task_column={column!r}`, but `X` has no such column. It has {', '.join(map(str, names))}."
            )
        others = [other for other in names if other != name]
        return x[others], np.asarray(x[name])
    x = np.asarray(x)
    if not isinstance(column, int) or x.ndim != 2 or not -x.shape[1] <= column < x.shape[1]:
        raise InputError(
            f"`task_column={column!r}`, but `X` is an array of shape {x.shape}: give the index of a column."
        )
    return np.delete(x, column, axis=1), x[:, column]


def labelled(labels: np.ndarray) -> np.ndarray:
    """Where a label is neither NaN nor None."""
    missing = labels != labels  # NaN is not itself
    return ~np.asarray(
        missing | np.equal(labels, None) if labels.dtype == object else missing, bool
    )


def some_in_each_column(there: np.ndarray) -> np.ndarray:
    """The same, each of whose columns has a label."""
    absent = np.flatnonzero(~there.any(axis=0))
    if len(absent):
        raise InputError(f"Column {absent[0]} of `y` has no label at all. Leave it out.")
    return there


def mean_over_columns(
    metric: Any, y: np.ndarray, found: np.ndarray, there: np.ndarray, sample_weight: Any
) -> float:
    """The mean of a metric over columns, each on the rows that have a label in it."""

    def of_column(column: int) -> float:
        rows = there[:, column]
        weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        return metric(y[rows, column], found[rows, column], sample_weight=weight)

    return float(
        np.mean([of_column(column) for column in range(y.shape[1]) if there[:, column].any()])
    )
