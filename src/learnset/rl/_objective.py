"""The objective of an actor-critic: advantages, and the weights of critic and entropy."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..core import check_not_negative, check_positive, InputError
from ._advantage import advantages
from ._rollout import Rollout


class Objective(eqx.Module):
    """The objective of `A2C` and `PPO`: how advantages are estimated, and what the critic's errors
    and the entropy of the policy weigh.

    Rewards of later trials count for what was done in earlier ones, because memory is part of the
    agent.

    **Arguments:**

    - `discount` and `decay`: of generalised advantages, per step (across the ends of trials).
    - `entropy` to `entropy_end`: the weight of the policy's entropy, which changes over the first
      `anneal` training steps.
    - `value_cost`: the weight of the critic's squared error; `guess_cost`: that of guesses of what
      is hidden (`AbstractEnv.secret`).
    """

    discount: float | Float[Array, ""] = 0.95
    decay: float | Float[Array, ""] = 0.95
    entropy: float | Float[Array, ""] = 0.05
    entropy_end: float | Float[Array, ""] = 0.0
    anneal: int = eqx.field(static=True, default=1000)
    value_cost: float | Float[Array, ""] = 0.5
    guess_cost: float | Float[Array, ""] = 0.0

    def __check_init__(self):
        check_positive("Objective", anneal=self.anneal)
        for name in ("entropy", "entropy_end", "value_cost", "guess_cost"):
            check_not_negative("Objective", **{name: getattr(self, name)})
        for name in ("discount", "decay"):
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not 0 <= value <= 1:
                raise InputError(f"Objective: `{name}={value}`, but it must be from 0 to 1.")

    def targets(
        self, rollout: Rollout
    ) -> tuple[Float[Array, "steps tasks"], Float[Array, "steps tasks"]]:
        """Advantages with mean zero and unit spread, and returns."""
        alive = rollout.alive.astype(rollout.value.dtype)

        def one(reward: Array, value: Array, last: Array, alive: Array) -> Array:
            return advantages(reward, value, last, alive, discount=self.discount, decay=self.decay)

        gained = jax.vmap(one, in_axes=(1, 1, 0, 1), out_axes=1)(
            rollout.reward, rollout.value, rollout.last_value, alive
        )
        counts = rollout.counts
        centre, spread = gained.mean(where=counts), gained.std(where=counts)
        return (gained - centre) / (spread + 1e-8), gained + rollout.value

    def costs(
        self, rollout: Rollout, returns: Float[Array, "steps tasks"], step: Int[Array, ""]
    ) -> Float[Array, ""]:
        """The part of the loss that is not the policy's: errors of critic and guesses, less
        entropy."""
        # In units of the variance of returns: the scale of rewards must not decide what the critic
        # weighs.
        spread = returns.var(where=rollout.alive) + 1e-8
        critic = mean((rollout.value - returns) ** 2 / spread, rollout.alive)
        guesses = mean(((rollout.guess - rollout.secret) ** 2).sum(axis=-1), rollout.alive)
        loss = self.value_cost * critic + self.guess_cost * guesses
        return loss - self.entropy_weight(step) * mean(rollout.entropy, rollout.counts)

    def entropy_weight(self, step: Int[Array, ""]) -> Array:
        """The weight of entropy at a training step."""
        done = jnp.minimum(step.astype(float) / self.anneal, 1.0)
        return self.entropy + (self.entropy_end - self.entropy) * done


def mean(
    values: Float[Array, "steps tasks"], counts: Bool[Array, "steps tasks"]
) -> Float[Array, ""]:
    """The mean over the steps that count."""
    return jnp.where(counts, values, 0.0).sum() / jnp.maximum(counts.sum(dtype=values.dtype), 1)
