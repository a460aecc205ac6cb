"""Targets on a log scale, and notes about targets that a plain measure says little about."""

import dataclasses

import numpy as np

from ..core import InputError
from ._table import Table

SKEWED = 2.0  # skewness from which a few large values decide what is explained; 2 is exponential
RARE = 30  # rows of a class below which every interval is wide


def logged(table: Table) -> Table:
    """The table with the logarithm of its targets, or of one more than them where there are zeros.

    **Raises:** `InputError` for classes and for negative targets.

    >>> import numpy as np
    >>> table = Table.from_arrays(np.zeros((4, 1)), np.array([1, 10, 100, 10]), np.arange(4) // 2)
    >>> logged(table).y.ravel().round(2).tolist(), logged(table).targets
    ([0.0, 2.3, 4.61, 2.3], ('log target',))
    """
    if table.classes:
        raise InputError("`--log-target` is for numbers, but the target is classes. Leave it out.")
    columns, names = [], []
    for name, y in zip(table.targets, table.y.T, strict=True):
        least = np.nanmin(y)
        if least < 0:
            raise InputError(
                f"`--log-target`, but {name!r} is {least:g} in some row: only targets of zero or"
                " more have a log scale. Leave it out."
            )
        columns.append(np.log(y) if least > 0 else np.log1p(y))
        names.append(f"log {name}" if least > 0 else f"log(1 + {name})")
    note = (
        "Targets are compared on a log scale: an error of 0.1 is about 10 %. Recipes are fitted to"
        f" {', '.join(names)}."
    )
    fields = {"y": np.stack(columns, axis=1), "targets": tuple(names)}
    if table.task is None:
        fields["names"] = tuple(names)
    return dataclasses.replace(table, **fields, notes=(*table.notes, note))


def target_notes(table: Table) -> list[str]:
    """What a reader should know of the targets: few rows of a class, or values of which a few large
    ones decide."""
    notes = []
    for number, name in enumerate(table.targets):
        y = table.y[np.isfinite(table.y[:, number]), number]
        if table.classes:
            values, count = np.unique(y, return_counts=True)
            words = table.target_classes[number]
            notes += [
                f"{c} of {len(y)} rows of {name!r} are {words[int(v)]!r}: few, so that intervals"
                " are wide."
                for v, c in zip(values, count, strict=True)
                if c < RARE
            ][:1]
            continue
        if table.counts:
            notes.append(
                f"{name!r} is read as counts (whole numbers of zero or more): recipes are compared"
                " by the Poisson deviance, and some learn by it. `--kind regression` reads numbers."
            )
            continue
        spread = y.std()
        skewness = float((((y - y.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0
        if y.min() >= 0 and skewness > SKEWED:
            notes.append(
                f"{name!r} is skewed (skewness {skewness:.1f}): a few large values decide what is"
                " explained. `--log-target` compares on a log scale."
            )
    return notes
