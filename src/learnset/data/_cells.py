"""The cells of a column as names, numbers, truth values or dates."""

from collections.abc import Collection
from typing import Any, NoReturn

import numpy as np

from ..core import InputError, needs
from . import _dates
from ._notation import DIGITS, is_number, numerals, PLAIN, values
from ._text_file import QUOTED

with needs("tables"):
    import polars as pl

# Forms of an empty cell, in lower case. A column of words may have the last two as words.
EMPTY = ("n/a", "nan", "null", "?", "<na>", "#n/a", "nat")
PERHAPS = ("na", "none")
# Further forms in a column of numbers, of truth values or of dates.
DASHES = ("-", "--", "–", "—", ".", "n.a.")
NO_NUMBER = (*EMPTY, *PERHAPS, *DASHES)
TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


def names(cells: "pl.Series") -> "pl.Series":
    """Cells as names, letter by letter, null where they are blank."""
    if cells.dtype == pl.String:
        text = cells.str.strip_chars().str.strip_prefix(QUOTED)
    elif cells.dtype.is_float():
        text = pl.Series([None if v is None else _name(v) for v in cells], dtype=pl.String)
    elif isinstance(cells.dtype, pl.Datetime):
        text = cells.dt.strftime("%Y-%m-%d %H:%M:%S").str.strip_suffix(" 00:00:00")
    else:
        text = cells.cast(pl.String)
    return text.set(text.fill_null("") == "", None)


def filled(cells: "pl.Series", missing: Collection[str]) -> "pl.Series":
    """Text in which blank cells and these words, in upper or lower case, are null."""
    if cells.str.contains(DIGITS).all():
        return cells
    text = cells.str.strip_chars()
    lower = text.str.to_lowercase()
    if set(missing) >= set(NO_NUMBER):
        lower = lower.str.strip_prefix(QUOTED)
        text = text.str.strip_prefix(QUOTED)
    gone = lower.is_in(["", *(word.lower() for word in missing)])
    return text.set(gone.fill_null(True), None)


def numbers(source: str, name: str, cells: "pl.Series", decimal: str, unit: str) -> np.ndarray:
    """Cells as numbers, NaN where they are missing.

    **Raises:** `InputError` for a cell that is not a number in this notation, with this unit.
    """
    if cells.dtype == pl.String:
        text = filled(cells, NO_NUMBER)
        part = numerals(text)
        good = is_number(part.digits, decimal) & (part.unit == unit).fill_null(False)
        wrong = text.is_not_null() & ~(good | is_infinite(text))
        if wrong.any():
            refuse(source, name, text, wrong, f" with the decimal mark {decimal!r}")
        known = values(part.digits, decimal)
        known = known.set(is_infinite(text), float("inf"))
    elif isinstance(cells.dtype, pl.Datetime):
        raise InputError(f"{source}: column {name!r} has dates, but it must be numbers.")
    else:
        known = cells.cast(pl.Float64)
    return known.fill_null(float("nan")).to_numpy().astype(np.float64)


def truths(source: str, name: str, cells: "pl.Series") -> np.ndarray:
    """Cells as ones and zeros, NaN where they are missing. TRUE, True, true and 1 are one value."""
    if cells.dtype != pl.String:
        known = cells.cast(pl.Float64)
    else:
        text = filled(cells, NO_NUMBER)
        known = text.str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.Float64)
        wrong = text.is_not_null() & known.is_null()
        if wrong.any():
            refuse(source, name, text, wrong, ", and truth values in other rows")
    return known.fill_null(float("nan")).to_numpy().astype(np.float64)


def moments(source: str, name: str, cells: "pl.Series", form: str) -> "pl.Series":
    """Cells as dates, null where they are missing."""
    if isinstance(cells.dtype, pl.Datetime):
        return cells
    text = filled(cells if cells.dtype == pl.String else names(cells), NO_NUMBER)
    read = _dates.dates(text, form)
    if read is None:
        wrong = pl.Series(
            [c is not None and _dates.dates(pl.Series([c]), form) is None for c in text]
        )
        refuse(source, name, text, wrong, f" and is no date in the format {form}")
    return read


def codes(text: "pl.Series", words: Collection[str]) -> np.ndarray:
    """The number of each cell in `words`; NaN for a blank cell and for any other word."""
    number = {word: float(i) for i, word in enumerate(words)}
    known = text.replace_strict(number, default=None, return_dtype=pl.Float64)
    return known.fill_null(float("nan")).to_numpy().astype(np.float64)


def in_order(words: Collection[str]) -> tuple[str, ...]:
    """The words, sorted as numbers if all of them are numbers, and as text otherwise."""
    if all(map(PLAIN.fullmatch, words)):
        return tuple(sorted(words, key=lambda word: (float(word), word)))
    return tuple(sorted(words))


def refuse(source: str, name: str, text: Any, wrong: Any, why: str) -> NoReturn:
    """Raises `InputError` for the first wrong cell of a column."""
    row = int(wrong.arg_true()[0])
    raise InputError(
        f"{source}: column {name!r} has the text {shown(text[row])} in row {row + 1}{why}. Correct"
        " or empty the cell, leave the column out (`leave_out`), or declare that the column's"
        f" values are names: `categories` {name!r}."
    )


def shown(cell: str) -> str:
    """A cell in a message: at most 40 letters of it."""
    return repr(cell if len(cell) <= 40 else cell[:39] + "…")


def is_infinite(text: "pl.Series") -> "pl.Series":
    """Where text is an infinite number, as programs write it."""
    return text.str.contains(r"^(?i)[+-]?inf(inity)?$").fill_null(False)


def _name(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)
