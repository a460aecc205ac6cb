"""The water maze: facts of every swim, and a second, slower way to compute one."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import learnset as ls
from learnset.envs.water_maze import SITES, Swimmer

KEY = jr.key(0)  # the pool itself is deterministic
EIGHT, ANY = ls.envs.Pool(), ls.envs.Pool(continuous=True)
STEPS = 12  # of a whole swim
LONGEST = 60  # steps; all swims are compiled for this length
NEAR = 1e-4  # metres; 32-bit rounding, enlarged by grazing reflections

angles = st.floats(0, 2 * math.pi)
swims = st.lists(angles, min_size=STEPS, max_size=STEPS)
places = st.tuples(st.floats(0, 0.99), angles).map(lambda polar: polar[0] * way(polar[1]))
a_few = settings(deadline=None, max_examples=30, derandomize=True)


def way(angle):
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def maze(platform, start, pool, probe=False):
    """A maze of one trial."""
    places = (np.asarray(place, np.float32)[None] for place in (platform, start))
    return ls.envs.WaterMaze(*places, np.array([probe]), pool)


def swim(maze, actions):
    """States, first to last, and the feedback of each action. A swim does not stop at the end of a
    trial."""
    actions = np.asarray(actions)
    padded = np.resize(actions, (LONGEST, *actions.shape[1:]))
    states, feedback = jax.tree.map(np.asarray, longest(maze, padded))
    states = jax.tree.map(lambda x: x[: len(actions) + 1], states)
    return states, jax.tree.map(lambda x: x[: len(actions)], feedback)


@eqx.filter_jit
def longest(maze, actions):
    start = maze.reset(0, key=KEY)

    def step(state, action):
        state, feedback = maze.step(state, action, key=KEY)
        return state, (state, feedback)

    states, feedback = jax.lax.scan(step, start, actions)[1]
    joined = jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), start, states)
    return joined, feedback


def until_over(states, feedback):
    """Numbers up to the end of the trial: positions, seconds, metres, and whether it was found."""
    steps = int(feedback.over.argmax()) + 1 if feedback.over.any() else len(feedback.over)
    numbers = (states.position, states.elapsed, states.travelled)
    return *(x[: steps + 1] for x in numbers), bool(feedback.terminated[steps - 1])


def headed(angles):
    """Actions that are directions."""
    return np.float32(way(np.asarray(angles)))


def clearance(positions, platform):
    """The distance in metres between the edge of the platform and the straight path: if it is
    small, rounding decides whether the platform is found."""
    start, end = np.float64(positions[:-1, None]), np.float64(positions[1:, None])
    path = start + np.linspace(0, 1, 200)[:, None] * (end - start)
    nearest = np.linalg.norm(path - platform, axis=-1).min(axis=1)
    return np.abs(nearest - EIGHT.platform_radius).min()


def same_swim(one, other, turned):
    """Checks that the second swim is the first one, transformed by a matrix."""
    positions, elapsed, travelled, found = until_over(*one)
    theirs = until_over(*other)
    assert found == theirs[3]
    assert np.allclose(positions @ turned.T, theirs[0], atol=NEAR)
    assert np.allclose(elapsed, theirs[1], atol=NEAR / EIGHT.speed)
    assert np.allclose(travelled, theirs[2], atol=NEAR)


# Symmetry.


@given(places, places, swims, angles)
@a_few
def test_turning_the_pool_turns_the_swim(platform, start, actions, angle):
    turn = np.array([way(angle), way(angle + math.pi / 2)]).T
    plain = swim(maze(platform, start, ANY), headed(actions))
    assume(clearance(plain[0].position, platform) > NEAR)
    turned = maze(turn @ platform, turn @ start, ANY)
    same_swim(plain, swim(turned, headed(np.asarray(actions) + angle)), turn)


@given(places, places, swims)
@a_few
def test_the_mirror_image_of_the_pool_gives_the_mirror_image_of_the_swim(platform, start, actions):
    mirror = np.diag([1.0, -1.0])
    plain = swim(maze(platform, start, ANY), headed(actions))
    assume(clearance(plain[0].position, platform) > NEAR)
    mirrored = maze(mirror @ platform, mirror @ start, ANY)
    same_swim(plain, swim(mirrored, headed(-np.asarray(actions))), mirror)


eighths = st.lists(st.integers(0, 7), min_size=STEPS, max_size=STEPS)


@given(places, places, eighths, st.integers(0, 7), st.booleans())
@a_few
def test_with_eight_directions_so_do_turns_by_an_eighth_and_their_mirror_images(
    platform, start, actions, turns, flip
):
    angle, sign = turns * math.pi / 4, -1 if flip else 1
    turn = np.array([way(angle), way(angle + math.pi / 2)]).T @ np.diag([1.0, sign])
    other = (sign * np.asarray(actions) + turns) % 8
    plain = swim(maze(platform, start, EIGHT), actions)
    assume(clearance(plain[0].position, platform) > NEAR)
    same_swim(plain, swim(maze(turn @ platform, turn @ start, EIGHT), other), turn)


# A second, slower way: the path in 64 bits, point by point.


def bounced(position, heading, length, pool, step=1e-4):
    """Points at intervals of a tenth of a millimetre along a path that the wall reflects, and
    metres to each, until it reaches the wall again. The wall is found by bisection, the reflection
    by angles."""
    points, metres = [position], [0.0]
    for _ in range(2):
        rest = length - metres[-1]
        far = np.append(np.arange(0, rest, step), rest)
        leg = points[-1] + far[:, None] * heading
        outside = np.linalg.norm(leg, axis=1) > pool.radius
        outside[0] = False  # at the wall, by rounding
        inside = len(far) if not outside.any() else int(outside.argmax())
        if inside < len(far):
            low, high = far[inside - 1], far[inside]
            for _ in range(50):
                middle = (low + high) / 2
                beyond = np.linalg.norm(points[-1] + middle * heading) > pool.radius
                low, high = (low, middle) if beyond else (middle, high)
            far = np.append(far[:inside], low)
            leg = np.vstack([leg[:inside], points[-1] + low * heading])
        start = metres[-1]
        points, metres = points + list(leg[1:]), metres + list(start + far[1:])
        if inside == len(outside):
            break
        tangent = math.atan2(points[-1][1], points[-1][0]) + math.pi / 2
        heading = way(2 * tangent - math.atan2(heading[1], heading[0]))
    return np.array(points), np.array(metres), heading


def random_steps(pool, num, seed=0):
    """Swimmers anywhere in the pool, a third of them along the wall, each with a platform
    nearby."""
    rng = np.random.default_rng(seed)
    place, course, action = (rng.uniform(0, 2 * np.pi, num) for _ in range(3))
    away = np.sqrt(rng.uniform(0, 1, num))
    at_wall = rng.uniform(size=num) < 1 / 3
    away[at_wall] = 1 - 10 ** rng.uniform(-6, -2, at_wall.sum())
    along = place + np.pi / 2 * rng.choice([-1, 1], num) + rng.normal(0, 0.1, num)
    course, action = np.where(at_wall, along, course), np.where(at_wall, along, action)
    position = away[:, None] * way(place)
    platform = position + rng.uniform(0, 0.2, num)[:, None] * way(action + rng.normal(0, 0.6, num))
    return (np.float32(x) for x in (position, way(course), way(action), platform))


@pytest.fixture(scope="module")
def steps():
    """One step of 1500 swimmers, ours and in the second way: before, after, feedback, platforms;
    and points, metres and heading."""
    position, course, action, platform = random_steps(ANY, 1500)

    @jax.jit
    @jax.vmap
    def ours(position, course, action, platform):
        one = ls.envs.WaterMaze(platform[None], pool=ANY)
        zero, number = jnp.zeros(()), jnp.asarray(0)
        before = Swimmer(position, course, zero, zero, number, number)
        return before, *one.step(before, action, key=KEY)

    remainder = math.exp(-ANY.interval / ANY.turning)
    theirs = []
    for start, old, new in zip(*map(np.float64, (position, course, action)), strict=True):
        heading = (1 - remainder) * new + remainder * old
        heading = heading / np.linalg.norm(heading)
        theirs.append(bounced(start, heading, ANY.speed * ANY.interval, ANY))
    before, after, feedback = jax.tree.map(np.asarray, ours(position, course, action, platform))
    return before, after, feedback, platform, theirs


def test_the_platform_is_found_if_and_only_if_the_path_crosses_it(steps):
    _, after, feedback, platform, theirs = steps
    pairs = zip(platform, theirs, strict=True)
    nearest = np.array([np.linalg.norm(path[0] - place, axis=1).min() for place, path in pairs])
    sure = np.abs(nearest - ANY.platform_radius) > 1e-5
    crossed, terminated = nearest <= ANY.platform_radius, feedback.terminated
    assert sure.mean() > 0.99 and 0.3 < crossed.mean() < 0.8
    assert np.array_equal(terminated[sure], crossed[sure])
    assert np.array_equal(feedback.reward, terminated.astype(np.float32))
    assert np.array_equal(after.position[terminated], platform[terminated])


def test_the_time_of_arrival_is_that_of_the_platform_s_edge(steps):
    _, after, feedback, platform, theirs = steps
    for i in np.flatnonzero(feedback.terminated):
        points, metres, _ = theirs[i]
        distance = np.linalg.norm(points - platform[i], axis=1)
        if distance.min() > ANY.platform_radius - 1e-4:
            continue  # the sampled path may miss the beginning of a grazing contact
        edge = metres[(distance <= ANY.platform_radius).argmax()]
        assert abs(after.travelled[i] - edge) < 2e-4
        assert abs(after.elapsed[i] - edge / ANY.speed) < 1e-3


def test_a_swimmer_that_does_not_find_it_ends_where_the_reflected_path_does(steps):
    _, after, feedback, _, theirs = steps
    for i in np.flatnonzero(~feedback.terminated):
        points, metres, heading = theirs[i]
        assert np.allclose(after.position[i], points[-1], atol=NEAR)
        assert abs(after.travelled[i] - metres[-1]) < NEAR
        at_the_wall = metres[-1] < ANY.speed * ANY.interval - 1e-6
        assert at_the_wall or np.allclose(after.heading[i], heading, atol=1e-3)


def test_seconds_are_metres_over_speed_but_for_a_second_touch_of_the_wall(steps):
    _, after, feedback, _, theirs = steps
    whole = np.array([metres[-1] for _, metres, _ in theirs]) > ANY.speed * ANY.interval - NEAR
    assert (~whole & ~feedback.terminated).sum() >= 5  # the grazing ones
    one = feedback.terminated | whole
    assert np.allclose(after.elapsed[one], after.travelled[one] / ANY.speed, atol=NEAR / ANY.speed)
    assert np.all(after.travelled <= after.elapsed * ANY.speed + 1e-6)


def test_no_step_is_faster_than_the_swimmer(steps):
    before, after, feedback, _, _ = steps
    moved, arrived = np.linalg.norm(after.position - before.position, axis=1), feedback.terminated
    assert np.all(moved[~arrived] <= ANY.speed * ANY.interval + 1e-6)
    # A swimmer that arrives is put on the middle of the platform.
    assert np.all(moved[arrived] <= after.travelled[arrived] + ANY.platform_radius + 1e-6)


# The wall.


@given(st.floats(-0.1, 0.1), angles, st.floats(0.99, 1.0))
@a_few
def test_no_step_leaves_the_pool_along_the_wall(grazing, angle, away):
    course = angle + math.pi / 2 + grazing + np.linspace(0, 2, 60)
    states, _ = swim(maze([0.0, 0.0], away * way(angle), ANY), headed(course))
    position = np.float64(states.position)
    assert np.linalg.norm(position, axis=1).max() <= 1 + 1e-6
    assert np.linalg.norm(np.diff(position, axis=0), axis=1).max() <= 0.15 + 1e-6


@given(st.integers(0, 1000))
@a_few
def test_no_step_of_a_wild_swim_leaves_the_pool(seed):
    actions = np.repeat(np.random.default_rng(seed).integers(0, 8, 12), 5)
    states, _ = swim(maze([0.5, 0.5], [0.0, 0.95], EIGHT, probe=True), actions)
    assert np.linalg.norm(np.float64(states.position), axis=1).max() <= 1 + 1e-6
    assert np.all(np.diff(states.travelled) >= 0) and states.travelled[-1] <= 60 * 0.15 + 1e-4


def test_head_on_the_wall_throws_back():
    states, _ = swim(maze([0.5, 0.5], [0.95, 0.0], EIGHT), [0])
    assert np.allclose(states.position[1], [0.9, 0.0], atol=1e-6)  # 5 cm there and 10 back
    assert np.allclose(states.heading[1], [-1.0, 0.0], atol=1e-6)


def test_no_direction_is_no_movement():
    states, _ = swim(maze([0.5, 0.5], [0.1, 0.2], ANY), np.zeros((3, 2), np.float32))
    assert np.array_equal(states.position, np.broadcast_to(np.float32([0.1, 0.2]), (4, 2)))
    assert np.array_equal(states.travelled, np.zeros(4))
    assert np.allclose(states.elapsed, [0, 0.5, 1, 1.5])


# Time.


@pytest.fixture(scope="module")
def intervals():
    return [dataclasses.replace(ANY, interval=seconds) for seconds in (0.1, 0.5)]


@given(angles, st.floats(0.07, 0.85))
@settings(a_few, max_examples=15)
def test_a_straight_swim_takes_as_long_at_any_interval(intervals, angle, distance):
    expected = (distance - ANY.platform_radius) / ANY.speed
    for pool in intervals:
        actions = headed([angle] * round(3 / pool.interval))
        states, feedback = swim(maze(distance * way(angle), [0.0, 0.0], pool), actions)
        _, elapsed, travelled, found = until_over(states, feedback)
        assert found and abs(elapsed[-1] - expected) < 1e-4
        assert abs(travelled[-1] - expected * ANY.speed) < 1e-4


@pytest.mark.parametrize(
    "seconds, interval, steps",
    ((1.1, 0.1, 11), (120.0, 0.5, 240), (120.0, 0.1, 1200), (1.0, 0.3, 4)),
)
def test_a_trial_lasts_until_the_step_that_reaches_the_time_limit(seconds, interval, steps):
    pool = ls.envs.Pool(time_limit=seconds, interval=interval)
    assert maze([0.0, 0.0], [0.0, 0.5], pool).trial_steps == steps


SHORT = ls.envs.Pool(time_limit=2.0)  # four steps


@pytest.mark.parametrize("guided", (True, False))
def test_time_runs_out_and_the_platform_is_shown_only_to_the_guided(guided):
    pool = dataclasses.replace(SHORT, guided=guided)
    states, feedback = swim(maze([0.5, -0.5], [0.0, 0.0], pool), [2] * 4)  # north
    assert feedback.truncated.tolist() == [False, False, False, True]
    assert not feedback.terminated.any() and not feedback.reward.any()
    assert np.allclose(states.position[-1], [0.5, -0.5] if guided else [0.0, 0.6], atol=1e-6)
    assert np.allclose(states.elapsed[-1], 2.0) and np.allclose(states.travelled[-1], 0.6)


def test_arrival_in_the_last_step_is_an_arrival():
    _, feedback = swim(maze([0.0, 0.55], [0.0, 0.0], SHORT), [2] * 4)
    assert bool(feedback.terminated[3]) and not feedback.truncated.any()


def test_a_probe_trial_has_no_platform_and_ends_with_time():
    states, feedback = swim(maze([0.0, 0.3], [0.0, 0.0], SHORT, probe=True), [2] * 4)
    assert not feedback.terminated.any() and not feedback.reward.any()
    assert feedback.truncated.tolist() == [False, False, False, True]
    # It swims across the place of the platform, and is not carried back.
    assert np.allclose(states.position[-1], [0.0, 0.6], atol=1e-6)


def test_after_a_tenth_of_a_second_three_quarters_of_the_old_direction_remain():
    """Foster, Morris & Dayan 2000: new and old direction have weights 1 to 3."""
    pool = dataclasses.replace(ANY, interval=0.1)
    states, _ = swim(maze([0.5, -0.5], [0.0, 0.0], pool), headed([0.0, math.pi / 2]))
    assert np.allclose(states.heading[2], np.array([3.0, 1.0]) / math.sqrt(10), atol=1e-3)


# Senses.

SENSES = ls.envs.Pool(cells=50, landmarks=((2.0, 0.0), (0.0, 3.0)))


@given(places)
@a_few
def test_place_cells_fire_from_0_to_1_and_directions_have_length_1(place):
    senses = np.asarray(observed(maze([0.5, 0.5], place, SENSES)))
    assert len(senses) == maze([0.5, 0.5], place, SENSES).observation_size == 50 + 2 + 2 * 2
    assert 0 <= senses[:50].min() and senses[:50].max() <= 1 and senses[:50].max() > 0.5
    assert np.array_equal(senses[50:52], [0.0, 0.0])  # at rest
    marks = np.array([[2.0, 0.0], [0.0, 3.0]]) - place
    directions = marks / np.linalg.norm(marks, axis=1, keepdims=True)
    assert np.allclose(senses[52:].reshape(2, 2), directions, atol=1e-5)


@eqx.filter_jit
def observed(maze):
    return maze.observe(maze.reset(0, key=KEY))


def test_a_place_cell_fires_as_a_gaussian_of_the_distance():
    """Foster, Morris & Dayan 2000, equation 1: one at the centre, and 1/sqrt(e) one standard
    deviation away from it."""
    centre = jnp.asarray(EIGHT.centres[10], jnp.float32)
    assert EIGHT.place_cells(centre)[10] == 1
    away = EIGHT.place_cells(centre + jnp.array([EIGHT.cell_width, 0.0]))[10]
    assert math.isclose(away, math.exp(-0.5), rel_tol=1e-5)
    assert np.linalg.norm(EIGHT.centres, axis=1).max() < EIGHT.radius


# Days.


@pytest.fixture(scope="module")
def days():
    """3000 days of each split."""
    draw_all = eqx.filter_jit(
        lambda key: [ls.envs.MatchingToPlace().draw(3000, split, key=key) for split in ls.Split]
    )
    return dict(zip(ls.Split, jax.tree.map(np.asarray, draw_all(jr.key(1))), strict=True))


def eighth(platforms):
    """Degrees from the next multiple of 45."""
    return (np.rad2deg(np.arctan2(platforms[..., 1], platforms[..., 0])) + 22.5) % 45 - 22.5


def test_platforms_of_the_splits_lie_in_different_sectors(days):
    sector = {split: np.sort(eighth(mazes.platforms[:, 0]) % 45) for split, mazes in days.items()}
    train, validation = sector[ls.Split.TRAIN], sector[ls.Split.VALIDATION]
    test = eighth(days[ls.Split.TEST].platforms[:, 0])
    assert test.min() > -7.5 - 1e-3
    assert test.max() < validation.min() < validation.max() < train.min()
    assert train.max() < 45 + test.min()
    assert abs(train.max() - train.min() - 22.5) < 0.1 and abs(test.max() - test.min() - 15) < 0.1


def test_all_sites_lie_in_sectors_for_tests(days):
    test = eighth(days[ls.Split.TEST].platforms[:, 0])
    sites = eighth(np.array(SITES))
    assert np.all((test.min() < sites) & (sites < test.max()))


def test_zones_of_sites_do_not_overlap_and_lie_in_the_pool():
    sites = np.array(SITES)
    distances = np.linalg.norm(sites[:, None] - sites, axis=-1) + np.eye(8)
    assert distances.min() > 0.4 and np.linalg.norm(sites, axis=1).max() + 0.2 < 1


def test_platforms_are_uniform_within_reach(days):
    squared = (days[ls.Split.TRAIN].platforms[:, 0] ** 2).sum(axis=-1) / 0.85**2
    assert squared.max() <= 1 + 1e-6
    assert abs(squared.mean() - 1 / 2) < 4 * math.sqrt(1 / 12 / 3000)  # uniform


def test_a_day_has_one_place_and_four_different_starts(days):
    mazes = days[ls.Split.TEST]
    assert (mazes.platforms == mazes.platforms[:, :1]).all()
    assert not mazes.probe.any() and np.allclose(mazes.platform_radius, 0.06)
    orders = {tuple(map(tuple, np.round(starts, 2))) for starts in mazes.starts[:500].tolist()}
    compass = {(0.0, 0.95), (0.95, 0.0), (0.0, -0.95), (-0.95, 0.0)}
    assert all(set(order) == compass for order in orders) and len(orders) == 24


def test_sites_and_probe_and_sizes_are_the_given_ones():
    family = ls.envs.MatchingToPlace(sites=SITES, probe=1, largest=0.16)
    mazes = jax.jit(lambda key: family.draw(100, ls.Split.TRAIN, key=key))(jr.key(0))
    platforms = np.round(np.asarray(mazes.platforms[:, 0], np.float64), 3)
    assert set(map(tuple, platforms.tolist())) == set(SITES)
    assert np.array_equal(mazes.probe, np.broadcast_to([False, True, False, False], (100, 4)))
    size = np.asarray(mazes.platform_radius)
    assert 0.06 <= size.min() < 0.07 and 0.15 < size.max() <= 0.16


@pytest.mark.parametrize("size, found", ((0.06, False), (0.2, True)))
def test_a_larger_platform_is_found_from_further_away(size, found):
    """The path passes at 0.1 m from its middle."""
    one = maze([0.1, 0.3], [0.0, 0.0], EIGHT)
    one = eqx.tree_at(lambda maze: maze.platform_radius, one, jnp.asarray(size))
    _, feedback = swim(one, [2] * 4)
    assert feedback.terminated.any() == found


@pytest.mark.parametrize("moved", (3, None))
def test_reference_memory_has_one_place_until_the_day_it_moves(moved):
    family = ls.envs.ReferenceMemory(days=5, trials_a_day=2, moved=moved)
    one = eqx.filter_jit(lambda key: family.sample(ls.Split.TEST, key=key))(jr.key(0))
    day = np.asarray(one.platforms).reshape(5, 2, 2)
    assert one.trials == family.trials == 10
    before, after = day[: moved or 5], day[moved or 5 :]
    assert np.ptp(before, axis=(0, 1)).max() == 0
    if moved:
        assert np.ptp(after, axis=(0, 1)).max() == 0
        assert np.linalg.norm(after[0, 0] - before[0, 0]) > 0.06


def test_many_mazes_at_once_are_one_after_another():
    starts = np.float32([[0.0, 0.95], [0.95, 0.0]])
    platforms = np.float32(way(np.arange(6.0)).reshape(3, 2, 2) * 0.7)
    mazes = [ls.envs.WaterMaze(places, starts, np.zeros(2, bool), SHORT) for places in platforms]
    actions = np.random.default_rng(0).integers(0, 8, (3, LONGEST))
    together = jax.tree.map(lambda *leaves: np.stack(leaves), *mazes)
    many = jax.tree.map(np.asarray, eqx.filter_jit(jax.vmap(longest))(together, actions))
    for i, one in enumerate(mazes):
        pairs = zip(jax.tree.leaves(longest(one, actions[i])), jax.tree.leaves(many), strict=True)
        assert all(np.allclose(alone, together[i], atol=1e-4) for alone, together in pairs)


# Impossible settings.


@pytest.mark.parametrize(
    "make, word",
    (
        (lambda: ls.envs.Pool(radius=0.0), "radius=0.0"),
        (lambda: ls.envs.Pool(speed=-1.0), "speed=-1.0"),
        (lambda: ls.envs.Pool(interval=math.nan), "interval=nan"),
        (lambda: ls.envs.Pool(time_limit=math.inf), "time_limit=inf"),
        (lambda: ls.envs.Pool(platform_radius=1.0), "must be less than `radius=1.0`"),
        (lambda: ls.envs.Pool(cells=-1), "cells=-1"),
        (lambda: ls.envs.Pool(cells=0, heading=False), "nothing can be observed"),
        (lambda: ls.envs.MatchingToPlace(trials=0), "trials=0"),
        (lambda: ls.envs.MatchingToPlace(probe=4), "probe=4"),
        (lambda: ls.envs.MatchingToPlace(reach=0.0), "reach=0.0"),
        (lambda: ls.envs.MatchingToPlace(ls.envs.Pool(radius=0.6)), "Lower `reach`"),
        (lambda: ls.envs.MatchingToPlace(sites=((0.9, 0.9),)), "Lower `sites`"),
        (lambda: ls.envs.MatchingToPlace(largest=0.05), "largest=0.05"),
        (lambda: ls.envs.MatchingToPlace(largest=1.0), "largest=1.0"),
        (lambda: ls.envs.ReferenceMemory(ls.envs.Pool(radius=0.6)), "Lower `reach`"),
        (lambda: ls.envs.ReferenceMemory(days=0), "days=0"),
        (lambda: ls.envs.ReferenceMemory(trials_a_day=0), "trials_a_day=0"),
    ),
)
def test_wrong_settings_are_refused_in_one_line(make, word):
    with pytest.raises(ls.InputError) as refusal:
        make()
    assert word in str(refusal.value) and "\n" not in str(refusal.value)
