"""A network that changes its weights while it acts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from ..envs import AbstractAgent, Percept


class Weights(eqx.Module):
    """The memory of an agent that learns by its weights."""

    network: PyTree  # its arrays
    trace: PyTree  # the gradient of the log-probability of the actions in this trial


class OnlineReinforce(AbstractAgent):
    """REINFORCE online: a feed-forward policy without memory whose weights take a step of policy
    gradient after each trial, which is slow learning.

    From a new network it is learning from scratch; from one that has learnt earlier tasks,
    transfer.

    Source: Williams 1992, *Simple statistical gradient-following algorithms for connectionist
    reinforcement learning*.

    **Arguments:**

    - `network`: maps an observation to logits of actions.
    - `lr`: the step size. The gradient is multiplied by the sum of the rewards of a trial.

    >>> import equinox as eqx, jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> network = eqx.nn.MLP(problem.observation_size, 2, 32, 1, key=jr.key(1))
    >>> ls.envs.live(ls.rl.OnlineReinforce(network, 0.1), problem, key=jr.key(2)).reward.shape
    (12,)
    """

    network: eqx.Module
    lr: float | Float[Array, ""] = 0.1

    def begin(self) -> Weights:
        arrays = eqx.filter(self.network, eqx.is_inexact_array)
        return Weights(arrays, jax.tree.map(jnp.zeros_like, arrays))

    def act(
        self, memory: Weights, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], Weights]:
        rate = self.lr * percept.feedback.reward
        network = jax.tree.map(lambda w, g: w + rate * g, memory.network, memory.trace)
        fixed = eqx.filter(self.network, eqx.is_inexact_array, inverse=True)

        def log_probs(network: PyTree) -> Float[Array, "actions"]:
            return jax.nn.log_softmax(eqx.combine(network, fixed)(percept.observation))

        action = jr.categorical(key, log_probs(network))
        grads = jax.grad(lambda network: log_probs(network)[action])(network)

        def traced(old: Array, new: Array) -> Array:
            # An action after the end of a trial has no effect, and leaves no trace.
            summed = jnp.where(percept.first, new, old + new)
            return jnp.where(percept.feedback.over, 0.0, summed)

        return action, Weights(network, jax.tree.map(traced, memory.trace, grads))
