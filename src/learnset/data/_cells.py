"""Cells of a column: numbers with NaN, or words with None."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core import InputError

# The forms of an empty cell, in lower or upper case.
EMPTY = {"", "na", "n/a", "nan", "null", "none", "?"}


def is_empty(value: Any) -> bool:
    """Whether a cell is empty, in any form."""
    return value is None or value != value or str(value).strip().casefold() in EMPTY


def numbers_or_words(words: list[str | None], decimal_comma: bool) -> np.ndarray:
    """The words as numbers, if all of them are numbers; otherwise as they are."""
    plain = ["nan" if w is None else w.replace(",", ".") if decimal_comma else w for w in words]
    try:
        return np.array(plain).astype(np.float64)
    except ValueError:
        return np.array(words, dtype=object)


def numbers_of(source: str, name: str, cells: np.ndarray) -> np.ndarray | None:
    """The cells of a column of numbers; `None` for a column of words.

    **Raises:** `InputError` for a column in which most cells, but not all, are numbers.
    """
    if cells.dtype != object:
        return cells
    filled = [i for i, cell in enumerate(cells) if cell is not None]
    wrong = [i for i in filled if not _is_number(cells[i])]
    if 2 * len(wrong) >= len(filled):
        return None
    raise InputError(
        f"{source}: column {name!r} has the text {cells[wrong[0]]!r} in row {wrong[0] + 1}, and"
        " numbers in most other rows. Correct or empty the cell, or declare that the column's"
        f" values are names: `categories` {name!r}."
    )


def words_of(cells: Iterable[Any]) -> list[str | None]:
    """Cells as words, whether they are numbers or words. The number 3.0 is "3"."""
    return [_plain(cell) if isinstance(cell, float) else cell for cell in cells]


def in_order(words: set[str]) -> list[str]:
    """The words, sorted as numbers if all of them are numbers, and as text otherwise."""
    if all(map(_is_number, words)):
        return sorted(words, key=lambda word: (float(word), word))
    return sorted(words)


def _plain(value: float) -> str | None:
    return None if value != value else str(int(value)) if value == int(value) else str(value)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
