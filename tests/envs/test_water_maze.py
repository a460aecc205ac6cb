"""The water maze: what holds for every swim, and a slow second way to swim."""

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

KEY = jr.key(0)  # the pool itself has no chance in it
EIGHT, ANY = ls.envs.Pool(), ls.envs.Pool(continuous=True)
STEPS = 12  # of a swim that is looked at as a whole
LONGEST = 60  # steps; all swims are compiled for so many
NEAR = 1e-4  # metres; rounding of 32 bits, which a grazing reflection enlarges

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
    """States, first to last, and what was told after each action. Nothing stops at a trial's end."""
    actions = np.asarray(actions)
    states, told = jax.tree.map(
        np.asarray, longest(maze, np.resize(actions, (LONGEST, *actions.shape[1:])))
    )
    return jax.tree.map(lambda x: x[: len(actions) + 1], states), jax.tree.map(
        lambda x: x[: len(actions)], told
    )


@eqx.filter_jit
def longest(maze, actions):
    start = maze.reset(0, key=KEY)

    def step(state, action):
        state, told = maze.step(state, action, key=KEY)
        return state, (state, told)

    states, told = jax.lax.scan(step, start, actions)[1]
    return jax.tree.map(
        lambda first, rest: jnp.concatenate([first[None], rest]), start, states
    ), told


def until_over(states, told):
    """Numbers up to the end of the trial: positions, found or not, seconds, metres."""
    steps = int(told.over.argmax()) + 1 if told.over.any() else len(told.over)
    found = bool(told.terminated[steps - 1])
    return tuple(x[: steps + 1] for x in (states.position, states.elapsed, states.travelled)) + (
        found,
    )


def headed(angles):
    """Actions that are directions."""
    return np.float32(way(np.asarray(angles)))


def clearance(positions, platform):
    """How surely the last step ends where it does: metres between the platform's edge and the straight path."""
    start, end = np.float64(positions[:-1, None]), np.float64(positions[1:, None])
    path = start + np.linspace(0, 1, 200)[:, None] * (end - start)
    return np.abs(
        np.linalg.norm(path - platform, axis=-1).min(axis=1) - EIGHT.platform_radius
    ).min()


def same_swim(one, other, turned):
    """Two swims of which the second is the first, seen through a matrix."""
    positions, elapsed, travelled, found = until_over(*one)
    theirs = until_over(*other)
    assert found == theirs[3]
    assert np.allclose(positions @ turned.T, theirs[0], atol=NEAR)
    assert np.allclose(elapsed, theirs[1], atol=NEAR / EIGHT.speed) and np.allclose(
        travelled, theirs[2], atol=NEAR
    )


# Symmetry.


@given(places, places, swims, angles)
@a_few
def test_turning_the_pool_turns_the_swim(platform, start, actions, angle):
    turn = np.array([way(angle), way(angle + math.pi / 2)]).T
    plain = swim(maze(platform, start, ANY), headed(actions))
    assume(clearance(plain[0].position, platform) > NEAR)
    same_swim(
        plain,
        swim(maze(turn @ platform, turn @ start, ANY), headed(np.asarray(actions) + angle)),
        turn,
    )


@given(places, places, swims)
@a_few
def test_the_mirror_image_of_the_pool_gives_the_mirror_image_of_the_swim(platform, start, actions):
    mirror = np.diag([1.0, -1.0])
    plain = swim(maze(platform, start, ANY), headed(actions))
    assume(clearance(plain[0].position, platform) > NEAR)
    same_swim(
        plain,
        swim(maze(mirror @ platform, mirror @ start, ANY), headed(-np.asarray(actions))),
        mirror,
    )


@given(
    places,
    places,
    st.lists(st.integers(0, 7), min_size=STEPS, max_size=STEPS),
    st.integers(0, 7),
    st.booleans(),
)
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
    """Points a tenth of a millimetre apart along a path that the wall reflects, and metres to each; up to the second
    time that it comes to the wall. The wall is found by halving, and the reflection by angles."""
    points, metres = [position], [0.0]
    for _ in range(2):
        left = length - metres[-1]
        far = np.append(np.arange(0, left, step), left)
        leg = points[-1] + far[:, None] * heading
        outside = np.linalg.norm(leg, axis=1) > pool.radius
        outside[0] = False  # at the wall, by rounding
        inside = len(far) if not outside.any() else int(outside.argmax())
        if inside < len(far):
            low, high = far[inside - 1], far[inside]
            for _ in range(50):
                middle = (low + high) / 2
                low, high = (
                    (low, middle)
                    if np.linalg.norm(points[-1] + middle * heading) > pool.radius
                    else (middle, high)
                )
            far, leg = (
                np.append(far[:inside], low),
                np.vstack([leg[:inside], points[-1] + low * heading]),
            )
        start = metres[-1]
        points, metres = points + list(leg[1:]), metres + list(start + far[1:])
        if inside == len(outside):
            break
        tangent = math.atan2(points[-1][1], points[-1][0]) + math.pi / 2
        heading = way(2 * tangent - math.atan2(heading[1], heading[0]))
    return np.array(points), np.array(metres), heading


