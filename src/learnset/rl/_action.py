"""Distributions over actions."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key


class Choice(eqx.Module):
    """A distribution over several actions, given by logits."""

    logits: Float[Array, "actions"]

    def sample(self, *, key: Key[Array, ""]) -> Int[Array, ""]:
        return jr.categorical(key, self.logits)

    def log_prob(self, action: Int[Array, ""]) -> Float[Array, ""]:
        return jax.nn.log_softmax(self.logits)[action]

    def entropy(self) -> Float[Array, ""]:
        logs = jax.nn.log_softmax(self.logits)
        return -(jnp.exp(logs) * logs).sum()


class Gaussian(eqx.Module):
    """A normal distribution over vectors, given by means and logarithms of standard deviations,
    both in units of the limit at which the environment clips actions."""

    mean: Float[Array, "size"]
    spread: Float[Array, "size"]
    limit: float = eqx.field(static=True, default=1.0)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "size"]:
        return self.limit * (self.mean + jnp.exp(self.spread) * jr.normal(key, self.mean.shape))

    def log_prob(self, action: Float[Array, "size"]) -> Float[Array, ""]:
        z = (action / self.limit - self.mean) * jnp.exp(-self.spread)
        logs = -0.5 * z**2 - self.spread - 0.5 * math.log(2 * math.pi) - math.log(self.limit)
        return logs.sum()

    def entropy(self) -> Float[Array, ""]:
        return (self.spread + 0.5 * math.log(2 * math.pi * math.e) + math.log(self.limit)).sum()
