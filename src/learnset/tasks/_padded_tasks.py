"""One set of tasks from arrays with different numbers of inputs and outputs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array

from ..core import InputError
from ._finite import FiniteTasks


def padded_tasks(
    xs: Sequence[Array | np.ndarray],
    ys: Sequence[Array | np.ndarray],
    *,
    shots: int = 10,
    queries: int = 10,
    held_out: float = 0.5,
) -> FiniteTasks:
    """Tasks whose inputs and targets have different widths, padded with zeros to the widest, for
    the models `Kinds` and `WithInputs`. Task `i` is `xs[i], ys[i]`; NaN in a target is an absent
    label.

    **Returns:** a `FiniteTasks`, in which rows are split as `FiniteTasks.from_arrays` does.

    **Raises:** `InputError` for arrays that are not (rows, columns), and where
    `FiniteTasks.from_arrays` raises it.

    >>> import numpy as np, learnset as ls
    >>> xs, ys = [np.ones((6, 3)), np.ones((8, 5))], [np.ones((6, 2)), np.ones((8, 1))]
    >>> tasks = ls.tasks.padded_tasks(xs, ys, shots=2)
    >>> tasks.points.x.shape, tasks.points.y.shape
    ((2, 4, 5), (2, 4, 2))
    """
    tables = [[np.asarray(one, float) for one in many] for many in (xs, ys)]
    if len(xs) != len(ys) or not len(xs):
        raise InputError(
            f"padded_tasks: there are {len(xs)} arrays of inputs and {len(ys)} of targets; give as"
            " many of both, and at least one."
        )
    for name, many in zip(("xs", "ys"), tables, strict=True):
        for number, one in enumerate(many):
            if one.ndim != 2:
                raise InputError(
                    f"padded_tasks: `{name}[{number}]` has the shape {one.shape}, but it must be"
                    " (rows, columns)."
                )
    for number, (x, y) in enumerate(zip(*tables, strict=True)):
        if len(x) != len(y):
            raise InputError(
                f"padded_tasks: task {number} has {len(x)} rows of inputs and {len(y)} of targets."
            )
    x, y = (
        np.concatenate([_widened(one, max(o.shape[1] for o in many)) for one in many])
        for many in tables
    )
    task = np.repeat(np.arange(len(xs)), [len(one) for one in tables[0]])
    return FiniteTasks.from_arrays(x, y, task, shots=shots, queries=queries, held_out=held_out)


def _widened(table: np.ndarray, width: int) -> np.ndarray:
    return np.pad(table, ((0, 0), (0, width - table.shape[1])))
