"""The columns of a data frame as numbers: words by their codes, NaN where a cell is empty."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or pandas' NA."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def is_name(value: Any) -> bool:
    return not isinstance(value, (int, float, np.number, np.bool_))


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns of the inputs, and the words of those that are not numbers."""

    names: tuple[str, ...]
    words: dict[int, tuple[str, ...]]

    @classmethod
    def of(cls, x: Any) -> "Columns":
        """The columns of a data frame; an array has numbers alone."""
        if not hasattr(x, "columns"):
            return cls((), {})
        words = {}
        for number, name in enumerate(x.columns):
            cells = [cell for cell in np.asarray(x[name]).tolist() if not is_missing(cell)]
            if any(map(is_name, cells)) or "categor" in str(getattr(x[name], "dtype", "")).lower():
                words[number] = tuple(sorted({str(cell) for cell in cells}))
        return cls(tuple(map(str, x.columns)), words)

    def __call__(self, x: Any) -> tuple[Float[np.ndarray, "rows columns"], dict[str, int]]:
        """A data frame as numbers, and how many cells of which columns have words that are not
        known."""
        columns, unknown = [], {}
        for number, name in enumerate(x.columns):
            cells = np.asarray(x[name]).tolist()
            if number not in self.words:
                columns.append([np.nan if is_missing(cell) else float(cell) for cell in cells])
                continue
            code = {word: float(i) for i, word in enumerate(self.words[number])}
            known = [np.nan if is_missing(c) else code.get(str(c), np.inf) for c in cells]
            if lost := sum(value == np.inf for value in known):
                unknown[str(name)] = lost
            columns.append([np.nan if value == np.inf else value for value in known])
        return np.array(columns, np.float64).T, unknown
