"""Inputs of different widths, each mapped to a common one."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import check_positive, for_task, head
from ._linear import Linear
from ._tasked import part_of


class WithInputs(eqx.Module):
    """Input maps: a linear map for each task from its own inputs to those of `model`, for tasks
    whose inputs have different meanings.

    Inputs are padded with zeros to the widest. A task outside the set (index -1) sees the average
    map.

    **Arguments:**

    - `model`: takes `size` numbers; gives a view of each task, or is one for all.
    - `in_sizes`: of the inputs of each task.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> net = ls.SharedBody(ls.MLP(8, 1, key=jr.key(0)), num_tasks=2, key=jr.key(1))
    >>> model = ls.models.WithInputs(net, in_sizes=[3, 5], size=8, key=jr.key(2))
    >>> model.for_task(jnp.asarray(0))(jnp.ones(5)).shape
    (1,)
    """

    model: Any
    maps: Linear  # stacked on an axis `tasks`

    def __init__(self, model: Any, in_sizes: Sequence[int], *, size: int, key: Key[Array, ""]):
        check_positive("WithInputs", size=size, smallest_in_size=min(in_sizes))
        widest = max(in_sizes)
        keys = jr.split(key, len(in_sizes))
        maps = [Linear(n, size, key=k) for n, k in zip(in_sizes, keys, strict=True)]
        weights = [jnp.pad(one.weight, ((0, widest - len(one.weight)), (0, 0))) for one in maps]
        stacked = jnp.stack(weights), jnp.stack([one.bias for one in maps])
        self.model = model
        self.maps = eqx.tree_at(lambda one: (one.weight, one.bias), maps[0], stacked)

    @property
    def own(self) -> PyTree[Float[Array, "tasks ..."]]:
        """The parts of single tasks: their maps, and their parts in the model."""
        return (self.maps, self.model.own) if hasattr(self.model, "own") else self.maps

    def for_task(self, index: Int[Array, ""]) -> "Mapped":
        return Mapped(part_of(self.maps, index), for_task(self.model, index))


class Mapped(eqx.Module):
    """A predictor after a linear map."""

    map: Linear
    model: Any

    @property
    def head(self) -> Any:
        return head(self.model)

    def features(self, x: Float[Array, "in"]) -> Float[Array, "features"]:
        """The input of the head."""
        return self.model.features(self.map(x))

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.model(self.map(x))
