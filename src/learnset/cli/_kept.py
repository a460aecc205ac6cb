"""What a run of `train` keeps of its data, so that later commands read other data alike, hold out
what it held out, and do without the rest."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import InputError
from ..data import Ranges
from ..fitting import ranges_from
from ..training import read_sealed_json

NAMES: tuple[str, ...] = ("train", "validation", "test")


REMEDY = "Train again, with `--overwrite` or in another folder."


@dataclasses.dataclass(frozen=True)
class Kept:
    """Of the data of a run."""

    parts: Mapping[str, Sequence[str]]  # names of the tasks, or classes, of each part, if any
    past: str = ""  # the digest of what was trained on
    shape: tuple[int, ...] = ()  # of an example, where there are classes
    ranges: Ranges = dataclasses.field(default_factory=dict)
    temperatures: Mapping[int, float] = dataclasses.field(default_factory=dict)  # by shots

    def temperature(self, shots: int) -> float:
        """Of the number of examples of a class that is nearest."""
        if not self.temperatures:
            return 1.0
        return self.temperatures[min(self.temperatures, key=lambda n: (abs(n - shots), n))]

    def record(self) -> dict[str, Any]:
        """As JSON keeps it."""
        temperatures = {str(shots): value for shots, value in self.temperatures.items()}
        return dataclasses.asdict(self) | {"temperatures": temperatures}


def read_kept(folder: Path) -> Kept:
    """What a run kept.

    **Raises:** `InputError` if it is damaged, or of version 0.2.0.
    """
    kept = read_sealed_json(folder / "run.json", REMEDY)["kept"]
    return Kept(
        kept["parts"],
        kept["past"],
        tuple(kept["shape"]),
        ranges_from(kept["ranges"]),
        {int(shots): value for shots, value in kept["temperatures"].items()},
    )


def check_present(where: str, kept: Kept, names: tuple[str, ...], things: str) -> tuple[str, ...]:
    """Remarks on tasks, or classes, that have come or gone since the run was trained.

    **Raises:** `InputError` if a part has gone altogether.
    """
    present, lines = set(names), []
    for part in NAMES:
        gone = [name for name in kept.parts[part] if name not in present]
        if len(gone) == len(kept.parts[part]):
            use = {"train": "trained on", "validation": "validated on", "test": "held out"}[part]
            raise InputError(
                f"{where} has none of the {len(gone)} {things} that the run {use}, such as"
                f" {gone[0]!r}. Give it the data that it had."
            )
        if part == "test" and gone:
            lines.append(
                f"{len(gone)} of {len(kept.parts[part])} {things} that were held out are gone from"
                f" {where}, and are not scored: {', '.join(gone[:5])}."
            )
    new = present - {name for part in NAMES for name in kept.parts[part]}
    if new:
        lines.append(
            f"{len(new)} {things} of {where} were not there, or too small, when the run was"
            " trained, and are not scored."
        )
    return tuple(lines)
