"""A fixed, numbered set of tasks, each with a fixed set of points."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import core
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import Batch, check_not_negative, InputError, Split, Task, weight_of_points
from ._base import AbstractTasks, check_points
from ._task_rows import TaskRows


class FiniteTasks(AbstractTasks):
    """A fixed set of numbered tasks with few points each, such as schools, patients or sensors.

    The tasks are the same in all splits, because multi-task learning is scored on the tasks that it
    was trained on. The *points* never overlap: `points` may be learnt from, and from `held_out`
    validation and test tasks draw their queries, each from its own half.

    - A task to train on draws disjoint support and query sets from `points`.
    - A task to validate or score on draws its support set from `points` and its queries from
      `held_out`.

    Outside of training, `draw` goes through the tasks by number, so that `num_tasks = len(tasks)`
    scores each of them once. So does a training step on all tasks; a step on fewer draws them at
    random. Tasks of unequal size are padded with points of weight zero, and a task with few points
    has smaller sets.

    Training draws task `i` in proportion to `size_i ** size_power`, for tasks of very unequal size.
    With 0, the default, all tasks are drawn equally often; with 1, in proportion to their points; a
    value between favours small tasks (one over the temperature of Arivazhagan et al. 2019,
    *Massively Multilingual Neural Machine Translation in the Wild*, §4.1; 0.3 in mT5). Unless it is
    0, even a step on all tasks draws them at random.

    To learn from these tasks for *new* ones, train on one `FiniteTasks` and evaluate on another, or
    on the family.

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=30, points=20, key=jr.key(0))
    >>> len(tasks), tasks.sample(ls.Split.TRAIN, key=jr.key(1)).support.x.shape
    (30, (10, 1))
    """

    points: Batch  # "tasks points": what may be learnt from
    held_out: Batch  # "tasks points": what is scored on
    shots: int = 10
    queries: int = 10
    size_power: float = 0.0

    def __check_init__(self):
        check_points("FiniteTasks", self.shots, self.queries)
        check_not_negative("FiniteTasks", size_power=self.size_power)
        if isinstance(self.points.weight, core.Tracer) or not eqx.is_array(self.points.weight):
            return  # inside a transformation, sizes are not known; they were checked before
        sizes = self._sizes()
        smallest = int(sizes.argmin())
        if self.shots > sizes[smallest]:
            raise InputError(
                f"FiniteTasks: `shots={self.shots}`, but task {smallest} has {sizes[smallest]}"
                " points to learn from. Lower `shots`, or leave out small tasks."
            )

    @classmethod
    def from_family(
        cls,
        family: AbstractTasks,
        *,
        num_tasks: int,
        points: int,
        held_out: int = 100,
        shots: int | None = None,
        key: Key[Array, ""],
    ) -> "FiniteTasks":
        """A fixed set of `num_tasks` training tasks of a family, with `points` points each and
        `held_out` more to score on."""
        for name, value, least in (("points", points, 1), ("held_out", held_out, 2)):
            if not isinstance(value, int) or value < least:
                raise InputError(
                    f"FiniteTasks: `{name}={value}`, but it must be a whole number of at least"
                    f" {least}."
                )
        tasks = family.with_shots(points, held_out).draw(num_tasks, Split.TRAIN, key=key)
        shots = min(family.shots, points) if shots is None else shots
        return cls(tasks.support, tasks.query, shots, family.queries)

    @classmethod
    def from_arrays(
        cls,
        x: Array | np.ndarray,
        y: Array | np.ndarray,
        task: Array | np.ndarray,
        *,
        shots: int = 10,
        queries: int = 10,
        held_out: float = 0.5,
    ) -> "FiniteTasks":
        """A fixed set of tasks from a long table: row `i` is a point `x[i], y[i]` of the task
        `task[i]` (any labels).

        The last part of each task's rows, the fraction `held_out` of them (rounded up), is kept to
        score on; shuffle the rows first if their order matters. `y` needs a trailing axis of
        outputs: `(rows, 1)` for one. NaN is an absent label.

        **Raises:** `InputError` for arrays of different lengths, NaN inputs, and tasks with fewer
        than three rows.

        >>> import numpy as np, learnset as ls
        >>> rows = np.arange(12.0)[:, None]
        >>> len(ls.FiniteTasks.from_arrays(rows, rows, np.repeat(["a", "b"], 6), shots=2))
        2
        """
        inputs, targets, task_of = np.asarray(x), np.asarray(y), np.asarray(task)
        if not len(inputs) == len(targets) == len(task_of):
            sizes = f"{len(inputs)}, {len(targets)} and {len(task_of)}"
            raise InputError(
                f"`x`, `y` and `task` have {sizes} rows; they must have the same number."
            )
        if not 0 < held_out < 1:
            raise InputError(
                f"`held_out={held_out}`, but it must be a fraction between 0 and 1: the part of"
                " each task's rows to score on."
            )
        if not np.isfinite(inputs).all():
            bad = int((~np.isfinite(inputs)).sum())
            raise InputError(f"`x` has {bad} numbers that are NaN or infinite. Fill them in first.")
        names, number = np.unique(task_of, return_inverse=True)
        groups = [np.flatnonzero(number == i) for i in range(len(names))]
        for name, group in zip(names, groups, strict=True):
            if len(group) < 3:
                raise InputError(
                    f"Task {name!r} has {len(group)} rows, but it needs one to learn from and two"
                    " to score on."
                )
        held = [max(2, int(np.ceil(held_out * len(group)))) for group in groups]
        cuts = [max(1, len(group) - last) for group, last in zip(groups, held, strict=True)]
        learn = [group[:cut] for group, cut in zip(groups, cuts, strict=True)]
        score = [group[cut:] for group, cut in zip(groups, cuts, strict=True)]
        return cls(_padded(inputs, targets, learn), _padded(inputs, targets, score), shots, queries)

    def __len__(self) -> int:
        return len(self.points.weight)

    def _sizes(self) -> np.ndarray:
        """The number of points to learn from of each task."""
        sizes = np.asarray((self.points.weight > 0).sum(axis=1))
        return sizes.reshape(len(sizes), -1).max(axis=1)

    def of(self, index: Array | int) -> tuple[Batch, Batch]:
        """All points to learn from of task number `index`, and all its held-out points."""
        return jax.tree.map(lambda leaf: leaf[index], (self.points, self.held_out))

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        return self.task(self._numbers((), split, key=key), split, key=split.fold(key))

    def draw(self, num_tasks: int, split: Split, *, key: Key[Array, ""]) -> Task:
        keys = jr.split(split.fold(key), num_tasks)
        in_turn = jnp.arange(num_tasks) % len(self)
        at_random = split is Split.TRAIN and (num_tasks != len(self) or self.size_power != 0)
        index = self._numbers((num_tasks,), split, key=key) if at_random else in_turn
        return jax.vmap(lambda i, k: self.task(i, split, key=k))(index, keys)

    def all_points(self, index: Array | int, split: Split) -> Batch:
        """All points of one task in a split."""
        points, held_out = self.of(index)
        return points if split is Split.TRAIN else _half(held_out, split)

    def pool(self, split: Split) -> Batch:
        """All points of all tasks in a split, "tasks points"."""
        return jax.vmap(lambda i: self.all_points(i, split))(jnp.arange(len(self)))

    @property
    def point_axis(self) -> int:
        """The axis of points in `points` and `held_out`."""
        return 1

    def turned(self, by: Int[Array, ""]) -> Self:
        """The same tasks with their held-out points, of which there is an even number, moved by
        `by` places: by one, test points stand where those to validate on stood."""
        moved = jax.tree.map(lambda leaf: jnp.roll(leaf, -by, self.point_axis), self.held_out)
        return eqx.tree_at(lambda tasks: tasks.held_out, self, moved)

    def flat(self, split: Split) -> TaskRows:
        """All points of all tasks in a split, on the host and without padding."""
        points = self.points if split is Split.TRAIN else self.held_out
        points = jax.tree.map(np.asarray, points)
        if split is not Split.TRAIN:
            points = jax.tree.map(lambda leaf: leaf[:, _offset(split) :: 2], points)
        return TaskRows.of_batch(points)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return tuple(f"task {i + 1}" for i in range(len(self)))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none if targets are numbers."""
        return ()

    def own_classes(
        self, predictions: Float[Array, "points out"], index: Array | int
    ) -> Float[Array, "points out"]:
        """Predictions for a task, without the classes that it does not have."""
        del index
        return predictions

    @property
    def units(self) -> Float[Array, "tasks"]:
        """For each task, the size of a unit of its scaled target, in units of the target."""
        return jnp.ones(len(self), jnp.result_type(float))

    @property
    def zero(self) -> Float[np.ndarray, "tasks"] | None:
        """For each task, the scaled target that is a count of zero; None unless targets are
        counts."""
        return None

    def rows_of(self, split: Split) -> Int[Array, "tasks points"]:
        """A number for each of `all_points` that no other point of its task has; -1 for padding."""
        present = jax.vmap(_present)(self.pool(split))
        number = jnp.arange(present.shape[1])
        return jnp.where(present, 3 * number + split.value, -1)

    def _numbers(
        self, shape: tuple[int, ...], split: Split, *, key: Key[Array, ""]
    ) -> Int[Array, "*tasks"]:
        """The numbers of tasks that are drawn at random; for training, by their sizes."""
        if split is not Split.TRAIN or self.size_power == 0:
            return jr.randint(key, shape, 0, len(self))
        size = jax.vmap(lambda i: _present(self.of(i)[0]).sum())(jnp.arange(len(self)))
        return jr.categorical(key, self.size_power * jnp.log(size), shape=shape)

    def task(self, index: Array, split: Split, *, key: Key[Array, ""]) -> Task:
        """Task number `index`, with points drawn by `key`."""
        points, held_out = self.of(index)
        support_key, query_key = jr.split(key)
        if split is Split.TRAIN:
            points = some_points(points, self.shots + self.queries, key=key)
            support, query = shared_out(points, self.shots, self.queries)
        else:
            held_out = _half(held_out, split)
            support = first_points(some_points(points, self.shots, key=support_key), self.shots)
            query = first_points(some_points(held_out, self.queries, key=query_key), self.queries)
        return Task(support, query, index=index)


