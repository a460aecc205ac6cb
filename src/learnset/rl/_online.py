"""A network that learns by its own weights while it acts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from ..envs import AbstractAgent, Percept


class Weights(eqx.Module):
    """Memory of an agent that learns by its weights."""

    network: PyTree  # its arrays
    trace: PyTree  # the gradient of the logarithm of the probability of what was done in this trial


class OnlineReinforce(AbstractAgent):
    """A feed-forward policy without memory, whose weights take a step of policy gradient after each trial: slow learning.
    From a network that knows nothing it is learning from scratch; from one that has learnt earlier tasks, transfer.

    Source: Williams 1992, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*.

    **Arguments:**

    - `network`: from an observation to logits of actions.
    - `lr`: step size. The sum of a trial's rewards is what the gradient is multiplied by.

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
        told = percept.feedback
        rate = self.lr * told.reward
        network = jax.tree.map(lambda w, g: w + rate * g, memory.network, memory.trace)
        fixed = eqx.filter(self.network, eqx.is_inexact_array, inverse=True)

        def log_probs(network: PyTree) -> Float[Array, "actions"]:
            return jax.nn.log_softmax(eqx.combine(network, fixed)(percept.observation))

        action = jr.categorical(key, log_probs(network))
        grads = jax.grad(lambda network: log_probs(network)[action])(network)
        # What is done when a trial is over has no effect, and leaves no trace.
        trace = jax.tree.map(
            lambda old, new: jnp.where(told.over, 0.0, jnp.where(percept.first, new, old + new)),
            memory.trace,
            grads,
        )
        return action, Weights(network, trace)
