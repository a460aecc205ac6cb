"""The Morris water maze: find a platform under opaque water from what is visible around the pool.

`python -m learnset.envs.water_maze` draws a pool and a swim.
"""

import dataclasses
import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ...core import check_not_negative, check_positive, InputError, Split
from .._base import AbstractEnv, AbstractEnvs, Continuous, Discrete, Feedback, feedback

Place = Float[Array, "2"]  # metres from the centre of the pool: east, north

STARTS = ((0.0, 0.95), (0.95, 0.0), (0.0, -0.95), (-0.95, 0.0))  # metres: north, east, south, west
# Eight places whose zones of 40 cm do not overlap, for search preference.
SITES = (
    (0.3, 0.0), (0.5, 0.5), (0.0, 0.3), (-0.5, 0.5),
    (-0.3, 0.0), (-0.5, -0.5), (0.0, -0.3), (0.5, -0.5),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Pool:
    """The constants of a water maze: the pool, the speed and senses of the swimmer, and the rules.

    Sizes, speed and the rule that an animal that runs out of time is put on the platform are those
    of the rapid-place-learning laboratory's models. A decision every half second is coarser than
    their tenth of a second, but the platform is found anywhere along the path in between, and
    directions fade as theirs do (three quarters of the old one remain after 0.1 s).

    Source: Foster, Morris & Dayan 2000, *A model of hippocampally dependent navigation, using the
    temporal difference learning rule*; sites and starts as in Tessereau et al. 2021,
    *Hippocampal-prefrontal interactions ... in the watermaze*.
    """

    radius: float = 1.0  # metres
    platform_radius: float = 0.06  # metres
    speed: float = 0.3  # metres per second
    interval: float = 0.5  # seconds between decisions
    time_limit: float = 120.0  # seconds per trial
    turning: float = 0.348  # seconds in which the remainder of the old direction falls to 1/e
    cells: int = 97  # place cells
    cell_width: float = 0.16  # metres; standard deviation of a place field
    heading: bool = True  # the direction of swimming is sensed
    landmarks: tuple[tuple[float, float], ...] = ()  # metres; sensed as directions
    continuous: bool = False  # an action is a direction, as a vector of two; otherwise one of eight
    guided: bool = True  # a swimmer that runs out of time is put on the platform

    def __post_init__(self):
        sizes = ("radius", "platform_radius", "cell_width", "speed")
        times = ("interval", "time_limit", "turning")
        check_positive("Pool", **{name: getattr(self, name) for name in sizes + times})
        check_not_negative("Pool", cells=self.cells)
        if self.cells + self.heading + len(self.landmarks) == 0:
            raise InputError(
                f"Pool: `cells={self.cells}` and no other sense, so that nothing can be observed."
                " Add cells, landmarks or `heading`."
            )
        if self.platform_radius >= self.radius:
            raise InputError(
                f"Pool: `platform_radius={self.platform_radius}`, but it must be less than"
                f" `radius={self.radius}`."
            )

    @property
    def centres(self) -> Float[np.ndarray, "cells 2"]:
        """The places, in metres, where the place cells fire most: spread evenly, like the seeds of
        a sunflower."""
        number = np.arange(self.cells)
        radius = self.radius * np.sqrt((number + 0.5) / max(self.cells, 1))
        angle = number * np.pi * (3 - np.sqrt(5))
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)

    def place_cells(self, position: Place) -> Float[Array, "cells"]:
        """The rates, from 0 to 1, of cells with Gaussian place fields.

        Source: Foster, Morris & Dayan 2000, equation 1.
        """
        away = jnp.asarray(self.centres, position.dtype) - position[None]
        return jnp.exp(-(away**2).sum(axis=-1) / (2 * self.cell_width**2))


class Swimmer(eqx.Module):
    """The state of the animal within one trial."""

    position: Place
    heading: Float[Array, "2"]  # unit vector, or zero at rest
    elapsed: Float[Array, ""]  # seconds
    travelled: Float[Array, ""]  # metres
    steps: Int[Array, ""]
    trial: Int[Array, ""]