def some_points(batch: Batch, num: int, *, key: Key[Array, ""]) -> Batch:
    """At most `num` points in random order, absent ones last."""
    length = len(batch.weight)
    # On a CPU the largest few of many random numbers are found 5 to 15 times faster than by a sort.
    rank = jnp.where(_present(batch), jr.uniform(key, (length,)), -1.0)
    order = jax.lax.top_k(rank, min(num, length))[1]
    return jax.tree.map(lambda leaf: leaf[order], batch)


def _present(batch: Batch) -> Bool[Array, "points"]:
    return weight_of_points(batch.weight) > 0


def first_points(
    batch: Batch,
    num: int,
    start: int | Int[Array, ""] = 0,
    stop: int | Int[Array, ""] | None = None,
) -> Batch:
    """The points `start` to `start + num`. Those from `stop` on, and those beyond the end, have
    weight zero."""
    length = len(batch.weight)
    position = start + jnp.arange(num)
    inside = position < (length if stop is None else stop)
    chosen = jax.tree.map(lambda leaf: leaf[jnp.clip(position, 0, length - 1)], batch)
    inside = inside.reshape((-1,) + (1,) * (chosen.weight.ndim - 1))
    return Batch(chosen.x, chosen.y, chosen.weight * inside.astype(chosen.weight.dtype))