def random_steps(pool, num, seed=0):
    """Swimmers anywhere in the pool, a third of them at the wall and along it, with a platform near by."""
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
    """One step of 1500 swimmers, ours and in the second way: before, after, feedback, and points, metres and heading."""
    position, course, action, platform = random_steps(ANY, 1500)

    @jax.jit
    @jax.vmap
    def ours(position, course, action, platform):
        one = ls.envs.WaterMaze(platform[None], pool=ANY)
        before = Swimmer(
            position, course, jnp.zeros(()), jnp.zeros(()), jnp.asarray(0), jnp.asarray(0)
        )
        return before, *one.step(before, action, key=KEY)

    left = math.exp(-ANY.interval / ANY.turning)
    theirs = []
    for where, old, new in zip(*map(np.float64, (position, course, action)), strict=True):
        heading = (1 - left) * new + left * old
        theirs.append(
            bounced(where, heading / np.linalg.norm(heading), ANY.speed * ANY.interval, ANY)
        )
    before, after, told = jax.tree.map(np.asarray, ours(position, course, action, platform))
    return before, after, told, platform, theirs


def test_the_platform_is_found_if_and_only_if_the_path_crosses_it(steps):
    _, after, told, platform, theirs = steps
    nearest = [
        np.linalg.norm(points - there, axis=1).min()
        for there, (points, _, _) in zip(platform, theirs, strict=True)
    ]
    sure = np.abs(np.array(nearest) - ANY.platform_radius) > 1e-5
    crossed = np.array(nearest) <= ANY.platform_radius
    assert sure.mean() > 0.99 and 0.3 < crossed.mean() < 0.8
    assert np.array_equal(told.terminated[sure], crossed[sure])
    assert np.array_equal(told.reward, told.terminated.astype(np.float32))
    assert np.array_equal(after.position[told.terminated], platform[told.terminated])


def test_the_time_of_arrival_is_that_of_the_platform_s_edge(steps):
    _, after, told, platform, theirs = steps
    for i in np.flatnonzero(told.terminated):
        points, metres, _ = theirs[i]
        away = np.linalg.norm(points - platform[i], axis=1)
        if (
            away.min() < ANY.platform_radius - 1e-4
        ):  # where it is grazed, the sampled path may miss where that begins
            edge = metres[(away <= ANY.platform_radius).argmax()]
            assert (
                abs(after.travelled[i] - edge) < 2e-4
                and abs(after.elapsed[i] - edge / ANY.speed) < 1e-3
            )


def test_who_does_not_find_it_ends_where_the_reflected_path_does(steps):
    _, after, told, _, theirs = steps
    for i in np.flatnonzero(~told.terminated):
        points, metres, heading = theirs[i]
        assert np.allclose(after.position[i], points[-1], atol=NEAR)
        assert abs(after.travelled[i] - metres[-1]) < NEAR
        assert (
            np.allclose(after.heading[i], heading, atol=1e-3)
            or metres[-1] < ANY.speed * ANY.interval - 1e-6
        )


def test_seconds_are_metres_over_speed_but_for_a_second_touch_of_the_wall(steps):
    _, after, told, _, theirs = steps
    whole = np.array([metres[-1] for _, metres, _ in theirs]) > ANY.speed * ANY.interval - NEAR
    assert (~whole & ~told.terminated).sum() >= 5  # the grazing ones
    one = told.terminated | whole
    assert np.allclose(after.elapsed[one], after.travelled[one] / ANY.speed, atol=NEAR / ANY.speed)
    assert np.all(after.travelled <= after.elapsed * ANY.speed + 1e-6)


