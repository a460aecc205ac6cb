"""Arrays of estimators: rows of tasks, task columns, missing labels."""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from sklearn.utils import validation

from ..core import Batch, InputError
from ..data import most_rows

# scikit-learn has no annotations, and type checkers would take the types of its defaults.
check_array: Any = validation.check_array
validate_data: Any = validation.validate_data


def padded_tasks(
    x: np.ndarray,
    y: np.ndarray,
    known: np.ndarray,
    number: np.ndarray,
    groups: int,
    sample_weight: np.ndarray | None = None,
) -> Batch:
    """The points of each task, which has the index `number * columns + column`, padded to one
    length with points of weight zero. A much larger task than the others gives a part of them."""
    if sample_weight is not None:
        known = known & (sample_weight > 0)[:, None]
    columns = y.shape[1]
    tasks = ((group, column) for group in range(groups) for column in range(columns))
    rows = [np.flatnonzero((number == group) & known[:, column]) for group, column in tasks]
    count = np.array([len(row) for row in rows])
    most = most_rows(count, x.shape[1])
    if most < count.max():
        warnings.warn(
            f"{(count > most).sum()} of {len(count)} tasks are much larger than the others: {most}"
            " rows each, drawn at random, are used.",
            stacklevel=4,
        )
        random = np.random.default_rng(0)
        rows = [random.permutation(row)[:most] if len(row) > most else row for row in rows]
    length = room(max(map(len, rows)))  # few lengths, and so few compiled programs
    index = np.stack([np.pad(row, (0, length - len(row))) for row in rows])
    weight = np.stack([np.arange(length) < len(row) for row in rows])
    if sample_weight is not None:
        weight = weight * sample_weight[index] / sample_weight[sample_weight > 0].mean()
    column = np.tile(np.arange(columns), groups)[:, None]
    arrays = x[index], y[index, column], weight
    return Batch(*(jnp.asarray(array, jnp.float32) for array in arrays))


def room(length: int) -> int:
    """The next power of two that is at least eight."""
    return max(8, 1 << (length - 1).bit_length())


def without_column(x: Any, column: int | str) -> tuple[Any, Any]:
    """The inputs of an array or a data frame without their task column, and that column."""
    if hasattr(x, "columns"):
        names = list(x.columns)
        name = names[column] if isinstance(column, int) and column not in names else column
        if name not in names:
            raise InputError(
                f"`task_column={column!r}`, but `X` has no such column. It has"
                f" {', '.join(map(str, names))}."
            )
        others = [other for other in names if other != name]
        return x[others], np.asarray(x[name])
    x = np.asarray(x)
    if not isinstance(column, int) or x.ndim != 2 or not -x.shape[1] <= column < x.shape[1]:
        raise InputError(
            f"`task_column={column!r}`, but `X` is an array of shape {x.shape}. Give the index of a"
            " column."
        )
    return np.delete(x, column, axis=1), x[:, column]


def labelled(labels: np.ndarray) -> np.ndarray:
    """Whether each label is neither NaN nor None."""
    missing = labels != labels  # NaN does not equal itself
    if labels.dtype == object:
        missing = missing | np.frompyfunc(lambda label: label is None, 1, 1)(labels)
    return ~np.asarray(missing, bool)


def check_each_column(known: np.ndarray) -> None:
    """Raises `InputError` unless each column has a label."""
    empty = np.flatnonzero(~known.any(axis=0))
    if len(empty):
        raise InputError(f"Column {empty[0]} of `y` has no labels. Leave it out.")


def mean_over_columns(
    metric: Any, y: np.ndarray, predicted: np.ndarray, known: np.ndarray, sample_weight: Any
) -> float:
    """The mean of a metric over columns, each on the rows with a label in it."""

    def of_column(column: int) -> float:
        rows = known[:, column]
        weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        return metric(y[rows, column], predicted[rows, column], sample_weight=weight)

    columns = np.flatnonzero(known.any(axis=0)).tolist()
    return float(np.mean([of_column(column) for column in columns]))
