"""Measures of swims: known values of simple paths, and invariance to rotations of the pool."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from learnset import behaviour, InputError
from learnset.envs.water_maze import SITES, WaterMaze

PLATFORM = np.array([0.3, 0.0])
ANY = {"platform_radius": 0.06, "limit": 120.0}


def path(seed: int, points: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """A path of long straight segments all over the pool, at uneven speed."""
    numbers = np.random.default_rng(seed)
    radius, angle = np.sqrt(numbers.uniform(size=points)), numbers.uniform(0, 2 * np.pi, points)
    return np.cumsum(numbers.uniform(0.1, 3.0, points)), _round(radius, angle)


def _round(radius, angle) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def straight(start, end, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([0.0, seconds]), np.array([start, end], float)


def circle(radius: float, centre=(0.0, 0.0), points: int = 4001) -> tuple[np.ndarray, np.ndarray]:
    angles = np.linspace(0, 2 * np.pi, points)
    return np.linspace(0, 60, points), _round(radius, angles) + np.array(centre)


def raster(lines: int = 201) -> tuple[np.ndarray, np.ndarray]:
    """A swim that covers the whole pool evenly: from east to west and back on many lines."""
    north = np.linspace(-1, 1, lines + 2)[1:-1]
    half = np.sqrt(1 - north**2) * np.where(np.arange(lines) % 2, -1, 1)
    places = np.stack([np.stack([-half, half], 1), np.stack([north, north], 1)], -1).reshape(-1, 2)
    return np.append(0, np.hypot(*np.diff(places, axis=0).T).cumsum()), places


def all_measures(times, places, platform, sites) -> np.ndarray:
    numbers = [
        behaviour.latency(times, places, platform, **ANY),
        behaviour.latency(times, places, platform, **ANY, stay=0.2),
        behaviour.path_length(places),
        behaviour.proximity(times, places, platform),
        behaviour.cumulative_search_error(times, places, platform),
        behaviour.zone_time(times, places, platform, 0.2),
        behaviour.search_preference(times, places, platform, sites),
    ]
    return np.array([*numbers, *behaviour.quadrant_time(times, places, platform)])


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), angle=st.floats(0, 2 * np.pi))
def test_turning_the_pool_changes_no_measure(seed, angle):
    times, places = path(seed)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    before = all_measures(times, places, PLATFORM, np.array(SITES))
    after = all_measures(times, places @ turn, PLATFORM @ turn, np.array(SITES) @ turn)
    np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_the_mirror_image_changes_no_measure_but_swaps_the_quadrants_at_the_sides(seed):
    times, places = path(seed)
    mirror = np.array([1.0, -1.0])
    before = all_measures(times, places, PLATFORM, np.array(SITES))
    after = all_measures(times, places * mirror, PLATFORM * mirror, np.array(SITES) * mirror)
    np.testing.assert_allclose(
        after, before[[0, 1, 2, 3, 4, 5, 6, 7, 10, 9, 8]], rtol=1e-7, atol=1e-9
    )


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_cutting_segments_in_two_changes_no_measure(seed):
    times, places = path(seed)
    finer = np.sort(np.append(times, (times[1:] + 2 * times[:-1]) / 3))
    finer_places = np.stack([np.interp(finer, times, along) for along in places.T], axis=1)
    before, after = (
        all_measures(t, p, PLATFORM, np.array(SITES))
        for t, p in ((times, places), (finer, finer_places))
    )
    np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-8)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_time_spent_is_what_a_million_readings_say(seed):
    """A second, slower way: read the place a million times, and count."""
    times, places = path(seed)
    moments = np.linspace(times[0], times[-1], 10**6)
    read = np.stack([np.interp(moments, times, along) for along in places.T], axis=1)
    away = np.hypot(*(read - PLATFORM).T)
    assert behaviour.zone_time(times, places, PLATFORM, 0.2) == pytest.approx(
        (away < 0.2).mean(), abs=1e-4
    )
    assert behaviour.proximity(times, places, PLATFORM) == pytest.approx(away.mean(), abs=1e-4)
    quadrant = np.floor((np.arctan2(read[:, 1], read[:, 0]) / (np.pi / 2) + 0.5) % 4).astype(int)
    counted = np.bincount(quadrant, minlength=4) / len(read)
    np.testing.assert_allclose(behaviour.quadrant_time(times, places, PLATFORM), counted, atol=1e-4)
    first = moments[(away < 0.06).argmax()] if (away < 0.06).any() else 120.0
    assert behaviour.latency(times, places, PLATFORM, **ANY) == pytest.approx(
        min(first, 120.0), abs=1e-3
    )
    straight_way = (
        np.hypot(*(places[0] - PLATFORM)) / behaviour.path_length(places) * (times[-1] - times[0])
    )
    late = away[moments > times[0] + straight_way].sum() * (moments[1] - moments[0])
    assert behaviour.cumulative_search_error(times, places, PLATFORM) == pytest.approx(
        late, abs=1e-2
    )


@pytest.mark.parametrize("platform", [(0.3, 0.0), (-0.5, 0.5), (0.1, -0.7)])
def test_a_circle_around_the_pool_is_a_quarter_of_the_time_in_each_quadrant(platform):
    np.testing.assert_allclose(
        behaviour.quadrant_time(*circle(0.9), np.array(platform)), 0.25, atol=1e-6
    )


def test_quadrants_come_in_turn_and_the_first_is_the_platforms():
    for number, centre in enumerate([(0, 0.5), (-0.5, 0), (0, -0.5), (0.5, 0)]):
        share = behaviour.quadrant_time(*circle(0.1, centre), np.array([0.0, 0.3]))
        np.testing.assert_allclose(share, np.eye(4)[number], atol=1e-12)


def test_standing_on_the_platform_is_no_distance_at_all():
    swim = straight(PLATFORM, PLATFORM, 30.0)
    assert behaviour.proximity(*swim, PLATFORM) == 0
    assert behaviour.zone_time(*swim, PLATFORM, 0.05) == 1
    assert behaviour.latency(*swim, PLATFORM, **ANY) == 0
    assert behaviour.search_preference(*swim, PLATFORM, np.array(SITES)) == 1
    assert np.isnan(behaviour.cumulative_search_error(*swim, PLATFORM))


def test_a_chord_takes_its_length_over_the_speed():
    """0.3 m/s along a line 12 cm from the centre of a zone of 20 cm: a chord of 32 cm."""
    times, places = straight((-0.9, 0.12), (0.9, 0.12), 6.0)
    share = behaviour.zone_time(times, places, np.zeros(2), 0.2)
    assert share * 6.0 == pytest.approx(0.32 / 0.3, rel=1e-12)


def test_swimming_around_the_platform_is_proximity_of_the_circles_radius():
    assert behaviour.proximity(*circle(0.4, PLATFORM), PLATFORM) == pytest.approx(0.4, abs=1e-6)


def test_a_platform_that_is_crossed_between_two_points_is_found():
    times, places = straight((0.0, 0.95), (0.0, -0.95), 1.9 / 0.3)
    assert behaviour.latency(times, places, np.array([0.0, 0.3]), **ANY) == pytest.approx(
        (0.95 - 0.36) / 0.3
    )
    assert behaviour.latency(times, places, np.array([0.061, 0.3]), **ANY) == 120.0


def test_only_a_long_enough_stay_counts_where_one_is_asked_for():
    times = np.array([0.0, 10.0, 15.0, 20.0, 25.0])
    places = np.array([[-1.0, 0.0], [1.0, 0.0], [0.3, 0.0], [0.3, 0.0], [0.3, 0.0]])
    assert behaviour.latency(times, places, PLATFORM, **ANY) == pytest.approx(6.2)
    assert behaviour.latency(times, places, PLATFORM, **ANY, stay=5.0) == pytest.approx(
        15 - 5 * 0.06 / 0.7
    )
    assert behaviour.latency(times, places, PLATFORM, **ANY, stay=11.0) == 120.0


def test_latency_is_never_above_the_limit():
    times, places = straight((-1.0, 0.0), (1.0, 0.0), 300.0)
    assert behaviour.latency(times, places, PLATFORM, **ANY) == 120.0


def test_straight_swims_have_no_search_error_from_wherever_they_start():
    for start in [(0.0, 0.95), (0.95, 0.0), (-0.2, -0.3)]:
        assert behaviour.cumulative_search_error(*straight(start, PLATFORM, 4.0), PLATFORM) == 0


def test_a_detour_costs_what_lies_beyond_the_time_of_a_straight_swim():
    """To a platform half a metre away, past it, and back, at 0.1 m/s: the five seconds on the far
    side remain twice."""
    times, places = np.array([0.0, 10.0, 15.0]), np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
    assert behaviour.cumulative_search_error(times, places, np.array([0.5, 0.0])) == pytest.approx(
        2 * 5 * 0.25
    )


def test_an_even_search_is_at_chance():
    swim = raster()
    np.testing.assert_allclose(
        behaviour.quadrant_time(*swim, np.array([0.3, 0.2])), 0.25, atol=0.005
    )
    assert behaviour.zone_time(*swim, PLATFORM, 0.2) == pytest.approx(0.04, abs=0.001)
    for site in SITES:
        assert behaviour.search_preference(*swim, np.array(site), np.array(SITES)) == pytest.approx(
            0.125, abs=0.002
        )


def test_search_preference_without_search_is_not_a_number():
    assert np.isnan(behaviour.search_preference(*circle(0.98), PLATFORM, np.array(SITES)))


def test_the_mazes_own_clock_agrees():
    """A swim of the simulated maze: its clock stops at the rim, its last step leads to the
    middle."""
    maze = WaterMaze(jnp.array([[0.0, 0.3]]))
    state, step = maze.reset(0, key=jr.key(0)), eqx.filter_jit(maze.step)
    times, places = [0.0], [state.position]
    for _ in range(10):
        state, feedback = step(state, jnp.array(6), key=jr.key(0))
        times, places = [*times, float(state.elapsed)], [*places, state.position]
        if feedback.over:
            break
    found = behaviour.latency(np.array(times), np.array(places), np.array([0.0, 0.3]), **ANY)
    assert float(state.elapsed) == pytest.approx((0.95 - 0.36) / 0.3, abs=1e-5)
    assert 0 <= float(state.elapsed) - found <= 0.06 / 0.3


def test_a_part_of_a_path_is_that_part():
    times, places = path(3)
    middle = (times[0] + times[-1]) / 2
    first, second = (
        behaviour.between(times, places, *ends) for ends in ((-1, middle), (middle, 1e9))
    )
    assert behaviour.path_length(first[1]) + behaviour.path_length(second[1]) == pytest.approx(
        behaviour.path_length(places)
    )
    with pytest.raises(InputError, match="nothing is left"):
        behaviour.between(times, places, 1e8, 1e9)


BROKEN = {
    "one point": (np.zeros(1), np.zeros((1, 2))),
    "three columns": (np.arange(4.0), np.zeros((4, 3))),
    "time stands still": (np.zeros(3), np.zeros((3, 2))),
    "a point is missing": (np.arange(3.0), np.array([[0.0, 0.0], [np.nan, 0.0], [0.0, 0.0]])),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_path_that_is_none_is_refused(broken):
    with pytest.raises(InputError, match="A path needs"):
        behaviour.proximity(*broken, PLATFORM)


def test_zones_that_make_no_sense_are_refused():
    swim = circle(0.5)
    with pytest.raises(InputError, match="overlap"):
        behaviour.search_preference(*swim, PLATFORM, np.array(SITES), radius=0.3)
    with pytest.raises(InputError, match="in no zone"):
        behaviour.search_preference(*swim, np.array([0.0, 0.9]), np.array(SITES))
    with pytest.raises(InputError, match="centre of the pool"):
        behaviour.quadrant_time(*swim, np.zeros(2))
