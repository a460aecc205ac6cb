"""Inputs of different width, each brought to a common one."""

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
    """A linear map of each task from its own inputs to those of `model`: for tasks whose inputs mean different things.

    Inputs are padded with zeros to the widest. A task that the set does not number (index -1) sees the average map.

    **Arguments:**

    - `model`: takes `size` numbers; gives a view of each task, or is one for all.
    - `in_sizes`: of each task's own inputs.

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
        made = [
            Linear(n, size, key=k)
            for n, k in zip(in_sizes, jr.split(key, len(in_sizes)), strict=True)
        ]
        weights = [jnp.pad(one.weight, ((0, widest - len(one.weight)), (0, 0))) for one in made]
        biases = [one.bias for one in made]
        self.model = model
        self.maps = eqx.tree_at(
            lambda one: (one.weight, one.bias), made[0], (jnp.stack(weights), jnp.stack(biases))
        )

    @property
    def own(self) -> PyTree[Float[Array, "tasks ..."]]:
        """What single tasks own: their maps, and what they own in the model."""
        return (self.maps, self.model.own) if hasattr(self.model, "own") else self.maps

    def for_task(self, index: Int[Array, ""]) -> "Mapped":
        return Mapped(part_of(self.maps, index), for_task(self.model, index))


class Mapped(eqx.Module):
    """A predictor behind a linear map."""

    map: Linear
    model: Any

    @property
    def head(self) -> Any:
        return head(self.model)

    def features(self, x: Float[Array, "in"]) -> Float[Array, "features"]:
        """What the head sees."""
        return self.model.features(self.map(x))

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.model(self.map(x))
