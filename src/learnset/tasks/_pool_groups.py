"""Groups of known tasks, which a network that reads related tables goes on learning from."""

from typing import Self

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from ..core import Batch, check_positive, Split, Task
from ..models import Scales
from ._base import check_points
from ._finite import FiniteTasks, first_points, some_points
from ._held_out import HeldOutTasks
from ._related_gaussian import AbstractGroups, Group, own_points


class PoolGroups(AbstractGroups):
    """Known tasks in groups, drawn at random: each is to be learnt from a few of its rows and from
    those of the others, and is scored on other rows of its own.

    How many rows of its own a task has is drawn, up to `shots`: few are more frequent. Inputs and
    targets have the scales of all rows that are read. Of several targets, and of classes, a group
    has one.

    **Arguments:** `pool`: the rows of all tasks. `siblings`: other tasks of a group; fewer where
    there are fewer tasks.

    >>> import jax.random as jr, learnset as ls
    >>> known = ls.Sinusoids().draw(9, ls.Split.TRAIN, key=jr.key(0)).support
    >>> groups = ls.tasks.PoolGroups(known, shots=6, queries=4)
    >>> groups.sample(ls.Split.TRAIN, key=jr.key(1)).support.siblings.x.shape
    (7, 6, 1)
    """

    pool: Batch  # "tasks points"
    shots: int = 20
    queries: int = 8
    siblings: int = 7

    def __check_init__(self):
        check_points("PoolGroups", self.shots, self.queries)
        check_positive("PoolGroups", siblings=self.siblings)

    @classmethod
    def of(cls, tasks: FiniteTasks | HeldOutTasks, **sizes: int) -> Self:
        """Groups of the tasks to train on, of their rows to train on."""
        return cls(tasks.pool(Split.TRAIN), **sizes)

    def group(self, split: Split, *, key: Key[Array, ""]) -> Group:
        task_key, row_key, own_key, target_key = jr.split(split.fold(key), 4)
        tasks = min(1 + self.siblings, len(self.pool.x))
        chosen = jr.choice(task_key, len(self.pool.x), (tasks,), replace=False)
        target = jr.randint(target_key, (), 0, self.pool.y.shape[-1])

        def one(number: Array, key: Key[Array, ""]) -> tuple[Batch, Batch]:
            rows: Batch = jax.tree.map(lambda leaf: leaf[number], self.pool)
            weight = rows.weight if rows.weight.ndim == 1 else rows.weight[:, target]
            rows = Batch(rows.x, rows.y[:, target][:, None], weight)
            rows = some_points(rows, self.shots + self.queries, key=key)
            # A task of few rows is shared out, so that there are some to be scored on.
            count = (rows.weight > 0).sum()
            cut = count * self.shots // (self.shots + self.queries)
            support = first_points(rows, self.shots, stop=cut)
            return support, first_points(rows, self.queries, start=cut, stop=count)

        support, query = jax.vmap(one)(chosen, jr.split(row_key, tasks))
        scales = Scales.of(support)
        support, query = (
            Batch(scales.inputs(rows.x), scales.targets(rows.y), rows.weight)
            for rows in (support, query)
        )
        told = jnp.ones(tasks, bool)
        return Group(Task(support, query), told, own_points(own_key, self.shots, told))
