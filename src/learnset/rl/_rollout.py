"""Rollouts: the actions of an agent on many tasks at once, with all that a policy gradient
needs."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..envs import AbstractEnv, advance, begin, Percept


class Rollout(eqx.Module):
    """A rollout: the steps of many tasks. Arrays have leading axes "steps tasks"."""

    percept: Percept
    action: Array
    log_prob: Float[Array, "steps tasks"]
    entropy: Float[Array, "steps tasks"]
    value: Float[Array, "steps tasks"]
    guess: Float[Array, "steps tasks secret"]
    secret: Float[Array, "steps tasks secret"]
    reward: Float[Array, "steps tasks"]
    counts: Bool[Array, "steps tasks"]  # whether the action had an effect
    alive: Bool[Array, "steps tasks"]  # whether the task was not over yet
    last_value: Float[Array, "tasks"]  # of the state after the last step


def rollout(
    agent: Any, envs: AbstractEnv, steps: int, *, endless: bool, key: Key[Array, ""]
) -> Rollout:
    """Lets an agent act on many tasks. `log_prob`, `entropy` and `value` of the drawn actions are
    differentiable in the agent.

    **Arguments:**

    - `envs`: environments with a leading `tasks` axis; all begin their first trial.
    - `endless`: whether a task whose trials are over begins again with the first one, while the
      agent keeps its memory.
    """
    tasks = jax.tree.leaves(eqx.filter(envs, eqx.is_array))[0].shape[0]

    def step(both: tuple[Any, Any], key: Key[Array, ""]) -> tuple[tuple[Any, Any], Rollout]:
        worlds, memories = both
        act_key, world_key = jr.split(key)
        memories, activity = jax.vmap(agent.hear)(memories, worlds.percept)
        policy = jax.vmap(agent.policy)(activity)
        # One key for all tasks: their noise is drawn in one call.
        action = jax.lax.stop_gradient(policy.sample(key=act_key))
        secret = jax.vmap(lambda env, state: env.secret(state))(envs, worlds.state)
        value = jax.vmap(agent.value)(activity, secret)
        advanced = jax.vmap(
            lambda env, world, action, key: advance(env, world, action, endless=endless, key=key)
        )
        new = advanced(envs, worlds, action, jr.split(world_key, tasks))
        worth = jax.vmap(lambda env, state, action, feedback: env.worth(state, action, feedback))
        reward = worth(envs, worlds.state, action, new.percept.feedback).astype(value.dtype)
        lived = Rollout(
            percept=worlds.percept,
            action=action,
            log_prob=jax.vmap(lambda p, a: p.log_prob(a))(policy, action),
            entropy=jax.vmap(lambda p: p.entropy())(policy),
            value=value,
            guess=jax.vmap(agent.guess)(activity),
            secret=secret,
            reward=jnp.where(worlds.counts, reward, jnp.zeros_like(value)),
            counts=worlds.counts,
            alive=~worlds.done,
            last_value=value,
        )
        return (new, memories), lived

    begin_key, run_key = jr.split(key)
    worlds = jax.vmap(lambda env, key: begin(env, key=key))(envs, jr.split(begin_key, tasks))
    memories = jax.vmap(lambda _: agent.begin())(jnp.arange(tasks))
    (worlds, memories), lived = jax.lax.scan(step, (worlds, memories), jr.split(run_key, steps))
    _, activity = jax.vmap(agent.hear)(memories, worlds.percept)
    secret = jax.vmap(lambda env, state: env.secret(state))(envs, worlds.state)
    last = jnp.where(worlds.done, 0.0, jax.vmap(agent.value)(activity, secret))
    return eqx.tree_at(lambda r: r.last_value, lived, last)


def replay(agent: Any, lived: Rollout) -> Rollout:
    """The rollout with the `log_prob`, `entropy`, `value` and `guess` of this agent for the same
    percepts and actions."""
    memories = jax.vmap(lambda _: agent.begin())(jnp.arange(lived.last_value.shape[0]))
    _, activity = jax.lax.scan(jax.vmap(agent.hear), memories, lived.percept)

    def judge(activity: Array, action: Array, secret: Array) -> tuple[Array, Array, Array, Array]:
        policy, value = agent.policy(activity), agent.value(activity, secret)
        return policy.log_prob(action), policy.entropy(), value, agent.guess(activity)

    judged = jax.vmap(jax.vmap(judge))(activity, lived.action, lived.secret)
    return eqx.tree_at(lambda r: (r.log_prob, r.entropy, r.value, r.guess), lived, judged)
