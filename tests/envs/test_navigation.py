"""Point navigation: movement, rewards and ends."""

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax.numpy as jnp
import jax.random as jr
import pytest

import learnset as ls
from learnset.envs.navigation import Navigation, Point, PointNavigation

TEST = ls.Split.TEST
PAIR = st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)).map(jnp.array)


class Heads(ls.envs.AbstractAgent):
    """Always the same velocity."""

    velocity: jnp.ndarray

    def begin(self):
        return None

    def act(self, memory, percept, *, key):
        return self.velocity, None


step = eqx.filter_jit(lambda env, state, action: env.step(state, action, key=jr.key(0)))


def at(position):
    return Point(jnp.asarray(position), jnp.asarray(0))


def test_an_agent_that_heads_for_the_goal_reaches_it_after_five_steps():
    plane = PointNavigation(jnp.array([0.5, 0.0]))
    life = ls.envs.live(Heads(jnp.array([0.1, 0.0])), plane, key=jr.key(0))
    assert int(life.counts.sum()) == 5
    assert jnp.allclose(life.reward[:5], -jnp.array([0.16, 0.09, 0.04, 0.01, 0.0]), atol=1e-6)
    assert life.found[4] and life.over[4]


def test_an_agent_that_stays_is_truncated_after_a_hundred_steps():
    life = ls.envs.live(Heads(jnp.zeros(2)), PointNavigation(jnp.array([0.3, 0.4])), key=jr.key(0))
    assert int(life.counts.sum()) == 100
    assert life.over[99] and not life.found.any()
    assert jnp.allclose(life.reward.sum(), -25.0, rtol=1e-5)


@hypothesis.given(PAIR, PAIR, PAIR)
@hypothesis.settings(deadline=None, max_examples=50)
def test_no_step_is_longer_than_a_tenth_along_an_axis(goal, position, action):
    state, _ = step(PointNavigation(goal), at(position), action)
    assert (abs(state.position - position) <= 0.1 + 1e-6).all()
    assert jnp.allclose(state.position - position, jnp.clip(action, -0.1, 0.1), atol=1e-6)


@hypothesis.given(PAIR, PAIR, PAIR)
@hypothesis.settings(deadline=None, max_examples=50)
def test_turning_the_plane_turns_the_path(goal, position, action):
    def turned(pair):
        return jnp.stack([-pair[1], pair[0]])

    state, feedback = step(PointNavigation(goal), at(position), action)
    other, same = step(PointNavigation(turned(goal)), at(turned(position)), turned(action))
    assert jnp.allclose(other.position, turned(state.position))
    assert jnp.allclose(same.reward, feedback.reward)


@hypothesis.given(st.floats(0, 0.03), st.floats(0, 6.28))
@hypothesis.settings(deadline=None, max_examples=50)
def test_a_trial_terminates_if_and_only_if_the_goal_is_nearer_than_a_hundredth(away, angle):
    hypothesis.assume(abs(away - 0.01) > 1e-6)
    position = away * jnp.array([jnp.cos(angle), jnp.sin(angle)])
    _, feedback = step(PointNavigation(jnp.zeros(2)), at(position), jnp.zeros(2))
    assert bool(feedback.terminated) == (away < 0.01)
    assert not feedback.truncated


def test_reaching_the_goal_in_the_last_step_terminates_and_does_not_truncate():
    env = PointNavigation(jnp.array([0.1, 0.0]), trial_steps=1)
    _, feedback = step(env, env.reset(0, key=jr.key(0)), jnp.array([0.1, 0.0]))
    assert feedback.terminated and not feedback.truncated


@hypothesis.given(PAIR, PAIR)
@hypothesis.settings(deadline=None, max_examples=30)
def test_the_squared_reward_is_the_distance_squared(goal, action):
    _, squared = step(PointNavigation(goal), at(jnp.zeros(2)), action)
    _, plain = step(PointNavigation(goal, squared=False), at(jnp.zeros(2)), action)
    assert plain.reward <= 0
    assert jnp.allclose(squared.reward, -(plain.reward**2), atol=1e-6)


def test_goals_fill_the_square():
    goals = Navigation().draw(4000, TEST, key=jr.key(0)).goal
    assert (abs(goals) <= 0.5).all()
    assert (abs(goals.mean(axis=0)) < 4 * (1 / 12 / 4000) ** 0.5).all()
    assert (abs(goals.var(axis=0) - 1 / 12) < 0.005).all()


def test_a_second_trial_starts_at_the_origin_again():
    env = Navigation(trials=2, trial_steps=3).sample(TEST, key=jr.key(0))
    life = ls.envs.live(Heads(jnp.array([0.1, 0.1])), env, key=jr.key(1))
    assert life.before.position[4].tolist() == [0.0, 0.0]
    assert life.reward[:3].tolist() == life.reward[4:7].tolist()


@pytest.mark.parametrize("bad", ({"reach": 0.0}, {"trials": 0}, {"trial_steps": 0}), ids=str)
def test_an_error_names_the_argument_and_its_value(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"`{name}={value}`"):
        Navigation(**bad)


def test_the_secret_is_the_goal_and_an_observation_does_not_contain_it():
    plane, other = (PointNavigation(jnp.array(goal)) for goal in ([0.3, -0.2], [0.1, 0.5]))
    state = at([0.2, 0.1])
    assert jnp.array_equal(plane.secret(state), plane.goal)
    assert jnp.array_equal(plane.observe(state), other.observe(state))
