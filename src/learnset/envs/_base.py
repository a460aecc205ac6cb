"""What an environment can do, and a distribution over environments."""

import abc
from typing import Any, TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ..tasks import AbstractDistribution

if TYPE_CHECKING:
    from typing import (
        ClassVar as AbstractVar,  # type checkers take an AbstractVar for the first argument
    )
else:
    from equinox import AbstractVar

EnvState = Any  # what an environment remembers within one trial
Observation = Float[Array, "observation"]


class Discrete(eqx.Module):
    """Actions 0 to `size - 1`."""

    size: int = eqx.field(static=True)


class Continuous(eqx.Module):
    """Actions that are vectors of `size` numbers from `-limit` to `limit`; what is further out is clipped."""

    size: int = eqx.field(static=True)
    limit: float = eqx.field(static=True, default=1.0)


class Feedback(eqx.Module):
    """What a step led to.

    `terminated` says that the trial has come to its end, `truncated` that it was cut by a time limit: a value estimate
    looks beyond the second, never beyond the first.
    """

    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]

    @property
    def over(self) -> Bool[Array, ""]:
        """Whether the trial is over, for either reason."""
        return self.terminated | self.truncated


class AbstractEnv(eqx.Module):
    """One task: its fields are what an agent has to find out. Many tasks are one module whose arrays have a leading
    axis, for `jax.vmap`.

    A task has `trials`, in each of which the agent acts until the trial is over: `reset`, then `step` after `step`.
    Nothing is reset inside of `step`. An agent that learns to learn keeps its memory from trial to trial.
    """

    trials: AbstractVar[int]  # trials that one task has
    trial_steps: AbstractVar[int]  # steps after which a trial is over at the latest

    @property
    @abc.abstractmethod
    def actions(self) -> Discrete | Continuous:
        """What an agent may do."""

    @abc.abstractmethod
    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> EnvState:
        """The beginning of trial number `trial`, counted from zero."""

    @abc.abstractmethod
    def step(
        self, state: EnvState, action: Array, *, key: Key[Array, ""]
    ) -> tuple[EnvState, Feedback]:
        """What follows from an action: the next state, and its feedback."""

    @abc.abstractmethod
    def observe(self, state: EnvState) -> Observation:
        """What an agent senses, as one vector of about unit size."""

    def secret(self, state: EnvState) -> Float[Array, "secret"]:
        """What an agent cannot observe, but a critic may be told in training. Nothing, unless an environment says so."""
        return jnp.zeros(0)

    def worth(self, state: EnvState, action: Array, feedback: Feedback) -> Float[Array, ""]:
        """What the step is worth to a learner in training: its reward; or, where an environment says so, the reward that
        was to be expected, from which chance is taken out. Agents sense the reward that they got."""
        del state, action
        return feedback.reward

    @property
    def observation_size(self) -> int:
        """Length of an observation."""
        state = jax.eval_shape(lambda: self.observe(self.reset(0, key=jax.random.key(0))))
        return state.shape[0]


class AbstractEnvs(AbstractDistribution):
    """A distribution over environments of one kind: `sample` draws one task, `draw` many.

    >>> import jax.random as jr, learnset as ls
    >>> days = ls.envs.MatchingToPlace()
    >>> days.draw(5, ls.Split.TRAIN, key=jr.key(0)).platforms.shape  # tasks, trials, metres
    (5, 4, 2)
    """


def feedback(reward: Array | float, terminated: Array | bool, truncated: Array | bool) -> Feedback:
    """An `Feedback` of arrays."""
    return Feedback(
        jnp.asarray(reward, jnp.result_type(float)), jnp.asarray(terminated), jnp.asarray(truncated)
    )
