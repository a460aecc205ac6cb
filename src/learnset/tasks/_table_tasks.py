"""Tasks made of a table: the same tasks and other rows, or new tasks."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..core import Batch, InputError, Split, Task
from ..data import Encoding, Table
from ._base import AbstractTasks, check_points
from ._finite import _half, _share_out, _some, FiniteTasks

MOST_POINTS = 2000  # of a task that is only drawn from to adapt to it


class TableTasks(FiniteTasks):
    """The tasks of a table, all of which are trained on; rows are held out. `by_rows` makes them.

    Inputs and targets are scaled. A prediction `z` of task `i` is `std[i] * z + mean[i]` in the units of the table:
    `in_units`. Of classes the targets are one-hot, and a prediction is a logit for each.

    - `rows`: which row of the table each point to learn from, and each held-out point, is; -1 where there is none.
    - `shared`: whether all tasks are on the same rows; these are then kept once, with a target for each task.
    """

    mean: Float[Array, "tasks"] | None = None
    std: Float[Array, "tasks"] | None = None
    rows: tuple[Int[Array, "..."], Int[Array, "..."]] | None = None
    names: tuple[str, ...] = eqx.field(static=True, default=())
    classes: tuple[str, ...] = eqx.field(static=True, default=())
    inputs: tuple[str, ...] = eqx.field(static=True, default=())
    shared: bool = eqx.field(static=True, default=False)

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

    @property
    def units(self) -> Float[Array, "tasks"]:
        return super().units if self.std is None else self.std

    def rows_of(self, split: Split) -> Int[Array, "tasks points"]:
        """Which row of the table each of `all_points` is; -1 for none."""
        learn, score = self.rows
        rows = (
            learn
            if split is Split.TRAIN
            else score[..., (0 if split is Split.VALIDATION else 1) :: 2]
        )
        return jnp.broadcast_to(rows, (len(self), rows.shape[-1])) if self.shared else rows

    def in_units(
        self, predictions: Float[Array, "tasks points out"]
    ) -> Float[Array, "tasks points out"]:
        """Predictions in the units of the table; logits are as they are."""
        return predictions * self.std[:, None, None] + self.mean[:, None, None]


def by_rows(
    table: Table,
    *,
    seed: int = 0,
    part: Int[np.ndarray, "rows"] | None = None,
    shots: int = 8,
    queries: int = 8,
    width: int | None = None,
) -> TableTasks:
    """Multi-task learning on a table: every task is trained on, and some rows of each are held out to choose settings on
    and to score on. All scaling is fitted on training rows alone.

    **Arguments:**

    - `seed`: of the division of rows. `part`: a division of your own: 0, 1 or 2 for each row, as `Table.split_rows` has it.
    - `shots`, `queries`: training points of each task in a step; fewer where the smallest task has fewer.
    - `width`: how many inputs there are to be; zeros make them up to it, so that several divisions fit together.

    **Raises:** `InputError` for a task without a labelled row in each part.

    >>> import numpy as np, learnset as ls
    >>> rows = np.arange(20.0)
    >>> tasks = ls.by_rows(ls.Table.from_arrays(rows[:, None], 2 * rows, np.repeat(["a", "b"], 10)))
    >>> tasks.points.x.shape, tasks.held_out.x.shape
    ((2, 6, 1), (2, 4, 1))
    """
    part = table.split_rows(seed=seed) if part is None else np.asarray(part)
    groups = [_groups(table, part, number) for number in range(len(table))]
    everyone = np.unique(np.concatenate([learn for learn, _, _ in groups]))
    encoding = Encoding.fit(table, everyone)
    x = _wide(encoding(table.x), width)
    mean, std = _scales(table, [learn for learn, _, _ in groups])
    names = encoding.names + tuple("nothing" for _ in range(x.shape[1] - len(encoding.names)))
    smallest = min(len(learn) for learn, _, _ in groups)
    shots, queries = (
        min(shots, max(1, smallest // 2)),
        min(queries, max(1, smallest - smallest // 2)),
    )
    common: dict[str, Any] = {"names": table.names, "classes": table.classes, "inputs": names}
    dtype = jnp.result_type(float)
    common |= {"mean": jnp.asarray(mean, dtype), "std": jnp.asarray(std, dtype)}
    if table.task is None:
        learn, score = (
            np.flatnonzero(part == 0),
            _interleaved(*(np.flatnonzero(part == p) for p in (1, 2))),
        )
        points, held_out = (_shared(table, x, mean, std, rows) for rows in (learn, score))
        rows = (jnp.asarray(learn), jnp.asarray(score))
        return TableTasks(points, held_out, shots, queries, rows=rows, shared=True, **common)
    y = _targets(table, mean[table.task][:, None], std[table.task][:, None])
    learn, score = [learn for learn, _, _ in groups], [_interleaved(*held) for _, *held in groups]
    points, held_out = (
        _of_tasks(x, y, [(group, 0) for group in groups]) for groups in (learn, score)
    )
    rows = (jnp.asarray(_filled(learn)), jnp.asarray(_filled(score)))
    return TableTasks(points, held_out, shots, queries, rows=rows, **common)


class HeldOutTasks(AbstractTasks):
    """The tasks of a table, some of which are held out: those of different splits are different tasks. `by_tasks` makes
    them. A task is drawn with `shots` of its rows to learn from and `queries` others, whichever split it is of.

    `names` are those of the tasks of each split.
    """

    train: Batch  # "tasks points"
    validation: Batch
    test: Batch
    shots: int = 10
    queries: int = 10
    names: tuple[tuple[str, ...], ...] = eqx.field(static=True, default=((), (), ()))
    classes: tuple[str, ...] = eqx.field(static=True, default=())

    def __check_init__(self):
        check_points("HeldOutTasks", self.shots, self.queries)

    def pool(self, split: Split) -> Batch:
        """All points of all tasks of a split."""
        return (self.train, self.validation, self.test)[split.value]

    @property
    def points_per_shot(self) -> int:
        return 1

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        key, which = jr.split(split.fold(key))
        return self._task(jr.randint(which, (), 0, len(self.pool(split).weight)), split, key=key)

    def draw(self, num_tasks: int, split: Split, *, key: Key[Array, ""]) -> Task:
        """At random to train on; one task after the other otherwise, so that each is scored about as often."""
        if split is Split.TRAIN:
            return super().draw(num_tasks, split, key=key)
        index = jnp.arange(num_tasks) % len(self.pool(split).weight)
        keys = jr.split(split.fold(key), num_tasks)
        return jax.vmap(lambda i, k: self._task(i, split, key=k))(index, keys)

    def _task(self, index: Array, split: Split, *, key: Key[Array, ""]) -> Task:
        points = jax.tree.map(lambda leaf: leaf[index], self.pool(split))
        support, query = _share_out(
            _some(points, self.shots + self.queries, key=key), self.shots, self.queries
        )
        return Task(support, query, index=index if split is Split.TRAIN else None)

    def numbered(self) -> FiniteTasks:
        """The tasks to train on as a numbered set."""
        return FiniteTasks(
            self.train, self.train, min(self.shots, self.train.weight.shape[1]), self.queries
        )


def by_tasks(
    table: Table,
    *,
    seed: int = 0,
    part: Int[np.ndarray, "tasks"] | None = None,
    shots: int = 10,
    queries: int = 10,
    least: int = 2,
) -> HeldOutTasks:
    """Transfer and meta-learning on a table: some tasks are held out. Scaling is fitted on the rows of training tasks
    alone; a target which is a task of its own is scaled by its own rows, as each has a unit of its own.

    **Arguments:**

    - `seed`: of the division of tasks. `part`: a division of your own: 0, 1 or 2 for each task, as `Table.split_tasks`.
    - `shots`, `queries`: points of a task to learn from, and to be scored on.
    - `least`: tasks with fewer labelled rows are left out.

    **Raises:** `InputError` if a part then has no task.

    >>> import numpy as np, jax.random as jr, learnset as ls
    >>> rows = np.arange(60.0)
    >>> tasks = ls.by_tasks(ls.Table.from_arrays(rows[:, None], 2 * rows, np.repeat(np.arange(6), 10)), shots=3)
    >>> tasks.draw(5, ls.Split.TRAIN, key=jr.key(0)).support.x.shape
    (5, 3, 1)
    """
    part = table.split_tasks(seed=seed) if part is None else np.asarray(part)
    random = np.random.default_rng(seed)
    rows = [table.rows_of(number) for number in range(len(table))]
    rows = [np.sort(random.permutation(r)[:MOST_POINTS]) for r in rows]
    of = [
        [i for i in range(len(table)) if part[i] == split.value and len(rows[i]) >= max(2, least)]
        for split in Split
    ]
    for split, numbers in zip(Split, of, strict=True):
        if not numbers:
            raise InputError(
                f"No task of the {split.name.lower()} part has {max(2, least)} labelled rows. Hold out fewer tasks, or ask"
                " for fewer points of each."
            )
    encoding = Encoding.fit(table, np.unique(np.concatenate([rows[i] for i in of[0]])))
    x = encoding(table.x)
    mean, std = _scales(table, rows if table.task is None else [rows[i] for i in of[0]])
    y = _targets(table, *((mean, std) if table.task is None else (mean[:1], std[:1])))
    target = range(len(table)) if table.task is None else [0] * len(table)
    train, validation, test = (
        _of_tasks(x, y, [(rows[i], target[i]) for i in numbers]) for numbers in of
    )
    names = tuple(tuple(table.names[i] for i in numbers) for numbers in of)
    return HeldOutTasks(train, validation, test, shots, queries, names, table.classes)


def _groups(
    table: Table, part: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labelled rows of a task to train on, to choose settings on and to score on."""
    rows = table.rows_of(number)
    learn, choose, score = (rows[part[rows] == split.value] for split in Split)
    for split, group in zip(Split, (learn, choose, score), strict=True):
        if not len(group):
            raise InputError(
                f"Task {table.names[number]!r} has no labelled row in the {split.name.lower()} part, of {len(rows)} in all."
                " Leave out small tasks with `min_rows`, or divide the rows otherwise."
            )
    return learn, choose, score