def shared_out(batch: Batch, shots: int, queries: int) -> tuple[Batch, Batch]:
    """Disjoint support and query sets. A task that is too small for both is divided in proportion,
    so that every task has queries to learn from."""
    size = _present(batch).sum()
    cut = jnp.clip(size * shots // (shots + queries), 1, shots)
    return first_points(batch, shots, stop=cut), first_points(batch, queries, start=cut, stop=size)


def _half(batch: Batch, split: Split) -> Batch:
    """Every other point: even ones to validate on and odd ones to test on, so that both halves have
    as much of the padding at the end."""
    return jax.tree.map(lambda leaf: leaf[_offset(split) :: 2], batch)


def _offset(split: Split) -> int:
    return 0 if split is Split.VALIDATION else 1


def _padded(x: np.ndarray, y: np.ndarray, groups: list[np.ndarray]) -> Batch:
    length = max(len(group) for group in groups)
    rows = np.stack([np.pad(group, (0, length - len(group)), mode="edge") for group in groups])
    weight = np.stack([np.arange(length) < len(group) for group in groups])
    if (missing := np.isnan(y)).any():  # a weight for each label
        weight = ~missing[rows] & weight.reshape(weight.shape + (1,) * (y.ndim - 1))
        y = np.where(missing, 0, y)
    dtype = jnp.result_type(float)
    return Batch(
        jnp.asarray(x[rows], dtype), jnp.asarray(y[rows], dtype), jnp.asarray(weight, dtype)
    )