class WaterMaze(AbstractEnv):
    """A water maze with a place of the platform for each trial: one day of delayed
    matching-to-place, many days of reference memory, a reversal, or probe trials.

    A trial starts at rest. The reward is 1 on the platform and 0 elsewhere. `Swimmer.elapsed` is
    the exact time of arrival, within a step. No step leaves the pool: the wall reflects.

    **Arguments:**

    - `platforms`: metres, for each trial.
    - `starts`: metres, for each trial (default: north, east, south and west in turn).
    - `probe`: whether a trial has no platform, for each trial (default: all have one).
    - `platform_radius`: metres (default: that of the pool).

    >>> import jax, jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> maze = ls.envs.WaterMaze(jnp.tile(jnp.array([0.3, 0.0]), (4, 1)))
    >>> state = maze.reset(0, key=jr.key(0))
    >>> state, feedback = maze.step(state, jnp.array(6), key=jr.key(1))  # south
    >>> round(float(state.position[1]), 3)  # it started at 0.95 m
    0.8
    """

    platforms: Float[Array, "trials 2"]
    starts: Float[Array, "trials 2"]
    probe: Bool[Array, "trials"]
    platform_radius: Float[Array, ""]
    pool: Pool = eqx.field(static=True)

    def __init__(
        self,
        platforms: Array,
        starts: Array | None = None,
        probe: Array | None = None,
        pool: Pool = Pool(),
        platform_radius: Array | None = None,
    ):
        trials = platforms.shape[0]
        if starts is None:
            in_turn = [STARTS[i % len(STARTS)] for i in range(trials)]
            starts = jnp.asarray(in_turn, platforms.dtype) * pool.radius
        if platform_radius is None:
            platform_radius = jnp.asarray(pool.platform_radius)
        self.platforms = platforms
        self.starts = starts
        self.probe = jnp.zeros(trials, bool) if probe is None else probe
        self.platform_radius = platform_radius
        self.pool = pool

    @property
    def trials(self) -> int:
        return self.platforms.shape[-2]

    @property
    def trial_steps(self) -> int:
        # By rounding, 1.1 / 0.1 is more than 11.
        return math.ceil(self.pool.time_limit / self.pool.interval - 1e-9)

    @property
    def actions(self) -> Discrete | Continuous:
        return Continuous(2) if self.pool.continuous else Discrete(8)

    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> Swimmer:
        del key
        start = self.starts[trial]
        zero = jnp.zeros((), start.dtype)
        return Swimmer(start, jnp.zeros_like(start), zero, zero, jnp.asarray(0), jnp.asarray(trial))

    def step(
        self, state: Swimmer, action: Array, *, key: Key[Array, ""]
    ) -> tuple[Swimmer, Feedback]:
        del key
        pool, platform = self.pool, self.platforms[state.trial]
        heading = self._turned(state.heading, self._direction(action))
        length = pool.speed * pool.interval * jnp.sqrt(heading @ heading)  # zero at rest

        # As far as the wall, and from there like light from a mirror.
        to_wall = jnp.minimum(_to_wall(state.position, heading, pool.radius), length)
        wall = state.position + to_wall * heading
        normal = wall / pool.radius
        back = jnp.where(
            to_wall < length, _unit(heading - 2 * (heading @ normal) * normal, heading), heading
        )
        rest = jnp.minimum(length - to_wall, jnp.maximum(_to_wall(wall, back, pool.radius), 0))
        end = _inside(wall + rest * back, pool.radius)

        first, second = (
            _entry(start, way, far, platform, self.platform_radius)
            for start, way, far in ((state.position, heading, to_wall), (wall, back, rest))
        )
        swum = jnp.minimum(first, to_wall + second)  # infinite if the path misses the platform
        found = jnp.isfinite(swum) & ~self.probe[state.trial]
        swum = jnp.where(found, swum, to_wall + rest)

        late = ~found & (state.steps + 1 >= self.trial_steps)
        carried = found | (late & ~self.probe[state.trial] & pool.guided)
        seconds = jnp.where(found, swum / pool.speed, pool.interval)
        state = Swimmer(
            jnp.where(carried, platform, end),
            jnp.where(carried, jnp.zeros_like(back), back),
            state.elapsed + seconds.astype(state.elapsed.dtype),
            state.travelled + swum,
            state.steps + 1,
            state.trial,
        )
        return state, feedback(found, found, late)

    def observe(self, state: Swimmer) -> Float[Array, "observation"]:
        senses = [self.pool.place_cells(state.position)]
        senses += [state.heading] if self.pool.heading else []
        senses += [
            _unit(jnp.asarray(mark) - state.position, jnp.zeros(2)) for mark in self.pool.landmarks
        ]
        return jnp.concatenate(senses)

    def secret(self, state: Swimmer) -> Float[Array, "secret"]:
        """The place of the platform relative to the swimmer and to the centre, and its distance."""
        platform = self.platforms[state.trial]
        away = platform - state.position
        return jnp.concatenate([away, platform, jnp.sqrt((away**2).sum())[None]])

    def _direction(self, action: Array) -> Float[Array, "2"]:
        """East for 0, and an eighth of a turn anticlockwise for each further action; or the
        direction of a vector."""
        if self.pool.continuous:
            return _unit(action, jnp.zeros_like(action))
        angles = np.arange(8) * np.pi / 4
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        return jnp.asarray(directions, self.platforms.dtype)[action]

    def _turned(self, old: Float[Array, "2"], new: Float[Array, "2"]) -> Float[Array, "2"]:
        """The direction of this step: the new one, with the remainder of the old one."""
        remainder = math.exp(-self.pool.interval / self.pool.turning)
        return _unit((1 - remainder) * new + remainder * old, new)


