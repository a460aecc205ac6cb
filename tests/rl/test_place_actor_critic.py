"""Actors and critics on place cells: what they can and cannot learn in the water maze."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from learnset import InputError, Split
from learnset.envs import AbstractAgent, advance, begin, live, Percept, Pool, WaterMaze
from learnset.envs._base import feedback
from learnset.rl import CoordinateActorCritic, MatchingToPlaceDays, PlaceActorCritic
from learnset.rl._coordinates import Chart, Navigation
from learnset.rl._place_actor_critic import Learnt

POOL = Pool()


class Grown(AbstractAgent):
    """An agent with a given memory."""

    agent: AbstractAgent
    memory: Learnt | Navigation

    def begin(self):
        return self.memory

    def act(self, memory, percept, *, key):
        return self.agent.act(memory, percept, key=key)


def born(agent):
    return Grown(agent, agent.begin())


def percept(pool, cell, *, at_rest=False, reward=0.0, terminated=False, truncated=False):
    """The percept where only one cell fires, when swimming east."""
    rates, heading = np.eye(pool.cells)[cell], [0.0 if at_rest else 1.0, 0.0]
    observation = jnp.concatenate([jnp.asarray(rates, float), jnp.array(heading)])
    outcome = feedback(reward, terminated, truncated)
    return Percept(observation, jnp.asarray(0), outcome, jnp.asarray(cell == 0))


@eqx.filter_jit
def go(agent, percepts, times):
    """The memory after `times` repetitions of a sequence of percepts."""
    one = jax.tree.map(lambda *leaves: jnp.stack(leaves), *percepts)

    def step(memory, percept):
        return agent.act(memory, percept, key=jr.key(0))[1], None

    def trial(memory, _):
        return jax.lax.scan(step, memory, one)

    return jax.lax.scan(trial, agent.begin(), None, length=times)[0]


@eqx.filter_jit
def swum(agent, env, *, key):
    """The memory after all trials of a task."""

    def step(both, key):
        world, memory = both
        act_key, world_key = jr.split(key)
        action, memory = agent.act(memory, world.percept, key=act_key)
        return (advance(env, world, action, key=world_key), memory), None

    keys = jr.split(key, env.trials * (env.trial_steps + 1))
    return jax.lax.scan(step, (begin(env, key=key), agent.begin()), keys)[0][1]


def mazes(days):
    """Eight tasks of four trials per day; days with the same number have the same platform."""
    radius, angle = np.random.default_rng(0).uniform((0, 0), (0.6, 2 * np.pi), (8, 6, 2)).T
    places = np.sqrt(radius) * np.stack([np.cos(angle), np.sin(angle)])
    platforms = jnp.asarray(np.repeat(places.T[:, days], 4, axis=1), float)
    return jax.vmap(lambda one: WaterMaze(one, pool=POOL))(platforms)


ONE_PLACE, NEW_PLACES = mazes([0, 0, 0, 0, 0, 5]), mazes([0, 1, 2, 3, 4, 5])


@eqx.filter_jit
def lives(agent, mazes, key):
    return jax.vmap(lambda maze, key: live(agent, maze, key=key))(mazes, jr.split(key, 8))


def latencies(agent, mazes, *, key):
    """Seconds, for each of 8 animals, each day and each trial of the day."""
    # With arrays as fields, all agents share one compiled program.
    life = lives(jax.tree.map(jnp.asarray, agent), mazes, key)
    return np.asarray(life.after.elapsed)[np.asarray(life.over)].reshape(8, -1, 4)


@settings(max_examples=5, deadline=None)
@given(gamma=st.floats(0.9, 1.0), interval=st.sampled_from([0.1, 0.5]))
def test_on_a_straight_path_the_value_is_the_discounted_reward(gamma, interval):
    pool = Pool(cells=5, interval=interval)
    agent = PlaceActorCritic(pool, jnp.asarray(gamma))
    agent = eqx.tree_at(lambda a: a.critic_lr, agent, 0.5 / agent.scaled(1.0))
    path = [percept(pool, cell) for cell in range(4)]
    arrival = percept(pool, 4, at_rest=True, reward=1.0, terminated=True)
    # With arrays as fields, all examples share one compiled program.
    learnt = go(jax.tree.map(jnp.asarray, agent), [*path, arrival], 60)
    tenths = interval / 0.1 * np.arange(3, -1, -1)
    assert np.allclose(learnt.critic[:4], gamma**tenths, atol=1e-4)
    assert learnt.critic[4] == 0  # there is no value after the end of a trial


def test_at_the_fixed_point_the_critic_has_no_error():
    agent = PlaceActorCritic(Pool(cells=5))
    learnt = agent.begin()
    values = agent.gamma ** (5.0 * jnp.arange(3.0, -2.0, -1.0))
    for cell in range(4):
        memory = Learnt(values, learnt.actor, jnp.eye(5)[cell], jnp.asarray(2), jnp.asarray(True))
        last = cell == 3
        following = percept(agent.pool, cell + 1, reward=float(last), terminated=last)
        assert abs(agent.error(memory, following)) < 1e-6


@pytest.mark.parametrize("guided", [True, False])
def test_an_animal_carried_to_the_platform_learns_its_value_and_no_direction(guided, getkey):
    agent = PlaceActorCritic(Pool(cells=5, guided=guided))
    critic, actor = jr.normal(getkey(), (5,)), jr.normal(getkey(), (8, 5))
    before = Learnt(critic, actor, jnp.eye(5)[1], jnp.asarray(2), jnp.asarray(True))
    after = agent.learn(before, percept(agent.pool, 4, at_rest=True, truncated=True))
    assert (after.actor == actor).all() == guided
    platform, place = 4, 1
    changed = np.flatnonzero(after.critic != critic).tolist()
    assert changed == [platform if guided else place]
    if guided:
        assert abs(1 - after.critic[platform]) < abs(1 - critic[platform])


@pytest.mark.parametrize("probe", [False, True])
def test_the_animal_distinguishes_a_time_out_from_a_probe(probe):
    """Before any reward it learns only from being put on the platform."""
    pool = Pool(time_limit=2.0)
    platform = jnp.array([[-0.3, 0.1]])
    maze = WaterMaze(platform, probe=jnp.array([probe]), pool=pool)
    agent = PlaceActorCritic(pool)
    learnt = swum(agent, maze, key=jr.key(0))
    expected = agent.scaled(agent.critic_lr) * pool.place_cells(platform[0])
    assert (learnt.actor == 0).all()
    assert np.allclose(learnt.critic, 0 * expected if probe else expected, atol=1e-7)


@pytest.mark.slow
def test_an_agent_that_learns_no_preference_swims_at_random():
    agent = PlaceActorCritic(POOL, actor_lr=0.0)
    life = lives(jax.tree.map(jnp.asarray, born(agent)), NEW_PLACES, jr.key(0))
    counts = np.bincount(life.action[life.counts], minlength=8)
    expected = counts.sum() / 8
    assert expected > 1000
    # Chi-squared with 7 degrees of freedom, p = 0.001.
    assert ((counts - expected) ** 2 / expected).sum() < 24.3


def test_coordinates_of_two_places_differ_by_the_path_between_them():
    """Exactly, if each place has its own cell."""
    pool = Pool(cells=5)
    habits = PlaceActorCritic(pool)
    agent = CoordinateActorCritic(habits, 0.3 / habits.scaled(1.0))
    path = [percept(pool, cell) for cell in range(5)]
    over = percept(pool, 0, at_rest=True, truncated=True)
    weights = go(agent, [*path, over], 150).chart.weights
    assert np.allclose(np.diff(weights[0]), pool.speed * pool.interval, atol=1e-4)
    assert (weights[1] == 0).all()


@pytest.mark.slow
def test_coordinates_become_those_of_the_pool():
    """After 40 minutes of random swimming, with decisions as often as in the original, the path
    between two places is known to about 10 cm in a pool of 2 m."""
    pool = Pool(interval=0.1)
    maze = WaterMaze(jnp.zeros((20, 2)), probe=jnp.ones(20, bool), pool=pool)
    agent = CoordinateActorCritic(PlaceActorCritic(pool, actor_lr=0.0))
    chart = swum(agent, maze, key=jr.key(0)).chart
    assert not chart.known  # there was no platform
    learnt = np.asarray(jax.vmap(pool.place_cells)(jnp.asarray(pool.centres)) @ chart.weights.T)
    one, other = np.triu_indices(pool.cells, 1)
    true_path, learnt_path = pool.centres[one] - pool.centres[other], learnt[one] - learnt[other]
    assert np.sqrt(((learnt_path - true_path) ** 2).sum(axis=-1).mean()) < 0.12
    assert np.corrcoef(learnt_path.ravel(), true_path.ravel())[0, 1] > 0.99


@pytest.mark.slow
def test_an_agent_that_knows_its_pool_swims_straight_from_the_second_trial_on():
    agent = CoordinateActorCritic(PlaceActorCritic(POOL))
    rates = np.asarray(jax.vmap(POOL.place_cells)(jnp.asarray(POOL.centres)))
    weights = jnp.asarray(np.linalg.lstsq(rates, POOL.centres, rcond=1e-6)[0].T, rates.dtype)
    blank = agent.begin()
    chart = Chart(weights, blank.chart.trace, blank.chart.goal, blank.chart.known)
    knowing = Grown(agent, Navigation(blank.learnt, chart, 5 + blank.preference))
    seconds = latencies(knowing, NEW_PLACES, key=jr.key(0))
    distance = np.linalg.norm(NEW_PLACES.platforms - NEW_PLACES.starts, axis=-1)
    straight = (distance.reshape(8, -1, 4) - POOL.platform_radius) / POOL.speed
    assert np.median((seconds / straight)[..., 1:]) < 1.15  # by eight directions
    assert seconds[..., 0].mean() > 5 * seconds[..., 1:].mean()


def test_a_goal_is_kept_until_it_is_missed():
    pool = Pool(cells=5)
    agent = CoordinateActorCritic(PlaceActorCritic(pool))
    blank = agent.begin()
    weights = 0.15 * jnp.stack([jnp.arange(5.0), jnp.zeros(5)])
    chart = Chart(weights, *jax.tree.leaves(blank.chart)[1:])
    memory = Navigation(blank.learnt, chart, blank.preference)

    act = jax.jit(agent.act)

    def then(memory, *, cell, **options):
        return act(memory, percept(pool, cell, **options), key=jr.key(0))[1]

    found = then(memory, cell=2, at_rest=True, reward=1.0, terminated=True)
    assert found.chart.known and np.allclose(found.chart.goal, [0.3, 0.0])
    carried = then(memory, cell=3, at_rest=True, truncated=True)
    assert carried.chart.known and np.allclose(carried.chart.goal, [0.45, 0.0])
    elsewhere = then(found, cell=4)
    assert elsewhere.chart.known
    assert not then(found, cell=2).chart.known


def test_reference_memory_is_learnt_in_days_and_the_old_place_then_interferes():
    """Foster, Morris & Dayan 2000: latencies of 10 to 20 s within days, and long ones when the
    platform has moved."""
    days = latencies(born(PlaceActorCritic(POOL)), ONE_PLACE, key=jr.key(0)).mean(axis=(0, 2))
    assert days[0] > 50
    assert days[3:5].mean() < 25
    assert days[5] > 60


@pytest.mark.slow
def test_on_new_places_only_an_agent_with_coordinates_learns_in_one_trial():
    """Foster, Morris & Dayan 2000: trial 2 is much shorter than trial 1 by about the sixth day."""
    habits = PlaceActorCritic(POOL)
    without, with_coordinates = (
        latencies(born(agent), NEW_PLACES, key=jr.key(1))[:, 4:].mean(axis=(0, 1))
        for agent in (habits, CoordinateActorCritic(habits))
    )
    assert with_coordinates[0] > 50
    assert without[1] > 0.65 * without[0]
    assert with_coordinates[1] < 0.5 * with_coordinates[0]


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="cells=0"):
        PlaceActorCritic(Pool(cells=0))
    with pytest.raises(InputError, match="actor_lr=-1"):
        PlaceActorCritic(POOL, actor_lr=-1.0)
    with pytest.raises(InputError, match="heading=False"):
        CoordinateActorCritic(PlaceActorCritic(Pool(heading=False)))
    with pytest.raises(InputError, match="days=0"):
        MatchingToPlaceDays(days=0)


def test_a_day_keeps_its_place():
    maze = jax.jit(lambda: MatchingToPlaceDays(days=3).sample(Split.TEST, key=jr.key(0)))()
    platforms = np.asarray(maze.platforms).reshape(3, 4, 2)
    assert (platforms == platforms[:, :1]).all()
    assert len(np.unique(platforms[:, 0], axis=0)) == 3
