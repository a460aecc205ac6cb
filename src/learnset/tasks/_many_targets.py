"""Several targets of the same rows, each of which is a task."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key

from ..core import Batch, InputError, Split, Task
from ._base import AbstractTasks, check_points


class ManyTargets(AbstractTasks):
    """Columns of targets as numbered tasks with the same inputs: all tasks of a draw have the same
    rows.

    Missing labels have weight zero: a task has a point if it has its label. Rows are shared by
    tasks, but never by splits: training draws from `points`, and validation and test tasks each
    draw their queries from their own half of `held_out`.

    `draw` goes through the tasks by number outside of training, and in training if it draws as many
    tasks as there are targets. Otherwise it draws tasks at random.

    >>> import numpy as np, jax.random as jr, learnset as ls
    >>> y = np.ones((24, 3))
    >>> y[0, 0] = np.nan
    >>> tasks = ls.ManyTargets.from_arrays(np.ones((24, 2)), y, shots=4, queries=6)
    >>> batch = tasks.draw(3, ls.Split.TRAIN, key=jr.key(0))
    >>> batch.support.x.shape, batch.query.y.shape
    ((3, 4, 2), (3, 6, 1))
    """

    points: Batch  # y and weight are "points targets"
    held_out: Batch
    shots: int = 10
    queries: int = 10

    def __check_init__(self):
        check_points("ManyTargets", self.shots, self.queries)
        for name, rows, needed in (
            ("points", len(self.points.x), self.shots + self.queries),
            ("held_out", len(self.held_out.x) // 2, self.queries),
        ):
            if rows < needed:
                raise InputError(
                    f"ManyTargets: `shots={self.shots}` and `queries={self.queries}`, but `{name}`"
                    f" has only {rows} rows for a task. Lower them."
                )

    @classmethod
    def from_arrays(
        cls,
        x: Array | np.ndarray,
        y: Array | np.ndarray,
        *,
        shots: int = 10,
        queries: int = 10,
        held_out: float = 0.5,
    ) -> "ManyTargets":
        """Tasks from the columns of `y`, in which NaN is a missing label. The last part of the
        rows, the fraction `held_out` of them, is kept to score on.

        **Raises:** `InputError` for arrays of different lengths, inputs that are not finite, and
        too few rows.
        """
        inputs, targets = np.asarray(x), np.asarray(y)
        if len(inputs) != len(targets) or targets.ndim != 2:
            raise InputError(
                f"`x` has the shape {inputs.shape} and `y` {targets.shape}; they must have as many"
                " rows, and `y` a column for each target."
            )
        if not 0 < held_out < 1:
            raise InputError(
                f"`held_out={held_out}`, but it must be a fraction between 0 and 1: the part of the"
                " rows to score on."
            )
        if not np.isfinite(inputs).all():
            bad = int((~np.isfinite(inputs)).sum())
            raise InputError(f"`x` has {bad} numbers that are NaN or infinite. Fill them in first.")
        cut, dtype = len(inputs) - int(np.ceil(held_out * len(inputs))), jnp.result_type(float)
        known = np.isfinite(targets)
        x, y, weight = (jnp.asarray(a, dtype) for a in (inputs, np.where(known, targets, 0), known))
        learn, score = (
            Batch(x[part], y[part], weight[part]) for part in (slice(cut), slice(cut, None))
        )
        return cls(learn, score, shots, queries)

    def __len__(self) -> int:
        return self.points.y.shape[1]

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        return self._tasks(jr.randint(key, (), 0, len(self)), split, key=split.fold(key))

    def draw(self, num_tasks: int, split: Split, *, key: Key[Array, ""]) -> Task:
        in_turn = jnp.arange(num_tasks) % len(self)
        at_random = split is Split.TRAIN and num_tasks != len(self)
        index = jr.randint(key, (num_tasks,), 0, len(self)) if at_random else in_turn
        rows_key = split.fold(key)
        return jax.vmap(lambda i: self._tasks(i, split, key=rows_key))(index)

    def _tasks(self, index: Int[Array, ""], split: Split, *, key: Key[Array, ""]) -> Task:
        """Task number `index`, on rows drawn by the key."""
        support_key, query_key = jr.split(key)
        if split is Split.TRAIN:
            both = _rows(self.points, self.shots + self.queries, index, key=key)
            support = jax.tree.map(lambda leaf: leaf[: self.shots], both)
            query = jax.tree.map(lambda leaf: leaf[self.shots :], both)
        else:
            offset = 0 if split is Split.VALIDATION else 1
            half = jax.tree.map(lambda leaf: leaf[offset::2], self.held_out)
            support = _rows(self.points, self.shots, index, key=support_key)
            query = _rows(half, self.queries, index, key=query_key)
        return Task(support, query, index=index, same_inputs=True)


def _rows(batch: Batch, num: int, target: Int[Array, ""], *, key: Key[Array, ""]) -> Batch:
    """`num` random rows with one of their targets."""
    rows = jax.lax.top_k(jr.uniform(key, (len(batch.x),)), num)[1]
    return Batch(batch.x[rows], batch.y[rows, target][:, None], batch.weight[rows, target])