def _unit(vector: Array, otherwise: Array) -> Array:
    """The vector scaled to length one, or `otherwise` for a zero vector."""
    length = jnp.sqrt((vector**2).sum())
    return jnp.where(length > 1e-6, vector / jnp.maximum(length, 1e-6), otherwise)


def _to_wall(position: Place, direction: Float[Array, "2"], radius: float) -> Float[Array, ""]:
    """Metres from a place in the pool to the wall; infinite at rest."""
    along = position @ direction
    room = jnp.maximum(radius**2 - position @ position, 0)
    return jnp.where(direction @ direction > 0, jnp.sqrt(along**2 + room) - along, jnp.inf)


def _entry(
    start: Place, direction: Array, length: Array, platform: Place, radius: Array
) -> Float[Array, ""]:
    """Metres along a straight path until it enters the platform; infinite if it does not."""
    towards = platform - start
    along = towards @ direction
    half_squared = radius**2 - (towards @ towards - along**2)
    half = jnp.sqrt(jnp.maximum(half_squared, 0))
    crosses = (half_squared >= 0) & (along + half >= 0) & (along - half <= length)
    return jnp.where(crosses, jnp.maximum(along - half, 0), jnp.inf)


def _inside(position: Place, radius: float) -> Place:
    """The same place, or the nearest one on the wall if rounding has moved it outside."""
    distance = jnp.sqrt((position**2).sum())
    scale = radius / jnp.maximum(distance, radius)
    return jnp.where(distance > radius, position * scale, position)


def _sector_bounds(split: Split) -> tuple[float, float]:
    """The range, in degrees from a multiple of 45, of the platforms of a split. The test sectors
    contain all `SITES`."""
    bounds = {Split.TEST: (-7.5, 7.5), Split.VALIDATION: (7.5, 15.0), Split.TRAIN: (15.0, 37.5)}
    return bounds[split]


def _check_places(
    owner: str, pool: Pool, reach: float, sites: tuple[tuple[float, float], ...] = ()
) -> None:
    check_positive(owner, reach=reach)
    furthest = max((math.hypot(*site) for site in sites), default=reach)
    if furthest > pool.radius:
        name = "sites" if sites else "reach"
        raise InputError(
            f"{owner}: with this `{name}`, platforms are up to {furthest:g} m from the centre of a"
            f" pool of radius {pool.radius:g} m. Lower `{name}`, or raise the `radius` of the pool."
        )


