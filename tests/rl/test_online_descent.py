"""A policy that takes a step of policy gradient after each trial."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.envs._live import advance, begin, live_on
from learnset.rl import OnlineDescent, PolicyDescent, ReactiveAgent, RecurrentAgent, Rollout

POOL = ls.envs.Pool(cells=7, time_limit=20.0, platform_radius=0.5)
MAZE = ls.envs.MatchingToPlace(POOL).sample(ls.Split.TEST, key=jr.key(3))
POLICY = ReactiveAgent(MAZE, width=6, depth=1, key=jr.key(1))
LR, DISCOUNT = 0.5, 0.9


@eqx.filter_jit
def lived(policy, env, key):
    agent = OnlineDescent(policy, LR, DISCOUNT)
    return live_on(agent, agent.begin(), env, key=key)


@jax.jit
def percepts(actions, key):
    """What these actions came from in a life with this key, as a rollout of one episode has it."""
    begin_key, steps_key = jr.split(key)

    def step(world, given):
        action, key = given
        return advance(MAZE, world, action, key=jr.split(key)[1]), world.percept

    given = (actions, jr.split(steps_key, len(actions)))
    seen = jax.lax.scan(step, begin(MAZE, key=begin_key), given)[1]
    return jax.tree.map(lambda leaf: leaf[:, None], seen)


def trials(life, key):
    """The rollout of each trial of a life."""
    percept = percepts(life.action, key)
    none = jnp.zeros((len(life.action), 1))
    for trial in range(MAZE.trials):
        inside = (life.counts & (life.trial == trial))[:, None]
        reward = jnp.where(inside, life.reward[:, None], 0)
        rest = (none, none, none, none[..., None], none[..., None], reward, inside, inside)
        yield Rollout(percept, life.action[:, None], *rest, jnp.zeros(1))


@pytest.mark.slow
def test_after_each_trial_the_weights_are_those_of_policy_descent_on_it():
    """With one episode, and a baseline that is a constant."""
    key = jr.key(11)
    life, memory = lived(POLICY, MAZE, key)
    assert life.reward.sum() == 4  # the platform was found in each trial, early or late
    policy = POLICY
    descent = PolicyDescent(len(life.action), LR, 1, 1, discount=DISCOUNT, penalty=1e6)
    for rollout in trials(life, key):
        grads = eqx.filter_grad(descent.loss)(policy, rollout)
        policy = eqx.apply_updates(policy, jax.tree.map(lambda g: -LR * g, grads))
    expected = eqx.filter(policy, eqx.is_inexact_array)
    assert_close(memory.moving, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(memory.moving.actor.layers[0].weight, POLICY.actor.layers[0].weight)


@pytest.mark.slow
def test_a_step_after_a_trial_changes_the_trials_after_it_alone():
    mazes = ls.envs.MatchingToPlace(POOL).draw(6, ls.Split.TEST, key=jr.key(0))

    @eqx.filter_jit
    def lives(lr):
        agent = OnlineDescent(POLICY, lr, DISCOUNT)
        return jax.vmap(lambda env, key: ls.envs.live(agent, env, key=key))(
            mazes, jr.split(jr.key(2), 6)
        )

    small, large = lives(jnp.asarray(1e-6)), lives(jnp.asarray(10.0))
    same = np.asarray((small.action == large.action) | ~small.counts)
    assert same[np.asarray(small.trial == 0)].all() and not same.all()


def test_only_the_part_that_is_named_moves():
    agent = OnlineDescent(POLICY, LR, DISCOUNT, where=lambda policy: policy.actor)
    memory = eqx.filter_jit(live_on)(agent, agent.begin(), MAZE, key=jr.key(0))[1]
    assert len(jax.tree.leaves(memory.moving)) == len(
        jax.tree.leaves(eqx.filter(POLICY.actor, eqx.is_inexact_array))
    )
    whole = lived(POLICY, MAZE, jr.key(0))[1].moving.actor
    assert_close(memory.moving.actor, whole, rtol=1e-5, atol=1e-6)


def test_a_policy_with_a_memory_and_a_step_size_of_zero_are_refused():
    with pytest.raises(ls.InputError, match="RecurrentAgent has a memory"):
        OnlineDescent(RecurrentAgent(MAZE, width=4, key=jr.key(0)))
    with pytest.raises(ls.InputError, match="lr=0"):
        OnlineDescent(POLICY, 0.0)
