"""All training classes as one task."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from ..core import InputError, Split, Task
from ..data import Classes
from ._base import AbstractTasks, check_points, halves
from ._episodes import choose, Episodes


class PooledClasses(AbstractTasks):
    """The training classes of few-shot episodes as a single task, in which every class keeps its
    label. `Pooled(cross_entropy)` pretrains a classifier on it.

    Targets are one-hot, `(points, classes)`. A task to train on is `shots + queries` different
    examples, each equally likely; `classes` is the number of outputs that a classifier needs. The
    classes to validate and test on are never used.

    **Arguments:**

    - `episodes`: the source of the training classes, and of `augment` in training.
    - `shots`, `queries`: support and query points of a task. Pooled training takes them as one
      batch.
    - `held_out`: the number of last examples of each class that are kept for validation, and as
      many again for test.

    **Raises:** `InputError` if a class has no example left to train on, and for validation or test
    without `held_out`.

    Source: Chen et al. 2019, *A Closer Look at Few-shot Classification*, §3.2 (training stage).

    >>> import jax.random as jr, numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((60, 2)), np.repeat(np.arange(6), 10))
    >>> episodes = ls.Episodes(*classes.split((2, 2, 2)), ways=2)
    >>> pooled = ls.tasks.PooledClasses(episodes, shots=8, queries=8)
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
                f"PooledClasses: `held_out={self.held_out}` examples to validate on and as many to"
                f" test on leave none to train on of a class with {self._pool.smallest} examples."
                " Lower `held_out`."
            )
        available = self._pool.examples - 2 * self.held_out * len(self._pool)
        if self.shots + self.queries > available:
            raise InputError(
                f"PooledClasses: `shots={self.shots}` and `queries={self.queries}`, but there are"
                f" only {available} examples to train on. Lower them."
            )

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self._pool)

    @property
    def _pool(self) -> Classes:
        return self.episodes.train

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        if split is not Split.TRAIN and not self.held_out:
            raise InputError(
                "PooledClasses: no examples are kept for validation or test. Set `held_out`, their"
                " number for each class."
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
        return Task(*halves(x, y, self.shots))

    def _part(self, split: Split) -> tuple[Int[Array, "classes"], Int[Array, "classes"]]:
        """The first row and the number of rows of each class in a split."""
        starts, train = self._pool.starts, self._pool.sizes - 2 * self.held_out
        if split is Split.TRAIN:
            return starts, train
        held = jnp.full_like(train, self.held_out)
        return starts + train + (held if split is Split.TEST else 0), held
