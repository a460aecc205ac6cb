"""Rats that learn one place over three days."""

import numpy as np

from ..data import data_folder, read_arrays, read_columns, reading
from ._swims import Arena, check_offsets, Swims

DOCUMENTED_PLATFORM = (-0.5, 0.1)  # metres
GROUPS = {"1": "control", "2": "stressed", "3": "undocumented 3", "4": "undocumented 4"}


def read_water_maze_rats() -> Swims:
    """77 rats, 12 swims each: three days of four, platform always in the same place, 90 s at most.

    Groups "control" (27 rats) and "stressed" (30) are those of the paper. What the names mean was inferred from the
    numbers of rats; two more groups are undocumented. An animal's name is its set and number.

    The documented place of the platform, `DOCUMENTED_PLATFORM`, is 4 to 6 cm off the places where the animals sat when
    they had found it, and differently so in the three sets: one swim in five that found the platform never crosses it
    there. `Swims.platforms` holds the median place where found swims of the same set end.

    A recording goes on for nearly 2 s after arrival, and `Swims.duration` with it, to 89.8 s at most.

    Raises `InputError` if the environment variable LEARNSET_DATA is unset, or a file is missing or damaged.

    Source: Gehring, Luksys, Sandi & Vasilaki 2015, *Detailed classification of swimming paths in the Morris water maze*,
    Scientific Reports 5:14562 (CC BY 4.0). The data are read, and are no part of this package.
    """
    folder = data_folder("water_maze_rats")
    table, tracks = read_columns(folder / "trials.csv"), read_arrays(folder / "tracks.npz")
    with reading(folder / "trials.csv"):
        trial, duration, length = (
            table[name].astype(float) for name in ("trial_overall", "latency_s", "path_cm")
        )
        found = table["found"] == "1"
        animal = np.array(
            [f"{set_}-{rat}" for set_, rat in zip(table["set"], table["rat"], strict=True)]
        )
        group = np.array([GROUPS[number] for number in table["group"]])
    with reading(folder / "tracks.npz"):
        offsets, times = tracks["offsets"].astype(int), tracks["t_cs"] / 100
        places = (
            np.stack([tracks["x_cmm"], tracks["y_cmm"]], axis=1) / 10_000
        )  # hundredths of a centimetre
        check_offsets(offsets, len(trial), len(times))
    ends, platforms = places[offsets[1:] - 1], np.empty((len(trial), 2))
    for set_ in np.unique(table["set"]):
        here = table["set"] == set_
        platforms[here] = np.median(ends[here & found], axis=0)
    return Swims(
        animal, group, trial.astype(int), duration, length / 100, found, platforms, offsets[:-1], times, places,
        arena=Arena(1.0, 0.06), limit=90.0,
    )  # fmt: skip
