"""Columns by whose values rows should rather be divided: what several belong to, and when they
were measured."""

import re
from collections.abc import Sequence

import polars as pl

from ..core import InputError
from ._column import Column
from ._columns import Source

IDENTIFIER = re.compile(
    r"(^|[^a-z])(ids?|uuid|key|code|subject|patient|person|customer|client|user|student|pupil|"
    r"animal|device|household|participant|session|batch|group)($|[^a-z])|[a-z]I[dD]$",
    re.IGNORECASE,
)
WHEN = re.compile(r"(^|[^a-z])(date|year|week|quarter|timestamp)s?($|[^a-z])", re.IGNORECASE)
FEWEST = 5  # values that a column has at least, if it is to name things
ROWS_EACH = 1.5  # rows of one value, on average, from which they are said to repeat


def repeated_notes(source: Source, columns: Sequence[Column], tasks: int) -> list[str]:
    """A note for each column that is left out, or that is called like an identifier, whose values
    repeat: rows of one value then lie on both sides of a division at random. And a note for each
    time, whose later rows then help to predict earlier ones."""
    if any(column.role in ("group", "time", "split") for column in columns):
        return []
    notes = []
    for column in columns:
        if _is_time(column):
            notes.append(
                f"Column {column.name!r} says when, but rows are divided at random: later ones help"
                " to predict earlier ones. If the model is to predict the future, use"
                f" `--time-column {column.name}`."
            )
            continue
        named = IDENTIFIER.search(column.name) is not None
        if column.role not in ("left out", "input") or column.role == "input" and not named:
            continue
        values = _filled(source, column.name)
        count, rows = values.n_unique(), len(values)
        fractional = values.dtype.is_float() and not named
        if fractional or count < max(FEWEST, tasks + 1) or rows < ROWS_EACH * count:
            continue
        notes.append(
            f"Column {column.name!r} has {count:,} different values in {rows:,} rows. Rows of one"
            " value lie on both sides of a division; if they belong together, scores are too good:"
            f" use `--group-column {column.name}`."
        )
    return notes


def _is_time(column: Column) -> bool:
    """Whether a column, used or not, has times; a date of birth is none of the row."""
    when = column.kind == "date" or column.kind == "number" and WHEN.search(column.name)
    return (
        column.role in ("input", "left out") and bool(when) and "birth" not in column.name.lower()
    )


def _filled(source: Source, name: str) -> pl.Series:
    """The cells that are filled; none of a column of a type that cannot be read."""
    if source.columns.get(name) is None:
        return pl.Series([])
    try:
        return source.cells(name)[0].drop_nulls()
    except InputError:
        return pl.Series([])
