"""Heads that are made from a support set."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..core import Batch
from ._prototypes import ABSENT, class_means, unit


class LinearHead(eqx.Module):
    """A linear head: logits `x @ weight + bias` of the classes that have support points.

    >>> import jax.numpy as jnp, learnset as ls
    >>> head = ls.transfer.LinearHead(jnp.eye(2), jnp.zeros(2), jnp.array([True, True]))
    >>> head(jnp.array([3.0, 4.0])).tolist()
    [3.0, 4.0]
    """

    weight: Float[Array, "features classes"]
    bias: Float[Array, "classes"]
    there: Bool[Array, "classes"]  # which classes have support points

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        return jnp.where(self.there, x @ self.weight + self.bias, ABSENT)


class CosineHead(eqx.Module):
    """A cosine head: logits `scale cos(x, weight)` of the classes that have support points.

    >>> import jax.numpy as jnp, learnset as ls
    >>> head = ls.transfer.CosineHead(jnp.eye(2), jnp.asarray(2.0), jnp.array([True, True]))
    >>> head(jnp.array([3.0, 0.0])).tolist()
    [2.0, 0.0]
    """

    weight: Float[Array, "classes features"]
    scale: Float[Array, ""]
    there: Bool[Array, "classes"]

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        return jnp.where(self.there, self.scale * (unit(self.weight) @ unit(x)), ABSENT)


def zero_head(points: Batch) -> LinearHead:
    """A linear head with weights and biases of zero, which knows nothing yet.

    **Arguments:** `points`: features of the support set, with one-hot targets.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.transfer.zero_head(ls.Batch(jnp.ones((4, 3)), jnp.eye(4))).weight.shape
    (3, 4)
    """
    means, present = class_means(points.x, points)
    return LinearHead(jnp.zeros_like(means.T), jnp.zeros_like(means[:, 0]), present)


def prototype_head(points: Batch) -> LinearHead:
    """The linear head that classifies by the nearest class mean c: weights 2c and biases -|c|².

    **Arguments:** `points`: features of the support set, with one-hot targets.

    Source: Snell, Swersky & Zemel 2017, equation 8; as a start: Triantafillou et al. 2020,
    *Meta-Dataset*, §3.2.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.transfer.prototype_head(ls.Batch(jnp.eye(2), jnp.eye(2))).bias.tolist()
    [-1.0, -1.0]
    """
    means, present = class_means(points.x, points)
    return LinearHead(2 * means.T, -(means**2).sum(axis=1), present)