class MatchingToPlace(AbstractEnvs):
    """Days of delayed matching-to-place: the platform is in another place every day, and stays
    there for the trials of the day. The first trial is for exploration; the others show what was
    learnt from it.

    Platforms of training, validation and test days lie in different sectors of the pool: of each
    eighth of it, the middle third is for tests, a sixth for validation, and the rest for training.
    The four starts come in random order.

    Source: Steele & Morris 1999; Bast, Wilson, Witter & Morris 2009, *From rapid place learning to
    behavioral performance*.

    **Arguments:**

    - `sites`: the only places of platforms, in metres, in all splits (default: anywhere).
    - `probe`: the trial, counted from zero, without a platform (default: none).
    - `largest`: metres; if given, the platform of each day has a radius between that of the pool
      and this one, which makes learning easier at first.
    """

    pool: Pool = eqx.field(static=True, default=Pool())
    trials: int = eqx.field(static=True, default=4)
    reach: float = eqx.field(static=True, default=0.85)  # metres from the centre to platforms
    sites: tuple[tuple[float, float], ...] = eqx.field(static=True, default=())
    probe: int | None = eqx.field(static=True, default=None)
    largest: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        _check_places("MatchingToPlace", self.pool, self.reach, self.sites)
        smallest, radius = self.pool.platform_radius, self.pool.radius
        if self.largest is not None and not smallest <= self.largest < radius:
            raise InputError(
                f"MatchingToPlace: `largest={self.largest}`, but it is the largest radius of a"
                f" platform, and must be at least `platform_radius={smallest}` and less than"
                f" `radius={radius}` of the pool."
            )
        if self.trials < 1:
            raise InputError(f"MatchingToPlace: `trials={self.trials}`, but it must be at least 1.")
        if self.probe is not None and not 0 <= self.probe < self.trials:
            raise InputError(
                f"MatchingToPlace: `probe={self.probe}`, but the trials of a day are numbered 0 to"
                f" {self.trials - 1}."
            )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> WaterMaze:
        place_key, start_key, size_key = jr.split(split.fold(key), 3)
        place = jnp.tile(self._place(split, place_key), (self.trials, 1))
        order = jr.permutation(start_key, len(STARTS))[jnp.arange(self.trials) % len(STARTS)]
        probe = jnp.arange(self.trials) == (-1 if self.probe is None else self.probe)
        smallest = self.pool.platform_radius
        size = jr.uniform(size_key, (), minval=smallest, maxval=self.largest or smallest)
        starts = jnp.asarray(STARTS)[order] * self.pool.radius
        return WaterMaze(place, starts, probe, self.pool, size)

    def _place(self, split: Split, key: Key[Array, ""]) -> Place:
        if self.sites:
            return jr.choice(key, jnp.asarray(self.sites))
        radius_key, angle_key, eighth_key = jr.split(key, 3)
        low, high = _sector_bounds(split)
        eighth = 45.0 * jr.randint(eighth_key, (), 0, 8).astype(float)
        angle = jnp.deg2rad(jr.uniform(angle_key, minval=low, maxval=high) + eighth)
        radius = self.reach * jnp.sqrt(jr.uniform(radius_key))
        return radius * jnp.stack([jnp.cos(angle), jnp.sin(angle)])


class ReferenceMemory(AbstractEnvs):
    """Reference memory: many days with the platform in one place, so that slow learning is enough.
    From day `moved` on, the platform is in another place.

    Places and starts are drawn as for `MatchingToPlace`.

    Source: Morris 1981, 1984; the schedule of Foster, Morris & Dayan 2000 is seven days of four
    trials, and two more with the platform moved.
    """

    pool: Pool = eqx.field(static=True, default=Pool())
    days: int = eqx.field(static=True, default=9)
    trials_a_day: int = eqx.field(static=True, default=4)
    moved: int | None = eqx.field(static=True, default=7)  # day, counted from zero
    reach: float = eqx.field(static=True, default=0.85)  # metres

    def __check_init__(self):
        _check_places("ReferenceMemory", self.pool, self.reach)
        if self.days < 1 or self.trials_a_day < 1:
            raise InputError(
                f"ReferenceMemory: `days={self.days}`, `trials_a_day={self.trials_a_day}`, but both"
                " must be at least 1."
            )

    @property
    def trials(self) -> int:
        return self.days * self.trials_a_day

    def sample(self, split: Split, *, key: Key[Array, ""]) -> WaterMaze:
        days = MatchingToPlace(self.pool, self.trials_a_day, self.reach)
        mazes = days.draw(self.days, split, key=key)
        day = jnp.arange(self.days)
        home = jnp.where(day < (self.days if self.moved is None else self.moved), 0, self.days - 1)
        platforms = mazes.platforms[home].reshape(-1, 2)
        return WaterMaze(platforms, mazes.starts.reshape(-1, 2), mazes.probe.reshape(-1), self.pool)
