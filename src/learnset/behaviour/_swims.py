"""Swims of real animals, and the pool that they swim in."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..core import InputError
from ._measures import Places, Times


@dataclasses.dataclass(frozen=True)
class Arena:
    """A pool as it is measured and drawn. All numbers are in metres; places are relative to its
    centre, east and north."""

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
        """The times and places of one swim, as all measures need them."""
        ends = np.append(self.first[1:], len(self.times))
        part = slice(self.first[swim], ends[swim])
        return self.times[part], self.places[part]

    def by_trial(
        self, values: Float[np.ndarray, "swims"], group: str
    ) -> Float[np.ndarray, "animals trials"]:
        """A measure of each swim as a table of the animals of one group; NaN where a swim is
        missing."""
        swims = np.flatnonzero(self.group == group)
        if not len(swims):
            raise InputError(
                f"There is no group `{group}`. Choose one of {', '.join(np.unique(self.group))}."
            )
        _, row = np.unique(self.animal[swims], return_inverse=True)
        table = np.full((row.max() + 1, self.trial.max()), np.nan)
        table[row, self.trial[swims] - 1] = np.asarray(values)[swims]
        return table


def check_offsets(offsets: Int[np.ndarray, "swims+1"], swims: int, points: int) -> None:
    """Raises `ValueError` unless the offsets divide the points into `swims` swims of at least two
    points."""
    if (
        len(offsets) != swims + 1
        or offsets[0] != 0
        or offsets[-1] != points
        or (np.diff(offsets) < 2).any()
    ):
        raise ValueError(f"the tracks do not fit the {swims} rows of the table")
