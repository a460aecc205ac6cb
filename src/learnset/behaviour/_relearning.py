"""Data of rats that learn a new place in one day."""

import numpy as np

from ..data import data_folder, read_arrays, read_columns, reading
from ._swims import Arena, check_offsets, Swims


def read_water_maze_relearning() -> Swims:
    """Swims of 38 rats, four each (two swims are missing), on the day on which the platform was
    moved: the real counterpart of one-trial place learning. The pool measures 1.8 m, and a swim
    lasts at most 60 s.

    The groups are "saline" and the drugs "MK", "LY" and "MK-LY". A recording ends 1.5 s after the
    animal has come to rest on the platform, or when it is taken out after 60 s or some seconds
    later; `Swims.duration` is all of it. `found` means that the recording ends within 12 cm of the
    platform's centre, because the column of the table for it is empty. Path lengths were not
    recorded. Points that were not tracked (44, of one swim) are left out.

    **Raises:** `InputError` if the environment variable LEARNSET_DATA is unset, or if a file is
    missing or damaged.

    Source: the example data of hejtmy/fgu-morris on GitHub (MIT). The data are not part of this
    package.
    """
    folder = data_folder("water_maze_relearning")
    table, tracks = read_columns(folder / "trials.csv"), read_arrays(folder / "tracks.npz")
    with reading(folder / "trials.csv"):
        animal, group, trial = table["animal"], table["group"], table["swim"].astype(int)
        duration = table["elapsed_ms"].astype(float) / 1000
        platforms = (
            np.stack([table["target_x_cm"], table["target_y_cm"]], axis=1).astype(float) / 100
        )
        arena = Arena(float(table["arena_d_m"][0]) / 2, float(table["target_r_cm"][0]) / 100)
    with reading(folder / "tracks.npz"):
        offsets, times = tracks["offsets"].astype(int), tracks["t_ms"] / 1000
        places = np.stack([tracks["x_cm"], tracks["y_cm"]], axis=1).astype(float) / 100
        check_offsets(offsets, len(trial), len(times))
    tracked = np.isfinite(places).all(axis=1)
    offsets = np.append(0, np.cumsum(tracked))[offsets]
    times, places = times[tracked], places[tracked]
    found = np.hypot(*(places[offsets[1:] - 1] - platforms).T) < 0.12
    return Swims(
        animal=animal,
        group=group,
        trial=trial,
        duration=duration,
        length=np.full(len(trial), np.nan),
        found=found,
        platforms=platforms,
        first=offsets[:-1],
        times=times,
        places=places,
        arena=arena,
        limit=60.0,
    )
