"""All training classes as one task."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from ..core import Batch, InputError, Split, Task
from ..data import Classes
from ._base import AbstractTasks, check_points
from ._episodes import choose, Episodes


class PooledClasses(AbstractTasks):
    """The arrays of few-shot episodes with the labels that all tasks share: one task, whose classes are all training
    classes. `Pooled(cross_entropy)` pretrains a classifier on it.

    Targets are one-hot, `(points, classes)`. A task to train on is `shots + queries` different examples, each equally
    likely; `classes` says how many outputs a classifier needs. The classes to validate and test on are never touched.

    **Arguments:**

    - `episodes`: whose training classes, and whose `augment` in training.
    - `shots`, `queries`: support and query points of a task. Pooled training takes them as one batch.
    - `held_out`: the last examples of each class, so many for validation and as many for test.

    **Raises:** `InputError` for a class that has no example left to train on, and for validating without `held_out`.

    Source: Chen et al. 2019, *A Closer Look at Few-shot Classification*, §3.2 (training stage).

    >>> import jax.random as jr, numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((60, 2)), np.repeat(np.arange(6), 10))
    >>> pooled = ls.tasks.PooledClasses(ls.Episodes(*classes.split((2, 2, 2)), ways=2), shots=8, queries=8)
    >>> pooled.classes, pooled.sample(ls.Split.TRAIN, key=jr.key(0)).query.y.shape
    (2, (8, 2))
    """

    episodes: Episodes
    shots: int = 32
    queries: int = 32
    held_out: int = 0

    def __check_init__(self):
        check_points("PooledClasses", self.shots, self.queries)
        if self.held_out < 0 or self._pool.smallest <= 2 * self.held_out:
            raise InputError(
                f"PooledClasses: `held_out={self.held_out}` of each class to validate and as many to test leave nothing"
                f" to train on of a class with {self._pool.smallest} examples. Lower `held_out`."
            )
        there = self._pool.examples - 2 * self.held_out * len(self._pool)
        if self.shots + self.queries > there:
            raise InputError(
                f"PooledClasses: `shots={self.shots}` and `queries={self.queries}` ask for more different examples than the"
                f" {there} that there are to train on. Lower them."
            )

    @property
    def classes(self) -> int:
        """How many classes there are to tell apart."""
        return len(self._pool)

    @property
    def _pool(self) -> Classes:
        return self.episodes.train

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        if split is not Split.TRAIN and not self.held_out:
            raise InputError(
                "PooledClasses: no examples are kept for validation or test. Give `held_out=`, how many of each class."
            )
        example_key, augment_key = jax.random.split(split.fold(key))
        first, counts = self._part(split)
        before = jnp.cumsum(counts) - counts
        number = choose(counts.sum(), self.shots + self.queries, key=example_key)
        labels = jnp.searchsorted(before, number, side="right") - 1
        x = self._pool[first[labels] + number - before[labels]]
        if self.episodes.augment is not None and split is Split.TRAIN:
            x = self.episodes.augment(x, key=augment_key)
        y = jax.nn.one_hot(labels, self.classes, dtype=x.dtype)
        return Task(
            Batch(x[: self.shots], y[: self.shots]), Batch(x[self.shots :], y[self.shots :])
        )

    def _part(self, split: Split) -> tuple[Int[Array, "classes"], Int[Array, "classes"]]:
        """The first row and the number of rows of each class's examples for a split."""
        starts, train = self._pool.starts, self._pool.sizes - 2 * self.held_out
        if split is Split.TRAIN:
            return starts, train
        held = jnp.full_like(train, self.held_out)
        return starts + train + (held if split is Split.TEST else 0), held
