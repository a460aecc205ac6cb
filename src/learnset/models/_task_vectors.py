"""Task vectors: what training on each task adds to one start, and ways to merge them."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from ..core import check_positive, head, InputError, rows, trainable
from ._tasked import part_of, SharedBody

Vectors = Float[Array, "tasks params"]


class AbstractMerging(eqx.Module):
    """A way to make one vector of those of all tasks."""

    @abc.abstractmethod
    def merge(self, vectors: Vectors) -> Float[Array, "params"]:
        """The merged vector, which is added to the start."""


class Arithmetic(AbstractMerging):
    """Task arithmetic: the sum of the vectors, times `scale`.

    Source: Ilharco et al. 2023, *Editing Models with Task Arithmetic*, §4.2.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.models.Arithmetic(0.5).merge(jnp.array([[2.0, 4.0], [0.0, -6.0]])).tolist()
    [1.0, -1.0]
    """

    scale: float | Float[Array, "..."] = 0.3

    def merge(self, vectors: Vectors) -> Float[Array, "params"]:
        return self.scale * vectors.sum(axis=0)


class TIES(AbstractMerging):
    """TIES: the largest entries of each vector are kept, the sign of each parameter is elected by
    their sum, and the mean is over the entries of that sign.

    **Arguments:** `scale`: of the merged vector. `keep`: the share of the entries that is kept.

    Source: Yadav et al. 2023, *TIES-Merging: Resolving Interference When Merging Models*, §4.

    >>> import jax.numpy as jnp, learnset as ls
    >>> vectors = jnp.array([[4.0, 0.1, -3.0], [2.0, 0.2, 5.0]])
    >>> ls.models.TIES(keep=2 / 3).merge(vectors).tolist()
    [3.0, 0.0, 5.0]
    """

    scale: float | Float[Array, "..."] = 1.0
    keep: float = eqx.field(static=True, default=0.2)

    def __check_init__(self):
        if not 0 < self.keep <= 1:
            raise InputError(f"TIES: `keep={self.keep}`, but it must be above 0, and at most 1.")

    def merge(self, vectors: Vectors) -> Float[Array, "params"]:
        count = max(1, round(self.keep * vectors.shape[1]))
        least = jnp.sort(jnp.abs(vectors), axis=1)[:, -count, None]
        kept = jnp.where(jnp.abs(vectors) >= least, vectors, 0)
        elected = jnp.sign(kept.sum(axis=0))
        agree = (jnp.sign(kept) == elected[None]) & (kept != 0)
        total = jnp.where(agree, kept, 0).sum(axis=0)
        return self.scale * total / jnp.maximum(agree.sum(axis=0), 1).astype(total.dtype)


class DARE(AbstractMerging):
    """DARE: entries are dropped at random and the others made larger, so that the mean stays; the
    vectors are then merged by another way.

    **Arguments:** `then`: the other way. `drop`: the share that is dropped. `seed`: of the draw.

    Source: Yu et al. 2024, *Language Models are Super Mario*, §3.2.

    >>> import jax.numpy as jnp, learnset as ls
    >>> way = ls.models.DARE(ls.models.Arithmetic(1.0), drop=0.75)
    >>> sorted(set(way.merge(jnp.ones((1, 99))).tolist()))
    [0.0, 4.0]
    """

    then: AbstractMerging = Arithmetic()
    drop: float = eqx.field(static=True, default=0.9)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self):
        if not 0 <= self.drop < 1:
            raise InputError(f"DARE: `drop={self.drop}`, but it must be from 0 to below 1.")

    def merge(self, vectors: Vectors) -> Float[Array, "params"]:
        stays = jr.bernoulli(jr.key(self.seed), 1 - self.drop, vectors.shape)
        return self.then.merge(jnp.where(stays, vectors / (1 - self.drop), 0))


class TaskVectors(eqx.Module):
    """A model for each task, all of which begin as one base, to be merged when they are trained.

    A task outside the set (index -1) sees the average of all models.

    **Arguments:** `base`: which stays as it is. `num_tasks`: how many there are.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> vectors = ls.models.TaskVectors(ls.MLP(1, 1, key=jr.key(0)), num_tasks=30)
    >>> merged = vectors.merged(ls.models.TIES())
    >>> merged.for_task(jnp.asarray(3))(jnp.ones(1)).shape
    (1,)
    """

    base: Any
    models: Any

    def __init__(self, base: Any, *, num_tasks: int):
        check_positive("TaskVectors", num_tasks=num_tasks)
        self.base = base
        self.models = jax.tree.map(
            lambda leaf: jnp.stack([leaf] * num_tasks) if eqx.is_inexact_array(leaf) else leaf, base
        )

    @property
    def own(self) -> Any:
        """The parts of single tasks: everything."""
        return self.models

    def for_task(self, index: Int[Array, ""]) -> Any:
        return part_of(self.models, index)

    def merged(self, merging: AbstractMerging) -> SharedBody:
        """One body for all tasks, that of the base with the merged vectors of all bodies; each task
        keeps its head, which is in no vector."""
        moving, fixed = trainable(_bare(self.base))
        start, as_tree = ravel_pytree(moving)
        ends = rows(trainable(_bare(self.models))[0])
        body = eqx.combine(as_tree(start + merging.merge(ends - start[None])), fixed)
        model = eqx.tree_at(head, body, head(self.base), is_leaf=lambda leaf: leaf is None)
        shared = SharedBody(model, num_tasks=len(ends), key=jr.key(0))
        return eqx.tree_at(lambda shared: shared.heads, shared, head(self.models))


def _bare(model: Any) -> Any:
    """The model without its head."""
    return eqx.tree_at(head, model, None)
