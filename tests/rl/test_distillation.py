"""Algorithm distillation: what is watched, and what is learnt by it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import learnset as ls
from learnset.envs.bandits import Bandits

KEY = jr.key(0)
PULLS = 6
SURE = Bandits(correlated=True, low=0.0, pulls=PULLS)  # one arm pays always, the other never
TEACHER = ls.rl.Greedy(2)
METHOD = ls.rl.AlgorithmDistillation(TEACHER, horizon=PULLS)


@eqx.filter_jit
def lives(agent, envs):
    return jax.vmap(lambda env, key: ls.envs.live(agent, env, key=key))(envs, jr.split(KEY, 200))


@pytest.fixture(scope="module")
def student():
    return ls.rl.RecurrentAgent(SURE.sample(ls.Split.TRAIN, key=KEY), width=16, key=KEY)


def test_what_is_watched_are_lives_of_the_teacher(student):
    """A student that holds all arms equally likely loses the logarithm of their number."""
    undecided = eqx.tree_at(lambda s: s.actor, student, jax.tree.map(jnp.zeros_like, student.actor))
    bandits = SURE.draw(200, ls.Split.TRAIN, key=KEY)
    gradient = eqx.filter_jit(METHOD.gradient)(undecided, bandits, None, key=KEY)
    assert np.isclose(gradient[2]["loss"], np.log(2))
    paid = lives(TEACHER, bandits).reward.sum(axis=1).mean()
    assert np.isclose(gradient[2]["reward"], paid)


@pytest.mark.slow
def test_a_student_learns_from_rewards_that_it_was_never_trained_on(student):
    """Greedy loses one pull on half of these bandits. Without rewards there is nothing to know."""
    options = {"steps": 200, "tasks_per_step": 32, "key": KEY, "progress": False}
    trained = ls.train(METHOD, student, SURE, optax.adam(1e-2), **options).model
    bandits = SURE.draw(200, ls.Split.TEST, key=KEY)
    blind = eqx.tree_at(lambda s: s.senses_reward, trained, False)
    rewards = [lives(agent, bandits).reward.sum(axis=1).mean() for agent in (trained, blind)]
    assert rewards[0] > PULLS - 0.8
    assert abs(rewards[1] - PULLS / 2) < 0.8


def test_a_horizon_of_zero_is_refused():
    with pytest.raises(ls.InputError, match="horizon=0"):
        ls.rl.AlgorithmDistillation(TEACHER, horizon=0)
