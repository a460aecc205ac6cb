"""A network that reads the support set and answers for any input."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import Batch, point_weight, present, weight_of_points
from ._mlp import MLP


class ConditionalNeuralProcess(eqx.Module):
    """Conditional neural process: encodes each support point, averages the codes, and decodes the
    average together with an input.

    It is the model of `learnset.CNP`: `condition(support)` gives the predictor of a task, in one
    pass without steps.

    Source: Garnelo et al. 2018, *Conditional Neural Processes*, §2.2 and §4.1, where the standard
    deviation is `0.1 + 0.9 softplus`.
    """

    encoder: MLP
    decoder: MLP

    def __init__(
        self, in_size: int, out_size: int, *, width: int = 64, depth: int = 2, key: Key[Array, ""]
    ):
        encoder_key, decoder_key = jr.split(key)
        self.encoder = MLP(in_size + out_size, width, width=width, depth=depth, key=encoder_key)
        self.decoder = MLP(in_size + width, 2 * out_size, width=width, depth=depth, key=decoder_key)

    def condition(self, support: Batch) -> "Conditioned":
        """The predictor for one task; points of weight zero do not influence it."""
        weight = weight_of_points(support.weight)
        y = present(support.y, point_weight(support))
        codes = jax.vmap(self.encoder)(jnp.concatenate([support.x, y], axis=1))
        return Conditioned(self.decoder, weight @ codes / jnp.maximum(weight.sum(), 1))


class Conditioned(eqx.Module):
    """The predictor of a conditional neural process: a decoder with the code of one task. It
    predicts the mean, and a Gaussian by `gaussian`."""

    decoder: MLP
    code: Float[Array, "width"]

    def gaussian(self, x: Float[Array, "in"]) -> tuple[Float[Array, "out"], Float[Array, "out"]]:
        """Mean and standard deviation of the prediction, in units of `y`."""
        mean, raw = jnp.split(self.decoder(jnp.concatenate([x, self.code])), 2)
        return mean, 0.1 + 0.9 * jax.nn.softplus(raw)

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.gaussian(x)[0]
