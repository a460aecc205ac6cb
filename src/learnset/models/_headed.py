"""An encoder with a head on its features."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, Shaped

from ..core import features, predict
from ._linear import Initialiser, Linear


class Headed(eqx.Module):
    """An encoder and a head: `head(features(x))` of one point, or of many together. Few-shot
    learners both take and return such models.

    **Arguments:**

    - `encoder`: has `features(x)`, or `embed(xs, weight)` if it takes points together (`Conv4`,
      `ResNet12`).
    - `head`: takes the features of one point, or has `together(features, weight)`.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> encoder_key, head_key = jr.split(jr.key(0))
    >>> encoder = ls.Conv4((28, 28, 1), key=encoder_key)
    >>> model = ls.models.Headed(encoder, ls.models.Linear(encoder.size, 5, key=head_key))
    >>> model(jnp.ones((28, 28, 1))).shape
    (5,)
    """

    encoder: Any
    head: Any

    def embed(
        self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]
    ) -> Float[Array, "points features"]:
        """The input of the head for many points."""
        return features(self.encoder, xs, weight)

    def features(self, x: Shaped[Array, "*in"]) -> Float[Array, "features"]:
        """The input of the head for one point."""
        return self.encoder.features(x)

    def together(
        self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]
    ) -> Float[Array, "points out"]:
        """Predictions for many points."""
        return predict(self.head, self.embed(xs, weight), weight)

    def __call__(self, x: Shaped[Array, "*in"]) -> Float[Array, "out"]:
        return self.together(x[None], jax.numpy.ones(1, x.dtype))[0]

    def settle(self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]) -> "Headed":
        """The same model, with statistics of the support set stored in the encoder."""
        if not hasattr(self.encoder, "settle"):
            return self
        return eqx.tree_at(lambda model: model.encoder, self, self.encoder.settle(xs, weight))


def classifier(
    encoder: Any, ways: int, *, initialiser: Initialiser | None = None, key: Key[Array, ""]
) -> Headed:
    """An encoder with a linear head of `ways` classes."""
    return Headed(encoder, Linear(encoder.size, ways, initialiser=initialiser, key=key))
