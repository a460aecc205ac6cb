"""Dates: how they are written, and the numbers that they become."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core import needs

with needs("tables"):
    import polars as pl

MONTHS = tuple(
    "January February March April May June July August September October November December".split()
)
WEEKDAYS = tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())
WORDS = {"month": MONTHS, "weekday": WEEKDAYS}  # of parts that are words
PARTS = ("day", "year", "month", "weekday", "hour")
_DAYS = (
    "%Y-%m-%d %Y/%m/%d %Y.%m.%d %d.%m.%Y %d/%m/%Y %m/%d/%Y %d-%m-%Y %m-%d-%Y %Y-%m %d-%b-%Y"
).split() + ["%Y%m%d", "%Y%m", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"]
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f")
_SHAPES = {
    "%Y": "[0-9]{4}",
    "%b": r"\p{L}{3}",
    "%B": r"\p{L}{3,}",
    "%.f": r"\.[0-9]+",
} | dict.fromkeys(("%m", "%d", "%H", "%M", "%S"), "[0-9]{1,2}")
_US_OR_NOT = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y"}


def formats(cells: "pl.Series") -> list[str]:
    """The formats in which all cells are dates: none, one, or two where days and months may be
    swapped."""
    good: list[str] = []
    text = _plain(cells)
    first = text[:20]
    for form in _candidates(str(first[0])):
        if dates(first, form) is not None and dates(text, form) is not None:
            good.append(form)
    return good


def dates(cells: "pl.Series", form: str) -> "pl.Series | None":
    """The cells as dates; `None` if some filled cell is not a date of this format."""
    text = _plain(cells)
    if not text.str.contains(_shape(form)).all():  # ignores nulls
        return None
    kind = pl.Datetime("us")
    # A time is needed for a `Datetime`, and a day for a month.
    long = form if "%H" in form else f"{form} %H:%M"
    text = text if "%H" in form else text + " 00:00"
    if form.startswith(("%Y-%m", "%Y%m")) and "%d" not in form:
        long, text = f"%d {long}", "01 " + text
    read = text.str.strptime(kind, long, strict=False)
    return read if read.null_count() == text.null_count() else None


def varying(moments: "pl.Series") -> tuple[str, ...]:
    """The parts of dates that become inputs: the day number, and what varies of the others."""
    moments = moments.drop_nulls()
    return ("day", *(p for p in PARTS[1:] if _part(moments, p).n_unique() > 1))


def inputs_of(name: str, parts: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """The names of the inputs of a column of dates, and their words."""
    return [(name if p == "day" else f"{name} ({p})", WORDS.get(p, ())) for p in parts]


def numbers(moments: "pl.Series", parts: tuple[str, ...]) -> list[np.ndarray]:
    """A column for each part: days since 1970, the year, the number of the month and so on."""
    return [_part(moments, p).cast(pl.Float64).to_numpy().astype(np.float64) for p in parts]


def _part(moments: "pl.Series", part: str) -> Any:
    moments = moments.cast(pl.Datetime("us"))
    if part == "day":
        return moments.dt.epoch("us") / 86_400e6
    if part == "year":
        return moments.dt.year()
    if part == "hour":
        return moments.dt.hour()
    return (moments.dt.month() if part == "month" else moments.dt.weekday()).cast(pl.Int64) - 1


def _candidates(cell: str) -> Iterator[str]:
    for day in _DAYS:
        for time in _TIMES:
            if re.search(_shape(day + time).replace(r"\p{L}", "[^\\W\\d_]"), cell):
                yield day + time


def _shape(form: str) -> str:
    shape = form
    for mark in ("/", "-", ","):
        shape = shape.replace(mark, f"[{mark}]")
    shape = re.sub(r"(?<!%)\.", "[.]", shape)
    for key, value in _SHAPES.items():
        compact = form.startswith("%Y%m") and key in ("%m", "%d")  # with nothing in between
        shape = shape.replace(key, "[0-9]{2}" if compact else value)
    return f"^{shape}$"


def _plain(cells: "pl.Series") -> "pl.Series":
    text = cells.str.replace(r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})T", "$1 ")
    return text.str.replace(r"(:[0-9]{2}(?:\.[0-9]+)?)(?:Z|[+]00:?00)$", "$1")


def day_first_or_month_first(good: list[str]) -> bool:
    """Whether two formats differ only in which comes first, the day or the month."""
    return any(
        form.replace(day, month) in good
        for form in good
        for day, month in _US_OR_NOT.items()
        if day in form
    )
