"""Data of rats that learn one place over three days."""

import numpy as np

from ..data import data_folder, read_arrays, read_columns, reading
from ._swims import Arena, check_offsets, Swims

DOCUMENTED_PLATFORM = (-0.5, 0.1)  # metres
GROUPS = {"1": "control", "2": "stressed", "3": "undocumented 3", "4": "undocumented 4"}


def read_water_maze_rats() -> Swims:
    """Swims of 77 rats, 12 each: three days with four swims of at most 90 s, and the platform
    always in the same place.

    The groups "control" (27 rats) and "stressed" (30) are those of the paper. Which number means
    which group was inferred from the numbers of rats; two more groups are undocumented. An animal
    is named by its set and number.

    The documented place of the platform, `DOCUMENTED_PLATFORM`, is 4 to 6 cm away from the places
    where the animals sat when they had found it, and differs between the three sets: one in five of
    the swims that found the platform never crosses it there. `Swims.platforms` holds the median of
    the places where the swims of the same set that found the platform end.

    A recording, and so `Swims.duration`, continues for nearly 2 s after arrival, up to 89.8 s.

    **Raises:** `InputError` if the environment variable LEARNSET_DATA is unset, or if a file is
    missing or damaged.

    Source: Gehring, Luksys, Sandi & Vasilaki 2015, *Detailed classification of swimming paths in
    the Morris water maze*, Scientific Reports 5:14562 (CC BY 4.0). The data are not part of this
    package.
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
        # In the file, places are in hundredths of a centimetre.
        places = np.stack([tracks["x_cmm"], tracks["y_cmm"]], axis=1) / 10_000
        check_offsets(offsets, len(trial), len(times))
    ends, platforms = places[offsets[1:] - 1], np.empty((len(trial), 2))
    for set_ in np.unique(table["set"]):
        of_set = table["set"] == set_
        platforms[of_set] = np.median(ends[of_set & found], axis=0)
    return Swims(
        animal=animal,
        group=group,
        trial=trial.astype(int),
        duration=duration,
        length=length / 100,
        found=found,
        platforms=platforms,
        first=offsets[:-1],
        times=times,
        places=places,
        arena=Arena(1.0, 0.06),
        limit=90.0,
    )
