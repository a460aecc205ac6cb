"""What an agent does on many tasks at once, with all that a policy gradient needs."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..envs import AbstractEnv, advance, begin, Percept


class Rollout(eqx.Module):
    """Steps of many tasks; arrays have leading axes "steps tasks"."""

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
    last_value: Float[Array, "tasks"]  # of what would have come after


def rollout(
    agent: Any, envs: AbstractEnv, steps: int, *, endless: bool, key: Key[Array, ""]
) -> Rollout:
    """Lets an agent act on many tasks. Differentiable in the agent: `log_prob`, `entropy` and `value` of the actions that
    were drawn.

    **Arguments:**

    - `envs`: environments with a leading `tasks` axis; all begin their first trial.
    - `endless`: tasks whose trials are over begin again with the first, knowing what they know.
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
        go = jax.vmap(
            lambda env, world, action, key: advance(env, world, action, endless=endless, key=key)
        )
        new = go(envs, worlds, action, jr.split(world_key, tasks))
        counts = worlds.counts
        worth = jax.vmap(lambda env, state, action, told: env.worth(state, action, told))
        reward = jnp.where(
            counts,
            worth(envs, worlds.state, action, new.percept.feedback).astype(value.dtype),
            jnp.zeros_like(value),
        )
        happened = Rollout(
            worlds.percept,
            action,
            jax.vmap(lambda p, a: p.log_prob(a))(policy, action),
            jax.vmap(lambda p: p.entropy())(policy),
            value,
            jax.vmap(agent.guess)(activity),
            secret,
            reward,
            counts,
            ~worlds.done,
            value,
        )
        return (new, memories), happened

    begin_key, run_key = jr.split(key)
    worlds = jax.vmap(lambda env, key: begin(env, key=key))(envs, jr.split(begin_key, tasks))
    memories = jax.vmap(lambda _: agent.begin())(jnp.arange(tasks))
    (worlds, memories), happened = jax.lax.scan(step, (worlds, memories), jr.split(run_key, steps))
    _, activity = jax.vmap(agent.hear)(memories, worlds.percept)
    secret = jax.vmap(lambda env, state: env.secret(state))(envs, worlds.state)
    last = jnp.where(worlds.done, 0.0, jax.vmap(agent.value)(activity, secret))
    return eqx.tree_at(lambda r: r.last_value, happened, last)


def replay(agent: Any, happened: Rollout) -> Rollout:
    """What another state of the agent would have thought of the same percepts and actions.

    **Returns:** the rollout with `log_prob`, `entropy`, `value` and `guess` of this agent.
    """
    tasks = happened.last_value.shape[0]

    memories = jax.vmap(lambda _: agent.begin())(jnp.arange(tasks))
    _, activity = jax.lax.scan(jax.vmap(agent.hear), memories, happened.percept)

    def think(activity: Array, action: Array, secret: Array) -> tuple[Array, Array, Array, Array]:
        policy = agent.policy(activity)
        return (
            policy.log_prob(action),
            policy.entropy(),
            agent.value(activity, secret),
            agent.guess(activity),
        )

    thought = jax.vmap(jax.vmap(think))(activity, happened.action, happened.secret)
    return eqx.tree_at(lambda r: (r.log_prob, r.entropy, r.value, r.guess), happened, thought)
