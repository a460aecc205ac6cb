"""Inputs as they are."""

import equinox as eqx
from jaxtyping import Array, Shaped


class Raw(eqx.Module):
    """An encoder that only flattens an input to a vector: for features from another network, and as
    the baseline of raw pixels.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.models.Raw().features(jnp.ones((28, 28, 1))).shape
    (784,)
    """

    def features(self, x: Shaped[Array, "*in"]) -> Shaped[Array, "features"]:
        """All numbers of one input."""
        return x.reshape(-1)
