"""The view that one task has of a model that several tasks share."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Key, Shaped

from ._linear import Linear


class Layers(eqx.Module):
    """Linear layers with an activation after each; without any layer, the identity.

    **Arguments:**

    - `sizes`: of the input and of each layer.
    """

    layers: tuple[Linear, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Callable[[Array], Array] = jax.nn.relu,
        key: Key[Array, ""],
    ):
        keys = jr.split(key, max(1, len(sizes) - 1))
        self.layers = tuple(
            Linear(*pair, key=k) for *pair, k in zip(sizes[:-1], sizes[1:], keys, strict=False)
        )
        self.activation = activation

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        for layer in self.layers:
            x = self.activation(layer(x))
        return x


class View(eqx.Module):
    """The view of one task: `head(tower(body(x)))`, its own tower and head on the output of the
    body for it."""

    body: Any
    tower: Layers
    head: Linear

    def features(self, x: Shaped[Array, "*in"]) -> Float[Array, "width"]:
        """The input of the head."""
        return self.tower(self.body(x))

    def __call__(self, x: Shaped[Array, "*in"]) -> Float[Array, "out"]:
        return self.head(self.features(x))
