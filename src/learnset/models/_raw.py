"""Inputs as they are."""

import equinox as eqx
from jaxtyping import Array, Shaped


class Raw(eqx.Module):
    """The encoder that does nothing but lay an input out as a vector: for features that another network has made, and
    to show what raw pixels are worth.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.models.Raw().features(jnp.ones((28, 28, 1))).shape
    (784,)
    """

    def features(self, x: Shaped[Array, "*in"]) -> Shaped[Array, "features"]:
        """All numbers of one input."""
        return x.reshape(-1)
