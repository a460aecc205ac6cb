"""The life of an agent in an environment, through all trials of a task."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from ._base import AbstractEnv, EnvState, Feedback, feedback, Observation

Memory = Any  # what an agent remembers


class Percept(eqx.Module):
    """The input of an agent before it acts: what it senses now, and the feedback of its last
    action.

    The last observation of a trial comes with the reward of the trial and with `feedback.over`; the
    agent's action then has no effect. The next percept is the first one of the next trial: it is
    marked `first`, and has no reward.
    """

    observation: Observation
    action: Array  # the last one; zero when a trial begins
    feedback: Feedback  # of the last action
    first: Bool[Array, ""]  # whether a trial begins


class AbstractAgent(eqx.Module):
    """An agent: how it remembers and how it decides. Everything that it learns goes into its
    memory.

    Your own agents are subclasses with `begin` and `act`, as are the rules, recurrent networks and
    actor-critics here.
    """

    @abc.abstractmethod
    def begin(self) -> Memory:
        """The memory before a task. It persists from trial to trial of the task."""

    @abc.abstractmethod
    def act(self, memory: Memory, percept: Percept, *, key: Key[Array, ""]) -> tuple[Array, Memory]:
        """The action, and the new memory."""


class World(eqx.Module):
    """An environment in the course of the trials of a task."""

    state: EnvState
    percept: Percept
    trial: Int[Array, ""]
    done: Bool[Array, ""]  # all trials are over

    @property
    def counts(self) -> Bool[Array, ""]:
        """Whether the next action has an effect."""
        return ~self.percept.feedback.over & ~self.done


def begin(env: AbstractEnv, *, key: Key[Array, ""]) -> World:
    """The world at the first percept of the first trial."""
    state = env.reset(0, key=key)
    size = getattr(env.actions, "limit", None) and (env.actions.size,)
    action = jnp.zeros(size) if size else jnp.asarray(0)
    percept = Percept(env.observe(state), action, feedback(0.0, False, False), jnp.asarray(True))
    return World(state, percept, jnp.asarray(0), jnp.asarray(False))


def advance(
    env: AbstractEnv, world: World, action: Array, *, endless: bool = False, key: Key[Array, ""]
) -> World:
    """The world after an action: one step of the trial or, if it was over, the beginning of the
    next.

    **Arguments:**

    - `endless`: after the last trial of the task, its trials begin again with the first one
      (default: nothing more happens).
    """
    over = world.percept.feedback.over
    trial = world.trial + over.astype(int)
    done = jnp.asarray(False) if endless else world.done | (trial >= env.trials)
    stepped, outcome = env.step(world.state, action, key=key)
    # An action between two trials leaves no trace, or an agent without memory could use it to leave
    # itself a note.
    action = _where(over, jnp.zeros_like(action), action)
    state = _where(over, env.reset(trial % env.trials, key=key), stepped)
    outcome = _where(over, feedback(jnp.zeros_like(outcome.reward), False, False), outcome)
    new = World(state, Percept(env.observe(state), action, outcome, over), trial, done)
    return new if endless else _where(done, eqx.tree_at(lambda w: w.done, world, done), new)


def _where(condition: Bool[Array, ""], one: Any, other: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


class Life(eqx.Module):
    """The record of an agent's life, step by step; arrays have a leading `steps` axis.

    `before` and `after` are the states of the environment around each step. `counts` is false for
    the steps between two trials and after the last one, which have no effect.
    """

    before: EnvState
    after: EnvState
    action: Array
    reward: Float[Array, "steps"]
    over: Bool[Array, "steps"]  # the trial was over after this step
    found: Bool[Array, "steps"]  # and was terminated, not truncated
    trial: Int[Array, "steps"]
    counts: Bool[Array, "steps"]


def live(
    agent: AbstractAgent, env: AbstractEnv, *, key: Key[Array, ""], steps: int | None = None
) -> Life:
    """Takes an agent through all trials of one task. For many tasks, `jax.vmap` it over
    environments and keys.

    **Arguments:**

    - `steps`: the number of steps (default: enough for all trials at their full length).

    **Returns:** a `Life` of `steps` steps.

    This agent is right in every trial after the first:

    >>> import jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> life = ls.envs.live(ls.rl.WinStayLoseShift(), problem, key=jr.key(1))
    >>> int(life.counts.sum()), bool((life.reward[life.counts][1:] == 1).all())
    (6, True)
    """
    return live_on(agent, agent.begin(), env, key=key, steps=steps)[0]


def live_on(
    agent: AbstractAgent,
    memory: Memory,
    env: AbstractEnv,
    *,
    key: Key[Array, ""],
    steps: int | None = None,
) -> tuple[Life, Memory]:
    """`live` for an agent that already has a memory of earlier tasks.

    **Returns:** a `Life`, and the memory after it.
    """
    length = env.trials * (env.trial_steps + 1) if steps is None else steps
    start_key, steps_key = jr.split(key)

    def step(both: tuple[World, Memory], key: Key[Array, ""]) -> tuple[tuple[World, Memory], Life]:
        world, memory = both
        act_key, world_key = jr.split(key)
        action, memory = agent.act(memory, world.percept, key=act_key)
        new = advance(env, world, action, key=world_key)
        outcome, counts = new.percept.feedback, world.counts
        record = Life(
            before=world.state,
            after=new.state,
            action=action,
            reward=jnp.where(counts, outcome.reward, jnp.zeros_like(outcome.reward)),
            over=counts & outcome.over,
            found=counts & outcome.terminated,
            trial=world.trial,
            counts=counts,
        )
        return (new, memory), record

    world = begin(env, key=start_key)
    (_, memory), life = jax.lax.scan(step, (world, memory), jr.split(steps_key, length))
    return life, memory
