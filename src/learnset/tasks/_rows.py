"""Tasks of a table, all of which are trained on: some rows of each are held out."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import Batch, InputError, Split
from ..data import Encoding, rows_to_pad, Table
from ._finite import FiniteTasks
from ._table_arrays import padded_rows, points_of, scaled_targets, scales
from ._task_rows import TaskRows

_NO_CLASS = -1e4  # a logit whose probability is zero in single precision


class TableTasks(FiniteTasks):
    """The tasks of a table, all of which are trained on; some rows of each are held out. `by_rows`
    makes them.

    Inputs and targets are scaled. A prediction `z` of task `i` is `std[i] * z + mean[i]` in the
    units of the table (`in_units`). For classification, targets are one-hot, and a prediction is a
    logit for each class.

    - `rows`: the row of the table of each point to learn from, and of each held-out point; -1 for
      padding.
    - `class_counts`: the number of classes of each task, where targets have classes of their own.
      Others than these are no answers (`own_classes`).
    - `counts`: whether targets are counts; `zero` is then what none is.
    - `shared`: whether all tasks have the same rows. These are then stored once, with a target for
      each task.
    """

    # In double precision, which a target of 1e12 with small differences needs.
    mean: Float[np.ndarray, "tasks"] = eqx.field(kw_only=True)
    std: Float[np.ndarray, "tasks"] = eqx.field(kw_only=True)
    rows: tuple[Int[Array, "..."], Int[Array, "..."]] = eqx.field(kw_only=True)
    # A field is how an Equinox module gives what its base computes.
    names: tuple[str, ...] = eqx.field(static=True, default=())  # pyright: ignore[reportIncompatibleMethodOverride]
    classes: tuple[str, ...] = eqx.field(static=True, default=())  # pyright: ignore[reportIncompatibleMethodOverride]
    inputs: tuple[str, ...] = eqx.field(static=True, default=())
    class_counts: tuple[int, ...] = eqx.field(static=True, default=())
    shared: bool = eqx.field(static=True, default=False)
    counts: bool = eqx.field(static=True, default=False)

    def __len__(self) -> int:
        return self.points.weight.shape[-1] if self.shared else self.points.weight.shape[0]

    def _sizes(self) -> np.ndarray:
        return np.asarray((self.points.weight > 0).sum(axis=0 if self.shared else 1))

    def of(self, index: Array | int) -> tuple[Batch, Batch]:
        if not self.shared:
            return super().of(index)

        def one(batch: Batch) -> Batch:
            return Batch(batch.x, batch.y[:, index], batch.weight[:, index])

        return one(self.points), one(self.held_out)

    def own_classes(
        self, predictions: Float[Array, "points out"], index: Array | int
    ) -> Float[Array, "points out"]:
        if len(set(self.class_counts)) < 2:
            return predictions
        missing = jnp.arange(len(self.classes)) >= jnp.asarray(self.class_counts)[index]
        return jnp.where(missing, _NO_CLASS, predictions)

    @property
    def point_axis(self) -> int:
        return 0 if self.shared else 1

    def flat(self, split: Split) -> TaskRows:
        if not self.shared:
            return super().flat(split)
        points = self.points if split is Split.TRAIN else self.held_out
        x, y, weight = (np.asarray(leaf) for leaf in (points.x, points.y, points.weight))
        if split is not Split.TRAIN:
            offset = 0 if split is Split.VALIDATION else 1
            x, y, weight = (leaf[offset::2] for leaf in (x, y, weight))
        task, row = np.nonzero(weight.T > 0)
        return TaskRows(x, row, y[row, task], weight[row, task], task, len(self))

    @property
    def units(self) -> Float[Array, "tasks"]:
        return jnp.asarray(self.std, jnp.result_type(float))

    @property
    def zero(self) -> Float[np.ndarray, "*seeds tasks"] | None:
        """The scaled target of each task that is a count of zero; None where there are none."""
        return -np.asarray(self.mean) / np.asarray(self.std) if self.counts else None

    def rows_of(self, split: Split) -> Int[Array, "tasks points"]:
        """The row of the table of each of `all_points`; -1 for padding."""
        learn, score = self.rows
        offset = 0 if split is Split.VALIDATION else 1
        rows = learn if split is Split.TRAIN else score[..., offset::2]
        return jnp.broadcast_to(rows, (len(self), rows.shape[-1])) if self.shared else rows

    def in_units(
        self, predictions: Float[Array | np.ndarray, "..."], index: int | None = None
    ) -> Float[np.ndarray, "..."]:
        """Predictions "tasks points out" of all tasks, or "points out" of task `index`, in the
        units of the table; logits stay as they are. It works on the host, in double precision."""
        which = slice(None) if index is None else [index]
        std, mean = (scale[which, None, None] for scale in (self.std, self.mean))
        result = np.asarray(predictions, np.float64) * std + mean
        return result if index is None else result[0]


def by_rows(
    table: Table,
    *,
    seed: int = 0,
    part: Int[np.ndarray, "rows"] | None = None,
    shots: int = 8,
    queries: int = 8,
) -> TableTasks:
    """Tasks of a table for multi-task learning: every task is trained on, and some rows of each are
    held out to choose settings on and to score on. Scaling is fitted on training rows only.

    **Arguments:**

    - `seed`: of the division of rows. `part`: a custom division, with 0, 1 or 2 for each row as in
      `Table.split_rows`.
    - `shots`, `queries`: training points of each task in a step; fewer if the smallest task has
      fewer.

    **Raises:** `InputError` for a task without a labelled row in each part.

    >>> import numpy as np, learnset as ls
    >>> rows, task = np.arange(20.0), np.repeat(["a", "b"], 10)
    >>> tasks = ls.by_rows(ls.Table.from_arrays(rows[:, None], 2 * rows, task))
    >>> tasks.points.x.shape, tasks.held_out.x.shape
    ((2, 6, 1), (2, 4, 1))
    """
    part = table.split_rows(seed=seed) if part is None else np.asarray(part)
    rows = rows_to_pad(table, part)
    groups = [_groups(table, part, number, rows[number]) for number in range(len(table))]
    learn = [learn for learn, _, _ in groups]
    encoding = Encoding.fit(table, np.unique(np.concatenate(learn)))
    x = encoding(table.x, jnp.result_type(float))
    mean, std = scales(table, learn)
    smallest = min(map(len, learn))
    shots = min(shots, max(1, smallest // 2))
    queries = min(queries, max(1, smallest - smallest // 2))
    common: dict[str, Any] = {
        "mean": mean,
        "std": std,
        "names": table.names,
        "classes": table.classes,
        "inputs": encoding.names,
        "counts": table.counts,
        "class_counts": tuple(map(len, table.target_classes)) if table.task is None else (),
    }
    if table.task is None:
        learn_rows = np.flatnonzero(part == 0)
        score_rows = _interleaved(*(np.flatnonzero(part == p) for p in (1, 2)))
        y = scaled_targets(table, mean, std)
        points, held_out = (_shared(table, x, y, rows) for rows in (learn_rows, score_rows))
        rows = (jnp.asarray(learn_rows), jnp.asarray(score_rows))
        return TableTasks(points, held_out, shots, queries, rows=rows, shared=True, **common)
    y = scaled_targets(table, mean[table.task][:, None], std[table.task][:, None])
    score = [_interleaved(choose, score) for _, choose, score in groups]
    points, held_out = (
        points_of(x, y, [(group, 0) for group in groups]) for groups in (learn, score)
    )
    rows = (jnp.asarray(padded_rows(learn)), jnp.asarray(padded_rows(score)))
    return TableTasks(points, held_out, shots, queries, rows=rows, **common)


def _groups(
    table: Table, part: np.ndarray, number: int, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of a task to train on, to choose settings on, and to score on."""
    learn, choose, score = (rows[part[rows] == split.value] for split in Split)
    for split, group in zip(Split, (learn, choose, score), strict=True):
        if not len(group):
            raise InputError(
                f"Task {table.names[number]!r} has no labelled row in the {split.name.lower()}"
                f" part, of {len(rows)} in total. Leave out small tasks with `min_rows`, or divide"
                " the rows differently."
            )
    return learn, choose, score


def _shared(table: Table, x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> Batch:
    dtype = jnp.result_type(float)
    present = (rows >= 0)[:, None] & np.isfinite(table.y[rows])
    return Batch(
        jnp.asarray(x[rows], dtype), jnp.asarray(y[rows], dtype), jnp.asarray(present, dtype)
    )


def _interleaved(validation: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Rows to choose settings on at even places and rows to score on at odd places, padded with
    -1."""
    held = np.full((max(len(validation), len(test)), 2), -1)
    held[: len(validation), 0], held[: len(test), 1] = validation, test
    return held.reshape(-1)
