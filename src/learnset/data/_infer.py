"""The kind of a column, by its cells."""

import dataclasses
import re

from ..core import InputError, needs
from . import _dates
from ._cells import (
    EMPTY,
    filled,
    in_order,
    is_infinite,
    moments,
    names,
    NO_NUMBER,
    PERHAPS,
    refuse,
    shown,
    TRUTH,
)
from ._column import Column
from ._notation import is_number, MONEY, numerals, ROUNDED
from ._text_file import QUOTED, TextFile

with needs("tables"):
    import polars as pl

_ROUNDED = f"integers of more than {ROUNDED} digits are rounded; if they are names: `categories`"
MOST_NUMBERED = 20  # classes with digits in all names; more are likely to be quantities
MOST_WORDS = 64  # different words in a column; with more, most rows must share their word


def named(column: Column, cells: "pl.Series", text: TextFile | None = None) -> Column:
    """A column whose values are names, whatever they look like: its words, and those words that
    mean an empty cell. Only in a text file can a word mean that, and not in quotes."""
    if cells.dtype != pl.String:
        known = set(names(cells).drop_nulls().unique().to_list())
        return _worded(column, known, set(), "")
    raw = cells.str.strip_chars()
    cell = set(raw.drop_nulls().unique().to_list()) - {""}
    missing = {w for w in cell if w.lower() in EMPTY} if text is not None else set()
    perhaps = {w for w in cell if w.lower() in PERHAPS} if text is not None else set()
    others = cell - missing - perhaps
    if text is not None and (not others or text.quotes(others)):
        missing, perhaps = missing | perhaps, set()
    known = {word.removeprefix(QUOTED) for word in cell - missing}
    count = int(raw.is_in(list(perhaps)).sum()) if perhaps else 0
    what = "is a word, not an empty cell" if len(perhaps) == 1 else "are words, not empty cells"
    done = f"{_listed(perhaps)} {what} ({count} rows)" if perhaps else ""
    return _worded(column, known, missing, done)


def _worded(column: Column, known: set[str], missing: set[str], done: str) -> Column:
    spelt = tuple(sorted(missing))
    if not known:
        return dataclasses.replace(column, kind="text", missing=spelt, done="is empty")
    return dataclasses.replace(
        column, kind="words", words=in_order(known), missing=spelt, done=done
    )


def inferred(
    title: str, column: Column, cells: "pl.Series", decimal: str, text: TextFile | None = None
) -> Column:
    """A column with the kind that its cells have.

    **Raises:** `InputError` for cells with digits that are not numbers, and for numbers among
    words, because it cannot be told what they mean.
    """
    if cells.dtype != pl.String:
        return _typed(column, cells)
    present = filled(cells, NO_NUMBER)
    known = present.drop_nulls()
    if not len(known):
        return named(column, cells, text)
    lower = set(known.str.to_lowercase().unique()[:5])
    if lower <= TRUTH.keys() and {"true", "false"} & lower:
        return _truth(column)
    part = numerals(present)
    good = is_number(part.digits, decimal) | is_infinite(present)
    if good.sum() == len(known):
        units = part.unit.filter(good).unique(maintain_order=True).to_list()
        if len(units) == 1:
            return _number(title, column, cells, part.digits.filter(good), units[0], text)
        # Names such as 7a and 7b are few, and quarters such as 2024Q1 have digits twice.
        plain_units = len(units) < 5 and not any(re.search(r"\d", unit) for unit in units)
        quantities = plain_units and known.n_unique() > MOST_NUMBERED
        money = all(unit == "" or _is_money(unit) for unit in units)
        if money or quantities or column.role == "target":
            other = present.is_not_null() & (part.unit != units[0])
            refuse(title, column.name, present, other, ", with another unit than other rows")
    elif dates := _dates.formats(known):
        if _dates.day_first_or_month_first(dates):
            raise InputError(
                f"{title}: column {column.name!r} has dates such as {known[0]!r}, in which the day"
                " or the month may come first. Write them as 2024-12-31, or leave the column out"
                " (`leave_out`)."
            )
        parts = _dates.varying(moments(title, column.name, known, dates[0]))
        return dataclasses.replace(column, kind="date", format=dates[0], parts=parts)
    plain = good & (part.unit == "")
    digits = present.str.contains(r"\p{Nd}") & ~present.str.contains(r"\p{L}")
    wrong = (digits & ~plain).fill_null(False)
    if wrong.any():
        refuse(title, column.name, present, wrong, ", which has digits but is no number")
    if plain.any() and known.n_unique() < 3 * part.digits.filter(plain).n_unique():
        others = present.is_not_null() & ~plain
        refuse(title, column.name, present, others, ", and numbers in other rows")
    if column.role == "target" and known.str.contains("[0-9]").all():
        if known.n_unique() > MOST_NUMBERED:
            refuse(title, column.name, present, present.is_not_null(), ", and digits in all rows")
    return named(column, cells, text)


def _typed(column: Column, cells: "pl.Series") -> Column:
    if cells.null_count() == len(cells):
        return dataclasses.replace(column, kind="text", done="is empty")
    if cells.dtype == pl.Boolean:
        return _truth(column)
    if isinstance(cells.dtype, pl.Datetime):
        return dataclasses.replace(column, kind="date", parts=_dates.varying(cells))
    done = ""
    if cells.dtype.is_integer() and (cells.cast(pl.Float64).abs() > 2**53).any():
        done = _ROUNDED
    return dataclasses.replace(column, kind="number", done=done)


def _truth(column: Column) -> Column:
    return dataclasses.replace(column, kind="truth value", words=("false", "true"))


def _number(
    title: str,
    column: Column,
    cells: "pl.Series",
    digits: "pl.Series",
    unit: str,
    text: TextFile | None,
) -> Column:
    codes = digits.str.contains(r"^0[0-9]+$")
    if codes.any():
        if column.role == "target":
            raise InputError(
                f"{title}: the target {column.name!r} has {digits.filter(codes)[0]!r}, which"
                " begins with a zero: is it a name or a number? Say which (`classification`)."
            )
        worded = named(column, cells, text)
        example = shown(digits.filter(codes)[0])
        done = f"names, because some begin with a zero ({example})"
        return dataclasses.replace(worded, done="; ".join(filter(None, (done, worded.done))))
    letters = bool(unit) and not _is_money(unit)
    if letters and column.role == "target":
        raise InputError(
            f"{title}: the target {column.name!r} has a unit in its cells ({unit!r}). Leave the"
            " unit out of them, or declare that they are names (`classification`)."
        )
    if letters and digits.n_unique() < 5:
        return named(column, cells, text)
    done = [f"without {unit!r}"] if unit else []
    if digits.str.contains(rf"^[+-]?[0-9]{{{ROUNDED + 1},}}$").any():
        done.append(_ROUNDED)
    return dataclasses.replace(column, kind="number", unit=unit, done="; ".join(done))


def _is_money(unit: str) -> bool:
    return pl.Series([unit]).str.contains(MONEY)[0]


def _listed(words: set[str]) -> str:
    return " and ".join(map(repr, sorted(words)))