def test_no_step_is_faster_than_the_swimmer(steps):
    before, after, told, _, _ = steps
    moved = np.linalg.norm(after.position - before.position, axis=1)
    assert np.all(moved[~told.terminated] <= ANY.speed * ANY.interval + 1e-6)
    # Who arrives is put on the middle of the platform.
    assert np.all(
        moved[told.terminated] <= after.travelled[told.terminated] + ANY.platform_radius + 1e-6
    )


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
    assert np.array_equal(states.travelled, np.zeros(4)) and np.allclose(
        states.elapsed, [0, 0.5, 1, 1.5]
    )


# Time.


@pytest.fixture(scope="module")
def intervals():
    return [dataclasses.replace(ANY, interval=seconds) for seconds in (0.1, 0.5)]


@given(angles, st.floats(0.07, 0.85))
@settings(a_few, max_examples=15)
def test_a_straight_swim_takes_as_long_at_any_interval(intervals, angle, distance):
    expected = (distance - ANY.platform_radius) / ANY.speed
    for pool in intervals:
        steps = round(3 / pool.interval)
        states, told = swim(maze(distance * way(angle), [0.0, 0.0], pool), headed([angle] * steps))
        _, elapsed, travelled, found = until_over(states, told)
        assert (
            found
            and abs(elapsed[-1] - expected) < 1e-4
            and abs(travelled[-1] - expected * ANY.speed) < 1e-4
        )


@pytest.mark.parametrize(
    "seconds, interval, steps",
    ((1.1, 0.1, 11), (120.0, 0.5, 240), (120.0, 0.1, 1200), (1.0, 0.3, 4)),
)
def test_a_trial_has_as_many_steps_as_fit_the_last_one_begun(seconds, interval, steps):
    assert (
        maze(
            [0.0, 0.0], [0.0, 0.5], ls.envs.Pool(time_limit=seconds, interval=interval)
        ).trial_steps
        == steps
    )


SHORT = ls.envs.Pool(time_limit=2.0)  # four steps


@pytest.mark.parametrize("guided", (True, False))
def test_time_runs_out_and_the_platform_is_shown_only_to_the_guided(guided):
    pool = dataclasses.replace(SHORT, guided=guided)
    states, told = swim(maze([0.5, -0.5], [0.0, 0.0], pool), [2] * 4)  # north
    assert told.truncated.tolist() == [False, False, False, True]
    assert not told.terminated.any() and not told.reward.any()
    assert np.allclose(states.position[-1], [0.5, -0.5] if guided else [0.0, 0.6], atol=1e-6)
    assert np.allclose(states.elapsed[-1], 2.0) and np.allclose(states.travelled[-1], 0.6)


def test_arrival_in_the_last_step_is_an_arrival():
    _, told = swim(maze([0.0, 0.55], [0.0, 0.0], SHORT), [2] * 4)
    assert bool(told.terminated[3]) and not told.truncated.any()


def test_a_probe_trial_has_no_platform_and_ends_with_time():
    states, told = swim(maze([0.0, 0.3], [0.0, 0.0], SHORT, probe=True), [2] * 4)
    assert not told.terminated.any() and not told.reward.any()
    assert told.truncated.tolist() == [False, False, False, True]
    assert np.allclose(
        states.position[-1], [0.0, 0.6], atol=1e-6
    )  # through where it was, and not carried back


def test_after_a_tenth_of_a_second_three_quarters_of_the_old_direction_are_left():
    """Foster, Morris & Dayan 2000: new and old direction are weighed 1 to 3."""
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
    assert np.allclose(
        senses[52:].reshape(2, 2), marks / np.linalg.norm(marks, axis=1, keepdims=True), atol=1e-5
    )


@eqx.filter_jit
def observed(maze):
    return maze.observe(maze.reset(0, key=KEY))


def test_a_place_cell_fires_as_a_gaussian_of_the_distance():
    """Foster, Morris & Dayan 2000, equation 1: one at the centre, and 1/sqrt(e) a standard deviation away."""
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
    assert (
        test.min() > -7.5 - 1e-3 and test.max() < validation.min() < validation.max() < train.min()
    )
    assert train.max() < 45 + test.min()
    assert abs(train.max() - train.min() - 22.5) < 0.1 and abs(test.max() - test.min() - 15) < 0.1


def test_all_sites_lie_in_sectors_for_tests(days):
    test = eighth(days[ls.Split.TEST].platforms[:, 0])
    sites = eighth(np.array(SITES))
    assert np.all((test.min() < sites) & (sites < test.max()))


def test_zones_of_sites_do_not_overlap_and_lie_in_the_pool():
    sites = np.array(SITES)
    apart = np.linalg.norm(sites[:, None] - sites, axis=-1) + np.eye(8)
    assert apart.min() > 0.4 and np.linalg.norm(sites, axis=1).max() + 0.2 < 1


