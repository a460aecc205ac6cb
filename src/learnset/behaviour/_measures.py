"""Measures of one swim in a pool. Each is exact for a path of straight segments, swum at even speed within each.

A path is two arrays: `times`, "points", seconds since the animal was let go, rising; `places`, "points 2", metres from
the centre of the pool. A path that breaks these rules raises `InputError`.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.distance import pdist

from ..core import check_not_negative, check_positive, InputError

Times = Float[np.ndarray, "points"]  # seconds
Places = Float[np.ndarray, "points 2"]  # metres
Place = Float[np.ndarray, "2"]  # metres
Segments = Float[np.ndarray, "segments"]


def latency(
    times: Times,
    places: Places,
    platform: Place,
    *,
    platform_radius: float,
    limit: float,
    stay: float = 0.0,
) -> float:
    """Seconds until the animal arrives on the platform; `limit`, if it does not within that time.

    A path counts where it crosses the platform between two points, too. In a simulated maze the last step leads to the
    middle of the platform though the clock stops at its rim: there `Swimmer.elapsed` is exact, and this up to
    `platform_radius` / speed too short.

    **Arguments:**

    - `stay`: seconds that the animal must stay for an arrival to count; by default crossing is enough.

    >>> times, places = np.array([0.0, 10.0]), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> latency(times, places, np.zeros(2), platform_radius=0.1, limit=60.0)
    4.5
    """
    check_positive("latency", platform_radius=platform_radius, limit=limit)
    check_not_negative("latency", stay=stay)
    starts, steps, seconds = _segments(times, places)
    enters, leaves, meets = _within(starts, steps, platform, platform_radius)
    begins, ends = ((np.asarray(times)[:-1] + share * seconds)[meets] for share in (enters, leaves))
    apart = begins[1:] > ends[:-1] + 1e-9  # otherwise it is one visit, over several segments
    begins, ends = (
        begins[np.append(True, apart)[: len(begins)]],
        ends[np.append(apart, True)[: len(ends)]],
    )
    counted = begins[ends - begins >= stay]
    return float(min(counted[0], limit)) if len(counted) else float(limit)


def path_length(places: Places) -> float:
    """Metres swum.

    >>> path_length(np.array([[0.0, 0.0], [0.3, 0.4], [0.3, 0.0]]))
    0.9
    """
    return float(np.hypot(*np.diff(np.asarray(places, np.float64), axis=0).T).sum())


def proximity(times: Times, places: Places, platform: Place) -> float:
    """Mean distance to the platform, metres, over the time of the path. Low is good.

    Source: Gallagher, Burwell & Burchinal 1993, *Severity of spatial learning impairment in aging*. They average ten
    readings a second, this integrates.

    >>> proximity(np.array([0.0, 5.0]), np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros(2))
    0.5
    """
    starts, steps, seconds = _segments(times, places)
    return float(np.average(_mean_distance(starts, steps, platform), weights=seconds))


def cumulative_search_error(times: Times, places: Places, platform: Place) -> float:
    """Distance to the platform summed over time, metres x seconds, less the way that any swim from that start needs.

    What is left out is the time that a straight swim to the platform takes at the path's mean speed: the first that
    many seconds of the record. A straight swim at even speed has no error. Zero also where the animal swam less far
    than the platform was away, and NaN where it did not move.

    Source: Gallagher, Burwell & Burchinal 1993; they sum means of a second each, this integrates. It is not the "ideal
    path error" of other programs, which subtracts the straight swim's own sum.

    >>> times, places = np.array([0.0, 5.0, 15.0, 20.0]), np.array([[1.0, 0], [0.5, 0.0], [0.5, 0.0], [0.0, 0.0]])
    >>> cumulative_search_error(times, places, np.zeros(2))  # a mean speed of 0.05 m/s: the error of no second is left
    0.0
    >>> times, places = np.array([0.0, 10.0, 20.0]), np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    >>> cumulative_search_error(times, places, np.zeros(2))  # ten seconds at half a metre on average
    5.0
    """
    starts, steps, seconds = _segments(times, places)
    speed = path_length(places) / seconds.sum()
    if speed == 0:
        return float("nan")
    begin = times[0] + float(np.hypot(*(starts[0] - platform))) / speed
    if begin >= times[-1] - 1e-9:
        return 0.0
    starts, steps, seconds = _segments(*between(times, places, begin, float(times[-1])))
    return float(_mean_distance(starts, steps, platform) @ seconds)


def quadrant_time(times: Times, places: Places, platform: Place) -> Float[np.ndarray, "4"]:
    """The share of time in each quadrant of the pool: the platform's, which it halves, and on anticlockwise. Chance is
    a quarter each. A platform in the centre of the pool, which has no quadrant, raises `InputError`.

    >>> quadrant_time(np.array([0.0, 1.0]), np.array([[-0.5, 0.0], [0.5, 0.0]]), np.array([0.5, 0.0]))
    array([0.5, 0. , 0.5, 0. ])
    """
    starts, steps, seconds = _segments(times, places)
    east, north = np.asarray(platform, np.float64)
    if np.hypot(east, north) < 1e-9:
        raise InputError(
            "quadrant_time: the platform is in the centre of the pool, in no quadrant. Use `zone_time`."
        )
    # Turned so that the platform lies to the north-east: then quadrants are signs, and their borders the two axes.
    turn = np.array([[east + north, east - north], [north - east, east + north]])
    starts, steps = starts @ turn, steps @ turn
    with np.errstate(divide="ignore", invalid="ignore"):
        borders = np.nan_to_num(
            -starts / steps, nan=0.0
        )  # the share of the segment after which an axis is crossed
    cuts = np.sort(np.pad(np.clip(borders, 0, 1), ((0, 0), (1, 1)), constant_values=(0, 1)), axis=1)
    middles = starts[:, None] + (cuts[:, :-1] + cuts[:, 1:])[..., None] / 2 * steps[:, None]
    up, right = middles[..., 1] >= 0, middles[..., 0] >= 0
    quadrant = np.where(up, np.where(right, 0, 1), np.where(right, 3, 2))
    spent = np.diff(cuts, axis=1) * seconds[:, None]
    return np.bincount(quadrant.ravel(), spent.ravel(), minlength=4) / seconds.sum()


def zone_time(times: Times, places: Places, centre: Place, radius: float) -> float:
    """The share of time within `radius` of a place. Chance is the share of the pool's area: (radius / pool radius)².

    >>> round(zone_time(np.array([0.0, 10.0]), np.array([[0.0, 1.0], [0.0, -1.0]]), np.zeros(2), 0.2), 12)
    0.2
    """
    check_positive("zone_time", radius=radius)
    starts, steps, seconds = _segments(times, places)
    enters, leaves, _ = _within(starts, steps, centre, radius)
    return float((leaves - enters) @ seconds / seconds.sum())


def search_preference(
    times: Times,
    places: Places,
    platform: Place,
    zones: Float[np.ndarray, "zones 2"],
    radius: float = 0.2,
) -> float:
    """Of the time in any of some zones, the share in the one that holds the platform; NaN if the animal was in none.
    Chance is one in their number: 12.5 % for eight, in a probe trial without a platform. A swim that ends on the platform
    ends in the right zone whatever the animal knew: cut it at its arrival (`between`), or waiting counts as search.

    **Arguments:**

    - `zones`: their centres; those of the water maze are in `learnset.envs.water_maze.SITES`. They must not overlap.
    - `radius`: metres, of each.

    Source: Bast, Wilson, Witter & Morris 2009, *From rapid place learning to behavioral performance*.

    >>> zones = np.array([[0.5, 0.0], [-0.5, 0.0]])
    >>> round(search_preference(np.array([0.0, 1.0]), np.array([[-0.7, 0.0], [0.5, 0.0]]), zones[1], zones), 3)  # 40 and 20 cm
    0.667
    """
    zones = np.asarray(zones, np.float64)
    if len(zones) > 1 and pdist(zones).min() < 2 * radius - 1e-9:
        raise InputError(
            f"search_preference: zones of {radius} m overlap. Choose a smaller `radius`, or fewer zones."
        )
    away = np.hypot(*(zones - np.asarray(platform)).T)
    if away.min() > radius:
        raise InputError(
            f"search_preference: the platform is in no zone; the nearest is {away.min():.2f} m away."
        )
    spent = np.array([zone_time(times, places, zone, radius) for zone in zones])
    return float(spent[away.argmin()] / spent.sum()) if spent.sum() > 0 else float("nan")


def between(times: Times, places: Places, begin: float, end: float) -> tuple[Times, Places]:
    """The path between two times, in seconds: the first minute of a probe trial, say.

    >>> between(np.array([0.0, 2.0]), np.array([[0.0, 0.0], [1.0, 0.0]]), 1.0, 9.0)
    (array([1., 2.]), array([[0.5, 0. ],
           [1. , 0. ]]))
    """
    _segments(times, places)
    begin, end = max(begin, float(times[0])), min(end, float(times[-1]))
    if not begin < end:
        raise InputError(
            f"between: nothing is left of a path of {times[0]} to {times[-1]} s. Ask for a part of that."
        )
    inside = (times > begin) & (times < end)
    times_cut = np.concatenate([[begin], np.asarray(times)[inside], [end]])
    return times_cut, np.stack(
        [np.interp(times_cut, times, along) for along in np.asarray(places).T], axis=1
    )


def _segments(times: Times, places: Places) -> tuple[Places, Places, Segments]:
    """Where each segment starts, how it leads on, and how many seconds it takes."""
    times, places = np.asarray(times, np.float64), np.asarray(places, np.float64)
    if times.ndim != 1 or len(times) < 2 or places.shape != (len(times), 2):
        shapes = f"{times.shape} and {places.shape}"
        raise InputError(
            f"A path needs times of shape (n,) and places of shape (n, 2), n at least 2; not {shapes}."
        )
    if not (np.isfinite(times).all() and np.isfinite(places).all() and (np.diff(times) > 0).all()):
        raise InputError(
            "A path needs finite places at rising, finite times. Leave out points that were not tracked."
        )
    return places[:-1], np.diff(places, axis=0), np.diff(times)


def _within(
    starts: Places, steps: Places, centre: Place, radius: float
) -> tuple[Segments, Segments, Bool[np.ndarray, "segments"]]:
    """The shares of each segment after which it enters and leaves a circle (the same, if it has no length in it), and
    whether the two meet."""
    away = starts - np.asarray(centre, np.float64)
    square, along, outside = (steps**2).sum(1), (away * steps).sum(1), (away**2).sum(1) - radius**2
    root = along**2 - square * outside
    moves = square > 1e-24
    half = np.sqrt(np.maximum(root, 0))
    first = np.where(moves, (-along - half) / np.where(moves, square, 1), 0)
    last = np.where(moves, (-along + half) / np.where(moves, square, 1), 1)
    meets = np.where(moves, (root >= 0) & (first <= 1) & (last >= 0), outside <= 0)
    return np.where(meets, np.clip(first, 0, 1), 0), np.where(meets, np.clip(last, 0, 1), 0), meets


def _mean_distance(starts: Places, steps: Places, place: Place) -> Segments:
    """Mean distance of each segment to a place: the integral of √(u² + h²), u along the segment, h beside it."""
    away, length = starts - np.asarray(place, np.float64), np.hypot(*steps.T)
    moves = (
        length > 1e-6
    )  # metres; below, the middle is exact enough, and the difference below is not
    direction = steps / np.where(moves, length, 1)[:, None]
    begin = (away * direction).sum(1)
    beside = np.abs(away[:, 0] * direction[:, 1] - away[:, 1] * direction[:, 0])

    def integral(u: Segments) -> Segments:
        return (u * np.hypot(u, beside) + beside**2 * np.arcsinh(u / np.maximum(beside, 1e-12))) / 2

    mean = (integral(begin + length) - integral(begin)) / np.where(moves, length, 1)
    return np.where(moves, mean, np.hypot(*(away + steps / 2).T))
