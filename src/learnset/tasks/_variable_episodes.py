"""Episodes in which ways and shots vary."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key

from ..core import Batch, InputError, Split, Task
from ..data import Classes, DEVICE_BYTES, Labelled, on_device
from ._base import AbstractTasks
from ._episodes import Augment, check_disjoint, check_enough, choose

MOST_OF_A_CLASS = 100  # examples of a class that count towards the size of a support set, at most


class VariableEpisodes(AbstractTasks):
    """Few-shot classification with varying ways and shots: a task has any number of classes, with
    unequal numbers of examples.

    Each class has at least one support point; queries are balanced. All tasks have the same shape:
    absent points have weight zero, and absent classes have no points.

    Targets are one-hot, `(points, max_ways)`. Support points are ordered by shot, with absent ones
    last.

    **Arguments:**

    - `train`, `validation`, `test`: the classes of each split, which must not overlap.
    - `min_ways`, `max_ways`: the number of classes of a task, at most as many as there are.
    - `max_support`: the most points of a support set, over all classes.
    - `max_queries`: the most queries of each class; fewer if the smallest class of a task has less
      than twice as many examples.
    - `augment`, `device_bytes`: as in `Episodes`.

    **Raises:** `InputError` for too few classes, for a class with a single example, which is named,
    for a support set without room for all classes, and for a class in two splits.

    Source: Triantafillou et al. 2020, *Meta-Dataset*, §3.2 and appendix A.2. Unlike there, classes
    are drawn uniformly, without the hierarchies of ImageNet and Omniglot.

    >>> import jax.random as jr, numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((90, 2)), np.repeat(np.arange(18), 5))
    >>> parts = classes.split((6, 6, 6))
    >>> tasks = ls.tasks.VariableEpisodes(*parts, min_ways=2, max_ways=6, max_support=12)
    >>> tasks.sample(ls.Split.TEST, key=jr.key(0)).support.x.shape
    (12, 2)
    """

    train: Classes
    validation: Classes
    test: Classes
    min_ways: int = 5
    max_ways: int = 50
    max_support: int = 500
    max_queries: int = 10
    augment: Augment | None = eqx.field(static=True, default=None)
    largest: int = eqx.field(static=True, default=0)  # examples of the largest class

    def __init__(
        self,
        train: Labelled | Classes,
        validation: Labelled | Classes,
        test: Labelled | Classes,
        min_ways: int = 5,
        max_ways: int = 50,
        max_support: int = 500,
        max_queries: int = 10,
        augment: Augment | None = None,
        *,
        device_bytes: int = DEVICE_BYTES,
    ):
        pools = on_device(train, validation, test, device_bytes=device_bytes)
        self.train, self.validation, self.test = pools
        self.min_ways, self.max_ways = min_ways, max_ways
        self.max_support, self.max_queries, self.augment = max_support, max_queries, augment
        self.largest = max(int(pool.sizes.max()) for pool in pools)

    def __check_init__(self):
        if not 2 <= self.min_ways <= self.max_ways:
            raise InputError(
                f"VariableEpisodes: `min_ways={self.min_ways}`, `max_ways={self.max_ways}`, but"
                " `min_ways` must be at least 2, and at most `max_ways`."
            )
        if self.max_support < self.max_ways or self.max_queries < 1:
            raise InputError(
                f"VariableEpisodes: `max_support={self.max_support}`,"
                f" `max_queries={self.max_queries}`, but there must be room for a support point of"
                f" each of `max_ways={self.max_ways}` classes, and for a query."
            )
        for split in Split:
            check_enough(self.pool(split), split, self.min_ways, 1, 1)
        check_disjoint({split: self.pool(split).names for split in Split})

    @property
    def shots(self) -> int:
        """The most support points, over all classes."""
        return self.max_support

    @property
    def queries(self) -> int:
        """The most queries of a class."""
        return self.max_queries

    def with_shots(self, shots: int, queries: int | None = None) -> "VariableEpisodes":
        """The same family with at most `shots` support points, and at most `queries` queries of a
        class."""
        pools, ways = (self.train, self.validation, self.test), (self.min_ways, self.max_ways)
        return VariableEpisodes(
            *pools, *ways, shots, self.max_queries if queries is None else queries, self.augment
        )

    def pool(self, split: Split) -> Classes:
        """The classes of a split."""
        return (self.train, self.validation, self.test)[split.value]

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        pool = self.pool(split)
        ways_key, class_key, size_key, example_key, augment_key = jr.split(split.fold(key), 5)
        most = min(self.max_ways, len(pool))
        ways = jr.randint(ways_key, (), self.min_ways, most + 1)
        classes = choose(len(pool), most, key=class_key)
        # Classes beyond the ways get no examples, so that what follows is about the others.
        sizes = jnp.where(jnp.arange(most) < ways, pool.sizes[classes], 0)
        queries = jnp.minimum(
            self.max_queries, jnp.where(sizes > 0, sizes, self.largest).min() // 2
        )
        shots = shots_of_classes(sizes, queries, self.max_support, key=size_key)
        deep = min(self.max_support, self.largest)
        keys = jr.split(example_key, most)
        chosen = jax.vmap(lambda n, k: choose_up_to(n, deep + self.max_queries, key=k))(sizes, keys)
        rows = pool.starts[classes][:, None] + chosen

        def points(
            first: int | Array, deep: int, counts: Int[Array, "classes"], length: int, key: Array
        ) -> Batch:
            places = first + jnp.arange(deep)
            present = jnp.arange(deep)[None] < counts[:, None]
            return self._batch(pool, split, rows[:, places], present, length, key)

        support_key, query_key = jr.split(augment_key)
        counts = jnp.where(sizes > 0, queries, 0)
        query = points(0, self.max_queries, counts, self.max_ways * self.max_queries, query_key)
        return Task(points(queries, deep, shots, self.max_support, support_key), query)

    def _batch(
        self, pool: Classes, split: Split, rows: Array, present: Array, length: int, key: Array
    ) -> Batch:
        """The points of those rows, "classes shots", that are present, ordered by shot and without
        gaps."""
        labels = jnp.broadcast_to(jnp.arange(len(rows))[:, None], rows.shape)
        rows, labels, present = (leaf.T.reshape(-1) for leaf in (rows, labels, present))
        slot = jnp.where(present, jnp.cumsum(present) - 1, length)
        rows, labels = (
            jnp.zeros(length, jnp.int32).at[slot].set(leaf, mode="drop") for leaf in (rows, labels)
        )
        present = jnp.arange(length) < present.sum()
        x = pool[rows]
        if self.augment is not None and split is Split.TRAIN:
            x = self.augment(x, key=key)
        x = jnp.where(present.reshape(-1, *(1,) * (x.ndim - 1)), x, 0)
        weight = present.astype(jnp.result_type(float))
        return Batch(x, jax.nn.one_hot(labels, self.max_ways, dtype=x.dtype), weight)


def shots_of_classes(
    sizes: Int[Array, "classes"], queries: Int[Array, ""], max_support: int, *, key: Key[Array, ""]
) -> Int[Array, "classes"]:
    """The number of support points of each class: at least one if it is present, at most
    `max_support` in total, and roughly in proportion to its size times a random factor from a half
    to two."""
    dtype = jnp.result_type(float)
    total_key, share_key = jr.split(key)
    present = sizes > 0
    left = jnp.where(present, sizes - queries, 0)
    part = jr.uniform(total_key, (), dtype)
    each = jnp.floor(part * jnp.minimum(left, MOST_OF_A_CLASS).astype(dtype)).astype(jnp.int32) + 1
    total = jnp.minimum(jnp.where(present, each, 0).sum(), max_support)
    scale = jr.uniform(share_key, sizes.shape, dtype, -math.log(2), math.log(2))
    share = jnp.exp(scale) * sizes.astype(dtype)
    more = jnp.floor(share / share.sum() * (total - present.sum()).astype(dtype)).astype(jnp.int32)
    return jnp.where(present, jnp.minimum(more + 1, left), 0)


def choose_up_to(number: Int[Array, ""], count: int, *, key: Key[Array, ""]) -> Int[Array, "count"]:
    """`choose` from a `number` that may be less than `count`. Then it is all of them in random
    order, followed by zeros."""
    draw_key, order_key = jr.split(key)
    last = number - count + jnp.arange(count, dtype=jnp.int32)
    drawn = jr.randint(draw_key, (count,), 0, jnp.maximum(last, 0) + 1)

    def step(i: Array, chosen: Array) -> Array:
        taken = (chosen == drawn[i]).any()
        return chosen.at[i].set(jnp.where(last[i] < 0, -1, jnp.where(taken, last[i], drawn[i])))

    chosen = jax.lax.fori_loop(0, count, step, jnp.full(count, -1, jnp.int32))
    chosen = jr.permutation(order_key, chosen)
    # The sort is stable, so that the chosen numbers keep their random order.
    return jnp.maximum(chosen[jnp.argsort(chosen < 0)], 0)
