"""The scales of a table's inputs and targets, in which a network reads it."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import Batch, present

FARTHEST = 8.0  # standard deviations from the mean
SMALLEST = 1e-6


class Scales(eqx.Module):
    """The mean and the standard deviation of each input and target over some rows; of fewer than
    two rows, 1. Classes stay zeros and ones, and a constant keeps its value. What is no finite
    number does not count, and is taken as the mean.

    >>> import jax.numpy as jnp, learnset as ls
    >>> rows = ls.Batch(jnp.array([[1.0], [3.0]]), jnp.array([[10.0], [30.0]]))
    >>> scales = ls.models.Scales.of(rows)
    >>> scales.units(scales.targets(jnp.array([50.0])))
    Array([50.], dtype=float32)
    """

    x: Float[Array, "2 in"]  # middle and spread
    y: Float[Array, "2 out"]

    @classmethod
    def of(cls, rows: Batch, *, classes: bool = False) -> "Scales":
        """The scales of rows, which may be of several tasks. Those of weight zero do not count."""
        x, y = (leaf.reshape(-1, leaf.shape[-1]) for leaf in (rows.x, rows.y))
        weight = rows.weight.reshape(len(y), -1)
        there = (weight > 0).astype(y.dtype)
        of_row = there.max(axis=1, keepdims=True)
        of_y = jnp.stack([jnp.zeros(y.shape[1], y.dtype), jnp.ones(y.shape[1], y.dtype)])
        if not classes:
            of_y = _middle_and_spread(present(y, weight), jnp.broadcast_to(there, y.shape))
        return cls(_middle_and_spread(x, jnp.broadcast_to(of_row, x.shape)), of_y)

    def inputs(self, x: Float[Array, "*rows in"]) -> Float[Array, "*rows in"]:
        return _scaled(x, self.x)

    def targets(self, y: Float[Array, "*rows out"]) -> Float[Array, "*rows out"]:
        return _scaled(y, self.y)

    def units(self, y: Float[Array, "*rows out"]) -> Float[Array, "*rows out"]:
        """Scaled targets in their own units."""
        return y * jnp.broadcast_to(self.y[1], y.shape) + jnp.broadcast_to(self.y[0], y.shape)


def _scaled(x: Array, scale: Float[Array, "2 columns"]) -> Array:
    middle, spread = (jnp.broadcast_to(of_column, x.shape) for of_column in scale)
    spread = jnp.where(spread > 0, spread, 1)
    return jnp.clip(jnp.where(jnp.isfinite(x), x - middle, 0) / spread, -FARTHEST, FARTHEST)


def _middle_and_spread(
    x: Float[Array, "rows columns"], there: Float[Array, "rows columns"]
) -> Float[Array, "2 columns"]:
    there = there * jnp.isfinite(x).astype(x.dtype)
    x = jnp.where(there > 0, x, 0)
    count = there.sum(axis=0)
    middle = (there * x).sum(axis=0) / jnp.maximum(count, 1)
    square = (there * (x - middle[None]) ** 2).sum(axis=0) / jnp.maximum(count - 1, 1)
    spread = jnp.sqrt(square)
    spread = jnp.where(spread > SMALLEST * jnp.abs(middle), spread, 0)
    return jnp.stack([middle, jnp.where(count > 1, spread, 1)])
