"""Real swims, and where their files are."""

import contextlib
import csv
import dataclasses
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from .._errors import InputError
from ._measures import Places, Times

DATA = "LEARNSET_DATA"  # the environment variable that names the folder of all data


@dataclasses.dataclass(frozen=True)
class Arena:
    """A pool as it is measured and drawn. All in metres; places are from its centre, east and north."""

    pool_radius: float = 1.0
    platform_radius: float = 0.06
    zones: tuple[tuple[float, float], ...] = ()
    zone_radius: float = 0.2


@dataclasses.dataclass(frozen=True)
class Swims:
    """Swims of real animals in a water maze: a row for each swim, and the path of each."""

    animal: Shaped[np.ndarray, "swims"]
    group: Shaped[np.ndarray, "swims"]
    trial: Int[np.ndarray, "swims"]  # from one
    duration: Float[np.ndarray, "swims"]  # seconds, as recorded
    length: Float[np.ndarray, "swims"]  # metres, as recorded; NaN if not
    found: Bool[np.ndarray, "swims"]  # whether it ended on the platform
    platforms: Float[np.ndarray, "swims 2"]  # metres from the centre of the pool
    first: Int[np.ndarray, "swims"]  # the point of `times` and `places` at which the swim begins
    times: Float[np.ndarray, "points"]  # seconds since its start
    places: Float[np.ndarray, "points 2"]  # metres from the centre of the pool
    arena: Arena
    limit: float  # seconds a swim

    def __len__(self) -> int:
        return len(self.trial)

    def path(self, swim: int) -> tuple[Times, Places]:
        """Times and places of one swim, as all measures take them."""
        ends = np.append(self.first[1:], len(self.times))
        part = slice(self.first[swim], ends[swim])
        return self.times[part], self.places[part]

    def by_trial(self, values: Float[np.ndarray, "swims"], group: str) -> Float[np.ndarray, "animals trials"]:
        """What was measured of each swim, as a table of the animals of one group; NaN where a swim is missing."""
        mine = np.flatnonzero(self.group == group)
        if not len(mine):
            raise InputError(f"There is no group `{group}`. Choose one of {', '.join(np.unique(self.group))}.")
        _, row = np.unique(self.animal[mine], return_inverse=True)
        table = np.full((row.max() + 1, self.trial.max()), np.nan)
        table[row, self.trial[mine] - 1] = np.asarray(values)[mine]
        return table


def data_folder(name: str) -> Path:
    """The folder of one source. Raises `InputError` if the environment variable is unset or there is no such folder."""
    root = os.environ.get(DATA)
    if not root:
        raise InputError(f"The environment variable {DATA} is unset. Set it to the folder that holds `{name}/`.")
    folder = Path(root) / name
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Set {DATA} to the folder that holds `{name}/`.")
    return folder


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read into an `InputError` that names it."""
    try:
        yield
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error, csv.Error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is damaged or of another format ({reason}). Fetch it again.") from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file; no pickle is loaded, which is NumPy's default."""
    with reading(path), open(path, "rb") as file, np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


def read_table(path: Path) -> dict[str, np.ndarray]:
    """The columns of a table with a heading, as text."""
    with reading(path), open(path, newline="", encoding="utf-8") as file:
        heading, *rows = csv.reader(file)
        return dict(zip(heading, np.array(rows, dtype=str).T, strict=True))


def check_offsets(offsets: Int[np.ndarray, "swims+1"], swims: int, points: int) -> None:
    """Raises `ValueError` unless the offsets cut the points into that many swims of two points or more."""
    if len(offsets) != swims + 1 or offsets[0] != 0 or offsets[-1] != points or (np.diff(offsets) < 2).any():
        raise ValueError(f"the tracks do not fit the {swims} rows of the table")
