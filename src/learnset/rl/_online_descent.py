"""A policy that takes a step of policy gradient after each trial."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import check_positive, InputError, trainable, Where, whole
from ..envs import AbstractAgent, Feedback, Percept
from ._policy_descent import EVEN


class Trial(eqx.Module):
    """What the gradient of a trial is made of: sums over its steps so far. `fading` and `returns`
    forget by the discount with each step."""

    gradient: PyTree  # of the log-probabilities of the actions
    fading: PyTree  # the same, faded
    credit: PyTree  # of the log-probabilities, each times its return
    steps: Float[Array, ""]
    faded: Float[Array, ""]  # of the ones that `steps` counts
    squares: Float[Array, ""]  # of their squares
    returns: Float[Array, ""]  # of the returns
    total: Float[Array, ""]  # sum of the returns
    total_squared: Float[Array, ""]


class Descending(eqx.Module):
    """The memory: the weights, and the present trial."""

    moving: PyTree
    trial: Trial


class OnlineDescent(AbstractAgent):
    """Online policy descent: an agent whose memory is its weights, which take a step along the
    policy gradient after each trial of a task.

    It is `PolicyDescent` with one trial before each step, within a life: the return from each step
    of the trial on exceeds or falls short of the mean return of the trial, in units of their
    spread. The gradient is summed up from step to step, so that no trial need be kept.

    Source: Williams 1992, *Simple statistical gradient-following algorithms for connectionist
    reinforcement learning*.

    **Arguments:**

    - `policy`: an agent without memory, such as a `ReactiveAgent`. From a new one this is learning
      from scratch, from one that was trained on other tasks it is transfer.
    - `lr`: the step size.
    - `discount`: of rewards, per step.
    - `where`: the part of the policy that moves, as in `equinox.tree_at` (default: everything).

    >>> import jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> policy = ls.rl.ReactiveAgent(problem, width=16, key=jr.key(1))
    >>> ls.envs.live(ls.rl.OnlineDescent(policy, 0.1), problem, key=jr.key(2)).reward.shape
    (12,)
    """

    policy: Any
    lr: float | Float[Array, ""] = 0.1
    discount: float | Float[Array, ""] = 0.99
    where: Where = eqx.field(static=True, default=whole)

    def __check_init__(self):
        check_positive("OnlineDescent", lr=self.lr)
        if jax.tree.leaves(jax.eval_shape(self.policy.begin)):
            raise InputError(
                f"OnlineDescent: a {type(self.policy).__name__} has a memory, and its policy is not"
                " one of single observations. Give it a policy without memory."
            )

    def begin(self) -> Descending:
        moving = trainable(self.policy, self.where)[0]
        return Descending(moving, _new(moving))

    def act(
        self, memory: Descending, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Array, Descending]:
        memory = self._learn(memory, percept.feedback)
        fixed = trainable(self.policy, self.where)[1]

        def policy(moving: PyTree) -> Any:
            agent = eqx.combine(moving, fixed)
            return agent.policy(agent.hear(agent.begin(), percept)[1])

        action = policy(memory.moving).sample(key=key)
        grads = jax.grad(lambda moving: policy(moving).log_prob(action))(memory.moving)
        acted = self._acted(memory.trial, grads)
        # An action after the end of a trial has no effect, and leaves no trace.
        trial = _where(percept.feedback.over, memory.trial, acted)
        return action, Descending(memory.moving, trial)

    def _learn(self, memory: Descending, feedback: Feedback) -> Descending:
        """The memory after the outcome of the last action, with new weights if it ended a trial."""
        trial, reward = memory.trial, feedback.reward
        credit = jax.tree.map(lambda c, f: c + reward * f, trial.credit, trial.fading)
        total = trial.total + reward * trial.faded
        squared = trial.total_squared + reward * (2 * trial.returns + reward * trial.squares)
        trial = eqx.tree_at(
            lambda t: (t.credit, t.total, t.total_squared, t.returns),
            trial,
            (credit, total, squared, trial.returns + reward * trial.squares),
        )
        steps = jnp.maximum(trial.steps, 1)
        mean = total / steps
        spread = (1 + EVEN) * jnp.sqrt(jnp.maximum(squared / steps - mean**2, 0)) + 1e-8
        rate = jnp.where(feedback.over, self.lr / (steps * spread), 0)
        moving = jax.tree.map(
            lambda m, c, g: m + rate * (c - mean * g), memory.moving, credit, trial.gradient
        )
        return Descending(moving, _where(feedback.over, _new(moving), trial))

    def _acted(self, trial: Trial, grads: PyTree) -> Trial:
        """The trial with one more action."""
        discount = self.discount
        return Trial(
            jax.tree.map(jnp.add, trial.gradient, grads),
            jax.tree.map(lambda f, g: discount * f + g, trial.fading, grads),
            trial.credit,
            trial.steps + 1,
            discount * trial.faded + 1,
            discount**2 * trial.squares + 1,
            discount * trial.returns,
            trial.total,
            trial.total_squared,
        )


def _new(moving: PyTree) -> Trial:
    """A trial before its first action."""
    nothing, zero = jax.tree.map(jnp.zeros_like, moving), jnp.zeros(())
    return Trial(nothing, nothing, nothing, zero, zero, zero, zero, zero, zero)


def _where(condition: Array, one: PyTree, other: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)
