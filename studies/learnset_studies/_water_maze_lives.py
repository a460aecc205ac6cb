"""Lives in the water maze as numbers: latencies, paths, searches, and the curves of rats."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from learnset.behaviour import (
    Arena,
    between,
    compare_curves,
    read_water_maze_rats,
    read_water_maze_relearning,
    search_preference,
)
from learnset.comparison import AbstractLifeMeasure
from learnset.core import InputError
from learnset.envs import AbstractEnv, Life, Pool, SITES

TRIALS = 4  # of a day
PROBE_SECONDS = 60.0
POOL = Pool(cells=49, cell_width=0.2)
ARENA = Arena(POOL.radius, POOL.platform_radius, SITES)

Swim = tuple[Float[np.ndarray, "moments"], Float[np.ndarray, "moments 2"]]  # seconds, metres


class Latency(AbstractLifeMeasure):
    """Seconds to the platform, or the limit, in each trial."""

    name = "latency"
    higher_is_better = False

    def of_life(self, env: AbstractEnv, life: Life) -> Float[Array, "trials"]:
        ends = life.over[:, None] & (life.trial[:, None] == jnp.arange(env.trials)[None])
        return jnp.where(ends, life.after.elapsed[:, None], 0.0).sum(axis=0)


def path(life: Life, which: tuple[int, int], trial: int) -> Swim:
    """Times and places of one swim of a seed on a day."""
    inside = np.asarray(life.counts[which] & (life.trial[which] == trial))
    after, before = (
        jax.tree.map(lambda leaf: np.asarray(leaf[which])[inside], state)
        for state in (life.after, life.before)
    )
    times, places = after.elapsed.copy(), after.position.copy()
    if not np.asarray(life.found[which])[inside][-1]:
        places[-1] = before.position[-1]  # where it swam; it was then placed on the platform
    times = np.concatenate([before.elapsed[:1], times])
    return times, np.concatenate([before.position[:1], places])


def first_success(life: Life, platforms: Float[np.ndarray, "days 2"]) -> dict[str, Any]:
    """The swims of the first seed on the first day on which it found the platform in the first
    trial: without that success, there is nothing to remember."""
    day = int(np.argmax((life.found[0] & (life.trial[0] == 0)).any(axis=-1)))
    swims = [path(life, (0, day), trial) for trial in range(TRIALS)]
    return {
        "platform": np.round(platforms[day], 4).tolist(),
        "trials": [
            {"times": np.round(times, 3).tolist(), "places": np.round(places, 4).tolist()}
            for times, places in swims
        ],
    }


def probes(life: Life) -> list[list[Swim]]:
    """The first minute of each probe trial, the second trial of a day, by seed and day."""
    seeds, days = life.reward.shape[:2]
    return [
        [between(*path(life, (seed, day), 1), 0.0, PROBE_SECONDS) for day in range(days)]
        for seed in range(seeds)
    ]


def preferences(
    swims: list[list[Swim]], platforms: Float[np.ndarray, "days 2"]
) -> Float[np.ndarray, "seeds days"]:
    """The share of time in the right one of eight zones; NaN where no zone was visited."""
    sites = np.array(SITES)
    return np.array(
        [
            [
                search_preference(*s, place, sites)
                for s, place in zip(of_seed, platforms, strict=True)
            ]
            for of_seed in swims
        ]
    )


def arrays(swims: list[list[Swim]], platforms: Float[np.ndarray, "days 2"]) -> dict[str, Any]:
    """Probe trials of all seeds as arrays, NaN after their end, and the number of each site."""
    distances = np.linalg.norm(platforms[:, None] - np.array(SITES), axis=-1)
    flat = [swim for of_seed in swims for swim in of_seed]
    longest = max(len(times) for times, _ in flat)
    times = np.full((len(flat), longest), np.nan, np.float16)
    places = np.full((len(flat), longest, 2), np.nan, np.float16)
    for i, (moments, where) in enumerate(flat):
        times[i, : len(moments)], places[i, : len(moments)] = moments, where
    sites = np.tile(distances.argmin(axis=1), len(swims))
    return {"times": times, "places": places, "sites": sites}


def compared_with_rats(
    relearning: Float[np.ndarray, "trials"], fixed: Float[np.ndarray, "trials"]
) -> dict[str, dict[str, Any]]:
    """Curves of rats and of agents, and how they differ; nothing without the data.

    **Arguments:** mean latencies of agents by trial: on a new place, and on one place for days.
    """
    try:
        moved_rats, fixed_rats = read_water_maze_relearning(), read_water_maze_rats()
    except InputError:
        return {}
    curves = {}
    for name, swims, group, simulated in (
        ("a moved platform, saline rats", moved_rats, "saline", relearning),
        ("a fixed platform, control rats", fixed_rats, "control", fixed[:12]),
    ):
        table = swims.by_trial(swims.duration, group)
        real, count = np.nanmean(table, axis=0), np.isfinite(table).sum(axis=0)
        error = np.nanstd(table, axis=0, ddof=1) / np.sqrt(count)
        fit = compare_curves(real, simulated, unit="s", standard_error=error)
        curves[name] = {"real": real.tolist(), "error": error.tolist()}
        curves[name] |= {"simulated": simulated.tolist(), "fit": str(fit)}
    return curves
