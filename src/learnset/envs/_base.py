"""Environments, and distributions over environments."""

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
    """Actions that are vectors of `size` numbers, clipped to the range from `-limit` to `limit`."""

    size: int = eqx.field(static=True)
    limit: float = eqx.field(static=True, default=1.0)


class Feedback(eqx.Module):
    """The outcome of a step.

    `terminated` means that the trial has reached its end, `truncated` that a time limit cut it off:
    a value estimate looks beyond a truncation, but never beyond a termination.
    """

    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]

    @property
    def over(self) -> Bool[Array, ""]:
        """Whether the trial is over, for either reason."""
        return self.terminated | self.truncated


class AbstractEnv(eqx.Module):
    """An environment: one task, whose fields are what an agent has to find out. Many tasks are one
    module whose arrays have a leading axis, for `jax.vmap`.

    A task has several `trials`. In each of them the agent acts until the trial is over: `reset`,
    then `step` after `step`; `step` never resets. An agent that learns to learn keeps its memory
    from trial to trial.
    """

    trials: AbstractVar[int]  # the number of trials of one task
    trial_steps: AbstractVar[int]  # the largest number of steps of a trial

    @property
    @abc.abstractmethod
    def actions(self) -> Discrete | Continuous:
        """The actions that an agent may take."""

    @abc.abstractmethod
    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> EnvState:
        """The beginning of trial number `trial`, counted from zero."""

    @abc.abstractmethod
    def step(
        self, state: EnvState, action: Array, *, key: Key[Array, ""]
    ) -> tuple[EnvState, Feedback]:
        """The effect of an action: the next state, and the feedback."""

    @abc.abstractmethod
    def observe(self, state: EnvState) -> Observation:
        """The observation of an agent, as one vector of about unit size."""

    def secret(self, state: EnvState) -> Float[Array, "secret"]:
        """The hidden part of the state, which an agent cannot observe, but which a critic may see
        in training (default: none)."""
        return jnp.zeros(0)

    def worth(self, state: EnvState, action: Array, feedback: Feedback) -> Float[Array, ""]:
        """The value of a step to a learner in training: its reward (default), or the expected
        reward, from which chance is removed. Agents sense the actual reward."""
        del state, action
        return feedback.reward

    @property
    def observation_size(self) -> int:
        """The length of an observation."""
        state = jax.eval_shape(lambda: self.observe(self.reset(0, key=jax.random.key(0))))
        return state.shape[0]


class AbstractWrapper(AbstractEnv):
    """An environment that changes another one, `env`. A subclass overrides what it changes.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> class Blind(ls.envs.AbstractWrapper):
    ...     env: ls.envs.AbstractEnv
    ...     def observe(self, state):
    ...         return jnp.zeros_like(self.env.observe(state))
    >>> blind = Blind(ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0)))
    >>> blind.trials, bool(blind.observe(blind.reset(0, key=jr.key(1))).any())
    (6, False)
    """

    env: AbstractVar[AbstractEnv]

    @property
    def trials(self) -> int:
        return self.env.trials

    @property
    def trial_steps(self) -> int:
        return self.env.trial_steps

    @property
    def actions(self) -> Discrete | Continuous:
        return self.env.actions

    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> EnvState:
        return self.env.reset(trial, key=key)

    def step(
        self, state: EnvState, action: Array, *, key: Key[Array, ""]
    ) -> tuple[EnvState, Feedback]:
        return self.env.step(state, action, key=key)

    def observe(self, state: EnvState) -> Observation:
        return self.env.observe(state)

    def secret(self, state: EnvState) -> Float[Array, "secret"]:
        return self.env.secret(state)

    def worth(self, state: EnvState, action: Array, feedback: Feedback) -> Float[Array, ""]:
        return self.env.worth(state, action, feedback)


class AbstractEnvs(AbstractDistribution):
    """A distribution over environments of one kind: `sample` draws one task, `draw` draws many.

    >>> import jax.random as jr, learnset as ls
    >>> days = ls.envs.MatchingToPlace()
    >>> days.draw(5, ls.Split.TRAIN, key=jr.key(0)).platforms.shape  # tasks, trials, metres
    (5, 4, 2)
    """


def feedback(reward: Array | float, terminated: Array | bool, truncated: Array | bool) -> Feedback:
    """A `Feedback` of arrays."""
    reward = jnp.asarray(reward, jnp.result_type(float))
    return Feedback(reward, jnp.asarray(terminated), jnp.asarray(truncated))
