"""Measures of one swim in a pool, exact for a path of straight segments that are each swum at
constant speed.

A path is two arrays: `times`, "points", increasing, in seconds since the animal was released;
`places`, "points 2", in metres from the centre of the pool. A path that breaks these rules raises
`InputError`.
"""

import numpy as np
from jaxtyping import Bool, Float

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
    """The latency: seconds until the animal arrives on the platform, or `limit` if it does not
    arrive within that time.

    A path that crosses the platform between two points counts, too. In a simulated maze the last
    step leads to the middle of the platform although the clock stops at its rim: there
    `Swimmer.elapsed` is exact, and this measure is up to `platform_radius` / speed too short.

    **Arguments:**

    - `stay`: seconds that the animal must stay for an arrival to count (default: crossing is
      enough).

    >>> times, places = np.array([0.0, 10.0]), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> latency(times, places, np.zeros(2), platform_radius=0.1, limit=60.0)
    4.5
    """
    check_positive("latency", platform_radius=platform_radius, limit=limit)
    check_not_negative("latency", stay=stay)
    starts, steps, seconds = _segments(times, places)
    enters, leaves, meets = _within(starts, steps, platform, platform_radius)
    begins, ends = ((np.asarray(times)[:-1] + share * seconds)[meets] for share in (enters, leaves))
    separate = begins[1:] > ends[:-1] + 1e-9  # otherwise it is one visit, over several segments
    begins, ends = (
        begins[np.append(True, separate)[: len(begins)]],
        ends[np.append(separate, True)[: len(ends)]],
    )
    arrivals = begins[ends - begins >= stay]
    return float(min(arrivals[0], limit)) if len(arrivals) else float(limit)


def path_length(places: Places) -> float:
    """The length of a path, in metres.

    >>> path_length(np.array([[0.0, 0.0], [0.3, 0.4], [0.3, 0.0]]))
    0.9
    """
    return float(np.hypot(*np.diff(np.asarray(places, np.float64), axis=0).T).sum())


def proximity(times: Times, places: Places, platform: Place) -> float:
    """The mean distance to the platform over the time of the path, in metres. Lower is better.

    Source: Gallagher, Burwell & Burchinal 1993, *Severity of spatial learning impairment in aging*.
    They average ten readings per second; this function integrates.

    >>> proximity(np.array([0.0, 5.0]), np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros(2))
    0.5
    """
    starts, steps, seconds = _segments(times, places)
    return float(np.average(_mean_distance(starts, steps, platform), weights=seconds))


def cumulative_search_error(times: Times, places: Places, platform: Place) -> float:
    """The distance to the platform summed over time, in metres x seconds, without the time that any
    swim from that start needs.

    That time is what a straight swim to the platform takes at the mean speed of the path; it is cut
    from the beginning of the record. A straight swim at constant speed has no error. The error is
    also zero if the animal swam less than its distance from the platform, and NaN if it did not
    move.

    Source: Gallagher, Burwell & Burchinal 1993. They sum means over one second; this function
    integrates. It is not the "ideal path error" of other programs, which subtracts the sum of the
    straight swim itself.

    Here the mean speed is 0.05 m/s, so that a straight swim would take all of the time; then ten
    seconds remain, at half a metre on average:

    >>> east = np.array([1.0, 0.5, 0.5, 0.0])
    >>> places = np.stack([east, np.zeros(4)], axis=1)
    >>> cumulative_search_error(np.array([0.0, 5.0, 15.0, 20.0]), places, np.zeros(2))
    0.0
    >>> places = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    >>> cumulative_search_error(np.array([0.0, 10.0, 20.0]), places, np.zeros(2))
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
    """The share of time in each quadrant of the pool, anticlockwise, beginning with the quadrant
    whose midline the platform lies on. Chance is a quarter each.

    **Raises:** `InputError` for a platform in the centre of the pool, which is in no quadrant.

    >>> times, places = np.array([0.0, 1.0]), np.array([[-0.5, 0.0], [0.5, 0.0]])
    >>> quadrant_time(times, places, np.array([0.5, 0.0]))
    array([0.5, 0. , 0.5, 0. ])
    """
    starts, steps, seconds = _segments(times, places)
    east, north = np.asarray(platform, np.float64)
    if np.hypot(east, north) < 1e-9:
        raise InputError(
            "quadrant_time: the platform is in the centre of the pool, in no quadrant. Use"
            " `zone_time`."
        )
    # Rotated so that the platform lies to the north-east: then quadrants are signs, and their
    # borders are the two axes.
    turn = np.array([[east + north, east - north], [north - east, east + north]])
    starts, steps = starts @ turn, steps @ turn
    with np.errstate(divide="ignore", invalid="ignore"):
        # The share of the segment after which an axis is crossed.
        borders = np.nan_to_num(-starts / steps, nan=0.0)
    cuts = np.sort(np.pad(np.clip(borders, 0, 1), ((0, 0), (1, 1)), constant_values=(0, 1)), axis=1)
    middles = starts[:, None] + (cuts[:, :-1] + cuts[:, 1:])[..., None] / 2 * steps[:, None]
    up, right = middles[..., 1] >= 0, middles[..., 0] >= 0
    quadrant = np.where(up, np.where(right, 0, 1), np.where(right, 3, 2))
    spent = np.diff(cuts, axis=1) * seconds[:, None]
    return np.bincount(quadrant.ravel(), spent.ravel(), minlength=4) / seconds.sum()


def zone_time(times: Times, places: Places, centre: Place, radius: float) -> float:
    """The share of time within `radius` of a place. Chance is the zone's share of the pool's area,
    (radius / pool radius)².

    >>> times, places = np.array([0.0, 10.0]), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> round(zone_time(times, places, np.zeros(2), 0.2), 12)
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
    """Search preference: of the time spent in any zone, the share in the zone of the platform; NaN
    if the animal was in no zone.

    Chance is one divided by the number of zones: 12.5 % for eight, in a probe trial without a
    platform. A swim that ends on the platform ends in the right zone whatever the animal knew: cut
    it at its arrival (`between`), or waiting counts as search.

    **Arguments:**

    - `zones`: their centres; those of the water maze are in `learnset.envs.water_maze.SITES`. They
      must not overlap.
    - `radius`: metres, of each.

    Source: Bast, Wilson, Witter & Morris 2009, *From rapid place learning to behavioral
    performance*.

    This swim leads through 40 cm of one zone and 20 cm of the other:

    >>> times, places = np.array([0.0, 1.0]), np.array([[-0.7, 0.0], [0.5, 0.0]])
    >>> zones = np.array([[0.5, 0.0], [-0.5, 0.0]])
    >>> round(search_preference(times, places, zones[1], zones), 3)
    0.667
    """
    from scipy.spatial.distance import pdist

    zones = np.asarray(zones, np.float64)
    if len(zones) > 1 and pdist(zones).min() < 2 * radius - 1e-9:
        raise InputError(
            f"search_preference: zones of {radius} m overlap. Choose a smaller `radius`, or fewer"
            " zones."
        )
    distance = np.hypot(*(zones - np.asarray(platform)).T)
    if distance.min() > radius:
        raise InputError(
            f"search_preference: the platform is in no zone; the nearest is {distance.min():.2f} m"
            " away. Choose a larger `radius`, or add the zone of the platform."
        )
    spent = np.array([zone_time(times, places, zone, radius) for zone in zones])
    return float(spent[distance.argmin()] / spent.sum()) if spent.sum() > 0 else float("nan")


