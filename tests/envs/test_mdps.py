"""Tabular decision processes: episodes, transitions and rewards."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

import learnset as ls
from learnset.envs.mdps import TabularMDP, TabularMDPs, Visit

TEST = ls.Split.TEST


def test_a_deterministic_circle_is_followed():
    circle = jnp.roll(jnp.eye(3), 1, axis=1)[:, None]  # from each state to the next one
    mdp = TabularMDP(circle, jnp.array([[1.0], [2.0], [3.0]]), noise=0.0, trials=2, trial_steps=4)
    life = ls.envs.live(ls.rl.AtRandom(1), mdp, key=jr.key(0))
    assert life.reward.tolist() == [1.0, 2.0, 3.0, 1.0, 0.0] * 2
    assert life.before.state[life.counts].tolist() == [0, 1, 2, 0] * 2
    assert life.over.tolist() == life.found.tolist() == [False, False, False, True, False] * 2


def test_next_states_and_rewards_have_their_probabilities():
    mdp, num = TabularMDPs(states=6).sample(TEST, key=jr.key(0)), 4000
    start, action = Visit(jnp.asarray(2), jnp.asarray(0)), jnp.asarray(3)
    step = jax.jit(jax.vmap(lambda key: mdp.step(start, action, key=key)))
    state, feedback = step(jr.split(jr.key(1), num))
    chances = mdp.transitions[2, 3]
    frequency = (state.state[:, None] == jnp.arange(6)[None]).astype(chances.dtype).mean(axis=0)
    assert (abs(frequency - chances) < 4 * jnp.sqrt(chances * (1 - chances) / num)).all()
    assert abs(feedback.reward.mean() - mdp.rewards[2, 3]) < 4 / num**0.5
    assert abs(feedback.reward.std() - 1) < 0.05
    correlation = jnp.corrcoef(feedback.reward, state.state.astype(chances.dtype))[0, 1]
    assert abs(correlation) < 4 / num**0.5


def test_the_last_state_is_reached_even_if_probabilities_add_up_to_less_than_one():
    short = jnp.full((2, 1, 2), jnp.array([0.0, 0.5]))
    mdp = TabularMDP(short, jnp.zeros((2, 1)))
    state, _ = mdp.step(mdp.reset(0, key=jr.key(0)), jnp.asarray(0), key=jr.key(0))
    assert int(state.state) == 1


def test_processes_are_drawn_from_a_flat_dirichlet_and_a_normal_distribution():
    drawn = TabularMDPs().draw(200, TEST, key=jr.key(0))
    assert jnp.allclose(drawn.transitions.sum(axis=-1), 1.0, atol=1e-5)
    # The variance of one share of ten in a flat Dirichlet distribution.
    assert abs(drawn.transitions.var() - 0.1 * 0.9 / 11) < 2e-4
    assert abs(drawn.rewards.mean() - 1) < 4 / 10_000**0.5
    assert abs(drawn.rewards.std() - 1) < 0.03


def test_random_actions_get_one_per_step_as_published():
    """Table 2 of RL² has 100.1 for ten episodes of ten steps."""
    processes, num = TabularMDPs(), 1000
    tasks, keys = processes.draw(num, TEST, key=jr.key(0)), jr.split(jr.key(1), num)
    total = jax.jit(
        jax.vmap(lambda mdp, key: ls.envs.live(ls.rl.AtRandom(5), mdp, key=key).reward.sum())
    )(tasks, keys)
    spread = total.std() / num**0.5
    assert abs(total.mean() - 100) < 3 * spread
    assert abs(total.mean() - 100.1) < 3 * 2**0.5 * spread + 0.05


def test_an_observation_is_the_state():
    mdp = TabularMDPs(states=4).sample(TEST, key=jr.key(0))
    assert mdp.observation_size == 4
    assert mdp.observe(Visit(jnp.asarray(2), jnp.asarray(1))).tolist() == [0.0, 0.0, 1.0, 0.0]
    assert mdp.actions == ls.envs.Discrete(5)


@pytest.mark.parametrize(
    "bad", ({"states": 0}, {"actions": 0}, {"trials": 0}, {"noise": -1.0}), ids=str
)
def test_an_error_names_the_argument_and_its_value(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"`{name}={value}`"):
        TabularMDPs(**bad)
