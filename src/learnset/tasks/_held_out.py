"""Tasks of a table, some of which are held out: different splits have different tasks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key

from ..core import Batch, InputError, Split, Task
from ..data import Encoding, FREE, Table
from ._base import AbstractTasks, check_points
from ._finite import FiniteTasks, first_points, shared_out, some_points
from ._table_arrays import points_of, scaled_targets, scales
from ._task_rows import TaskRows

MOST_POINTS = 2000  # of one task, from which its support and query sets are drawn
LEAST_POINTS = 200  # of it, however many tasks there are


class HeldOutTasks(AbstractTasks):
    """The tasks of a table, some of which are held out: different splits have different tasks. A
    task draws `shots` of its rows to learn from and `queries` others, in any split. `by_tasks`
    makes them.

    `names` are those of the tasks of each split. Where points are `ordered` by time, a task
    that is held out learns from its earliest rows, and a training task from some that follow each
    other; the next ones are its queries.
    """

    train: Batch  # "tasks points"
    validation: Batch
    test: Batch
    shots: int = 10
    queries: int = 10
    names: tuple[tuple[str, ...], ...] = eqx.field(static=True, default=((), (), ()))
    classes: tuple[str, ...] = eqx.field(static=True, default=())
    ordered: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        check_points("HeldOutTasks", self.shots, self.queries)

    def pool(self, split: Split) -> Batch:
        """All points of all tasks of a split."""
        return (self.train, self.validation, self.test)[split.value]

    def flat(self, split: Split) -> TaskRows:
        """All points of all tasks of a split, on the host and without padding."""
        return TaskRows.of_batch(self.pool(split))

    @property
    def points_per_shot(self) -> int:
        return 1

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        key, which = jr.split(split.fold(key))
        return self._task(jr.randint(which, (), 0, len(self.pool(split).weight)), split, key=key)

    def draw(self, num_tasks: int, split: Split, *, key: Key[Array, ""]) -> Task:
        """Random tasks for training; otherwise tasks by number, so that each is scored about
        equally often."""
        if split is Split.TRAIN:
            return super().draw(num_tasks, split, key=key)
        index = jnp.arange(num_tasks) % len(self.pool(split).weight)
        keys = jr.split(split.fold(key), num_tasks)
        return jax.vmap(lambda i, k: self._task(i, split, key=k))(index, keys)

    def _task(self, index: Array, split: Split, *, key: Key[Array, ""]) -> Task:
        points = jax.tree.map(lambda leaf: leaf[index], self.pool(split))
        number = self.shots + self.queries
        if self.ordered:
            last = jnp.maximum((points.weight > 0).sum() - number, 0)
            start = jr.randint(key, (), 0, last + 1) if split is Split.TRAIN else 0
            points = first_points(points, number, start)
        else:
            points = some_points(points, number, key=key)
        support, query = shared_out(points, self.shots, self.queries)
        return Task(support, query, index=index if split is Split.TRAIN else None)

    def numbered(self) -> FiniteTasks:
        """The tasks to train on as a numbered set."""
        shots = min(self.shots, self.train.weight.shape[1])
        return FiniteTasks(self.train, self.train, shots, self.queries)


def by_tasks(
    table: Table,
    *,
    seed: int = 0,
    part: Int[np.ndarray, "tasks"] | None = None,
    shots: int = 10,
    queries: int = 10,
    least: int = 2,
    most: int | None = None,
) -> HeldOutTasks:
    """Tasks of a table for transfer and meta-learning: some tasks are held out. Scaling is fitted
    on the rows of training tasks only; a target that is a task is scaled by its own rows, because
    each has its own unit. Of a table with times, rows that come first are learnt from.

    **Arguments:**

    - `seed`: of the division of tasks. `part`: a custom division, with 0, 1 or 2 for each task, as
      in `Table.split_tasks`.
    - `shots`, `queries`: points of a task to learn from and to be scored on.
    - `least`: tasks with fewer labelled rows are left out. `most`: of tasks with more, this many
      are drawn; default: `most_points`, and enough for `shots` and `queries`.

    **Raises:** `InputError` if a part then has no tasks.

    >>> import numpy as np, jax.random as jr, learnset as ls
    >>> rows, task = np.arange(60.0), np.repeat(np.arange(6), 10)
    >>> tasks = ls.by_tasks(ls.Table.from_arrays(rows[:, None], 2 * rows, task), shots=3)
    >>> tasks.draw(5, ls.Split.TRAIN, key=jr.key(0)).support.x.shape
    (5, 3, 1)
    """
    part = table.split_tasks(seed=seed) if part is None else np.asarray(part)
    random = np.random.default_rng(seed)
    rows = [table.rows_of(number) for number in range(len(table))]
    least = max(2, least)
    large = [number for number, r in enumerate(rows) if len(r) >= least]
    most = max(most_points(table), shots + queries) if most is None else most
    rows = [np.sort(random.permutation(r)[:most]) for r in rows]
    time = table.time
    if time is not None:
        rows = [r[np.argsort(time[r], kind="stable")] for r in rows]
    of_split = [[number for number in large if part[number] == split.value] for split in Split]
    for split, numbers in zip(Split, of_split, strict=True):
        if not numbers:
            raise InputError(
                f"No task of the {split.name.lower()} part has {least} labelled rows. Hold out"
                " fewer tasks, or require fewer points of each."
            )
    trained = [rows[number] for number in of_split[0]]
    encoding = Encoding.fit(table, np.unique(np.concatenate(trained)))
    x = encoding(table.x, jnp.result_type(float))
    mean, std = scales(table, rows if table.task is None else trained)
    y = scaled_targets(table, *((mean, std) if table.task is None else (mean[:1], std[:1])))
    target = range(len(table)) if table.task is None else [0] * len(table)
    train, validation, test = (
        points_of(x, y, [(rows[number], target[number]) for number in numbers])
        for numbers in of_split
    )
    names = tuple(tuple(table.names[number] for number in numbers) for numbers in of_split)
    options = (shots, queries, names, table.classes, time is not None)
    return HeldOutTasks(train, validation, test, *options)


def most_points(table: Table) -> int:
    """The most rows of a task from which `by_tasks` draws: 2 000, and as few as 200 where there are
    many tasks, so that a large table stays within memory.

    >>> import numpy as np, learnset as ls
    >>> rows, task = np.arange(60.0), np.repeat(np.arange(6), 10)
    >>> ls.tasks.most_points(ls.Table.from_arrays(rows[:, None], 2 * rows, task))
    2000
    """
    room = FREE // (len(table) * (table.x.shape[1] + 12))
    return int(np.clip(room, LEAST_POINTS, MOST_POINTS))