def between(times: Times, places: Places, begin: float, end: float) -> tuple[Times, Places]:
    """The part of a path between two times in seconds, such as the first minute of a probe trial.

    >>> between(np.array([0.0, 2.0]), np.array([[0.0, 0.0], [1.0, 0.0]]), 1.0, 9.0)
    (array([1., 2.]), array([[0.5, 0. ],
           [1. , 0. ]]))
    """
    _segments(times, places)
    begin, end = max(begin, float(times[0])), min(end, float(times[-1]))
    if not begin < end:
        raise InputError(
            f"between: nothing is left of a path from {times[0]} to {times[-1]} s. Ask for a part"
            " within it."
        )
    inside = (times > begin) & (times < end)
    times_cut = np.concatenate([[begin], np.asarray(times)[inside], [end]])
    return times_cut, np.stack(
        [np.interp(times_cut, times, along) for along in np.asarray(places).T], axis=1
    )


def _segments(times: Times, places: Places) -> tuple[Places, Places, Segments]:
    """The start of each segment, its displacement, and its duration in seconds."""
    times, places = np.asarray(times, np.float64), np.asarray(places, np.float64)
    if times.ndim != 1 or len(times) < 2 or places.shape != (len(times), 2):
        shapes = f"{times.shape} and {places.shape}"
        raise InputError(
            "A path needs times of shape (n,) and places of shape (n, 2), with n at least 2; not"
            f" {shapes}."
        )
    if not (np.isfinite(times).all() and np.isfinite(places).all() and (np.diff(times) > 0).all()):
        raise InputError(
            "A path needs finite places at increasing, finite times. Leave out points that were not"
            " tracked."
        )
    return places[:-1], np.diff(places, axis=0), np.diff(times)


def _within(
    starts: Places, steps: Places, centre: Place, radius: float
) -> tuple[Segments, Segments, Bool[np.ndarray, "segments"]]:
    """The shares of each segment after which it enters and leaves a circle (equal if none of it
    lies inside), and whether the two meet."""
    offset = starts - np.asarray(centre, np.float64)
    square, along = (steps**2).sum(1), (offset * steps).sum(1)
    outside = (offset**2).sum(1) - radius**2
    root = along**2 - square * outside
    moves = square > 1e-24
    half = np.sqrt(np.maximum(root, 0))
    first = np.where(moves, (-along - half) / np.where(moves, square, 1), 0)
    last = np.where(moves, (-along + half) / np.where(moves, square, 1), 1)
    meets = np.where(moves, (root >= 0) & (first <= 1) & (last >= 0), outside <= 0)
    return np.where(meets, np.clip(first, 0, 1), 0), np.where(meets, np.clip(last, 0, 1), 0), meets


def _mean_distance(starts: Places, steps: Places, place: Place) -> Segments:
    """The mean distance of each segment to a place: the integral of √(u² + h²), with u along the
    segment and h at right angles to it."""
    offset, length = starts - np.asarray(place, np.float64), np.hypot(*steps.T)
    # Metres; in shorter segments the midpoint is exact enough, and the difference below is not.
    moves = length > 1e-6
    direction = steps / np.where(moves, length, 1)[:, None]
    begin = (offset * direction).sum(1)
    h = np.abs(offset[:, 0] * direction[:, 1] - offset[:, 1] * direction[:, 0])

    def integral(u: Segments) -> Segments:
        return (u * np.hypot(u, h) + h**2 * np.arcsinh(u / np.maximum(h, 1e-12))) / 2

    mean = (integral(begin + length) - integral(begin)) / np.where(moves, length, 1)
    return np.where(moves, mean, np.hypot(*(offset + steps / 2).T))