def test_platforms_are_anywhere_within_reach_alike(days):
    squared = (days[ls.Split.TRAIN].platforms[:, 0] ** 2).sum(axis=-1) / 0.85**2
    assert squared.max() <= 1 + 1e-6
    assert abs(squared.mean() - 1 / 2) < 4 * math.sqrt(1 / 12 / 3000)  # uniform


def test_a_day_has_one_place_and_four_different_starts(days):
    mazes = days[ls.Split.TEST]
    assert np.array_equal(
        mazes.platforms, np.broadcast_to(mazes.platforms[:, :1], mazes.platforms.shape)
    )
    assert not mazes.probe.any() and np.allclose(mazes.platform_radius, 0.06)
    orders = {tuple(map(tuple, np.round(starts, 2))) for starts in mazes.starts[:500].tolist()}
    compass = {(0.0, 0.95), (0.95, 0.0), (0.0, -0.95), (-0.95, 0.0)}
    assert all(set(order) == compass for order in orders) and len(orders) == 24


def test_sites_and_probe_and_sizes_are_as_asked_for():
    family = ls.envs.MatchingToPlace(sites=SITES, probe=1, largest=0.16)
    mazes = jax.jit(lambda key: family.draw(100, ls.Split.TRAIN, key=key))(jr.key(0))
    found = {
        tuple(place)
        for place in np.round(np.asarray(mazes.platforms[:, 0], np.float64), 3).tolist()
    }
    assert found == set(SITES)
    assert np.array_equal(mazes.probe, np.broadcast_to([False, True, False, False], (100, 4)))
    size = np.asarray(mazes.platform_radius)
    assert 0.06 <= size.min() < 0.07 and 0.15 < size.max() <= 0.16


@pytest.mark.parametrize("size, found", ((0.06, False), (0.2, True)))
def test_a_larger_platform_is_found_from_further_away(size, found):
    """The path passes at 0.1 m from its middle."""
    one = maze([0.1, 0.3], [0.0, 0.0], EIGHT)
    one = eqx.tree_at(lambda maze: maze.platform_radius, one, jnp.asarray(size))
    _, told = swim(one, [2] * 4)
    assert told.terminated.any() == found


@pytest.mark.parametrize("moved", (3, None))
def test_reference_memory_has_one_place_until_the_day_it_moves(moved):
    family = ls.envs.ReferenceMemory(days=5, trials_a_day=2, moved=moved)
    one = eqx.filter_jit(lambda key: family.sample(ls.Split.TEST, key=key))(jr.key(0))
    day = np.asarray(one.platforms).reshape(5, 2, 2)
    assert one.trials == family.trials == 10
    before, after = day[: moved or 5], day[moved or 5 :]
    assert np.ptp(before, axis=(0, 1)).max() == 0
    if moved:
        assert (
            np.ptp(after, axis=(0, 1)).max() == 0
            and np.linalg.norm(after[0, 0] - before[0, 0]) > 0.06
        )


def test_many_mazes_at_once_are_one_after_another():
    starts, platforms = (
        np.float32([[[0.0, 0.95], [0.95, 0.0]]] * 3),
        np.float32(way(np.arange(6.0)).reshape(3, 2, 2) * 0.7),
    )
    mazes = [
        ls.envs.WaterMaze(p, s, np.zeros(2, bool), SHORT)
        for p, s in zip(platforms, starts, strict=True)
    ]
    actions = np.random.default_rng(0).integers(0, 8, (3, LONGEST))
    together = jax.tree.map(lambda *leaves: np.stack(leaves), *mazes)
    many = jax.tree.map(np.asarray, eqx.filter_jit(jax.vmap(longest))(together, actions))
    for i, one in enumerate(mazes):
        alone = jax.tree.map(np.asarray, longest(one, actions[i]))
        assert all(
            np.allclose(a, b[i], atol=1e-4)
            for a, b in zip(*map(jax.tree.leaves, (alone, many)), strict=True)
        )


# What cannot be.


@pytest.mark.parametrize(
    "make, word",
    (
        (lambda: ls.envs.Pool(radius=0.0), "radius=0.0"),
        (lambda: ls.envs.Pool(speed=-1.0), "speed=-1.0"),
        (lambda: ls.envs.Pool(interval=math.nan), "interval=nan"),
        (lambda: ls.envs.Pool(time_limit=math.inf), "time_limit=inf"),
        (lambda: ls.envs.Pool(platform_radius=1.0), "does not fit"),
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