def _scales(table: Table, learn: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the targets, of each or of all together, in rows to train on."""
    tasks = len(table)
    if table.classes:
        return np.zeros(tasks), np.ones(tasks)
    if table.task is None:
        values = [table.y[rows, i] for i, rows in enumerate(learn)]
    else:
        values = [table.y[np.concatenate(list(learn)), 0]] * tasks
    std = np.array([v.std() for v in values])
    return np.array([v.mean() for v in values]), np.where(std > 0, std, 1.0)


def _targets(table: Table, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Scaled or one-hot targets, "rows targets out"; zero where missing."""
    if table.classes:
        return (table.y[..., None] == np.arange(len(table.classes))).astype(np.float64)
    return np.nan_to_num((table.y - mean) / std)[..., None]


def _shared(
    table: Table, x: np.ndarray, mean: np.ndarray, std: np.ndarray, rows: np.ndarray
) -> Batch:
    dtype, there = jnp.result_type(float), (rows >= 0)[:, None] & np.isfinite(table.y[rows])
    y = _targets(table, mean, std)[rows]
    return Batch(jnp.asarray(x[rows], dtype), jnp.asarray(y, dtype), jnp.asarray(there, dtype))


def _interleaved(validation: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Rows to choose settings on at even places, those to score on at odd ones, and -1 where there is none left."""
    held = np.full((max(len(validation), len(test)), 2), -1)
    held[: len(validation), 0], held[: len(test), 1] = validation, test
    return held.reshape(-1)


def _filled(groups: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of all tasks, "tasks points", with -1 for none."""
    length = max(len(group) for group in groups)
    return np.stack(
        [np.pad(group, (0, length - len(group)), constant_values=-1) for group in groups]
    )


def _wide(x: np.ndarray, width: int | None) -> np.ndarray:
    return x if width is None else np.pad(x, ((0, 0), (0, width - x.shape[1])))


def _of_tasks(x: np.ndarray, y: np.ndarray, tasks: Sequence[tuple[np.ndarray, int]]) -> Batch:
    """The points of tasks, each some rows and one target, padded to one length with points of weight zero."""
    rows, dtype = _filled([group for group, _ in tasks]), jnp.result_type(float)
    labels = np.stack([y[group, target] for group, (_, target) in zip(rows, tasks, strict=True)])
    return Batch(
        jnp.asarray(x[rows], dtype), jnp.asarray(labels, dtype), jnp.asarray(rows >= 0, dtype)
    )
