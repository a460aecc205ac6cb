"""What all studies have in common: rows that set ours against the published, and figures' data."""

import dataclasses
import math
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from learnset.core import InputError, interval

# No target is further than 5 from zero: an error of 100 is worse than any guess. It has diverged.
DIVERGED = 100.0
# Options of studies whose recipes several processes may share.
SHARED = frozenset({"workers", "scheduler"})


@dataclasses.dataclass(frozen=True)
class StepsAndSeeds:
    """The sizes of a study that trains for some steps, from several seeds."""

    steps: int
    seeds: int

    name: ClassVar[str]
    reads: ClassVar[frozenset[str]] = frozenset({"seed", "steps"})

    def __post_init__(self):
        if self.steps < 1 or self.seeds < 2:
            raise InputError(f"{self.name} needs at least one step and two seeds.")

    def with_steps(self, steps: int) -> Self:
        """The same study with another number of steps."""
        return dataclasses.replace(self, steps=steps)


def row(
    errors: np.ndarray, published: float | None = None, source: str = "", **about: Any
) -> dict[str, Any]:
    """One row of a study's `result.json`.

    `agrees` is whether ours and the published value differ by less than the drawing of tasks
    explains: 1.96 standard errors over our tasks, and over one of our seeds' for the published
    value, which was measured with as many. That is stricter than `ci95`, which is Student's over
    seeds.

    **Arguments:**

    - `errors`: "seeds tasks"; those above `DIVERGED` are counted, and left out of the mean.
    - `about`: what the row is about.
    """
    stayed = errors < DIVERGED
    errors = np.where(stayed, errors, np.nan)
    mean, half = interval(errors)
    about |= {} if stayed.all() else {"diverged_tasks": int((~stayed).sum())}
    about |= {"value": mean, "ci95": half, "num_tasks": int(errors.size)}
    about["by_seed"] = [round(float(seed), 4) for seed in np.nanmean(errors, axis=1)]
    if published is None:
        return about
    ours, theirs = interval(errors.reshape(1, -1))[1], interval(errors[:1])[1]
    return about | {
        "published": published,
        "source": source,
        "agrees": abs(mean - published) <= math.hypot(ours, theirs),
    }


def figure_data(result: dict[str, Any], name: str, folder: Path) -> Any | None:
    """The data of a figure; `None` where an older run has none, and its picture is there to stay.

    **Raises:** `InputError` where there is neither.
    """
    data = result.get("figures", {}).get(name)
    if data is None and not (folder / f"{name}.svg").exists():
        raise InputError(
            f"{folder / 'result.json'} holds no data of the figure {name!r}, and {name}.svg is not"
            " there either. Run the study again."
        )
    return data


def to_decimals(values: np.ndarray, digits: int = 4) -> Any:
    """Numbers for `result["figures"]`, rounded, as nested lists.

    >>> to_decimals(np.array([[0.123456, 1.0]]))
    [[0.1235, 1.0]]
    """
    return np.round(np.asarray(values, np.float64), digits).tolist()
