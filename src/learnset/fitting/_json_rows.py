"""Rows of JSON, read as the schema reads a file: one at a time, without a data frame."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core import few, InputError, needs
from ..data import Column, Records, Schema

MOST_SHOWN = 40  # letters of a value in a message
SIMPLE = ("number", "count", "words", "truth value")
TRUTHS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "1": 1.0, "0": 0.0}


class JsonRows:
    """Reads rows of JSON, each an object with a value for each column; a column may be missing or
    null. Numbers are JSON's numbers, and words are text."""

    def __init__(self, schema: Schema):
        self.schema = schema
        self.simple = all(c.kind in SIMPLE for c in (*schema.inputs, *schema.targets))
        self.codes = {
            column.name: {word: float(i) for i, word in enumerate(column.words)}
            for column in (*schema.inputs, *schema.targets)
            if column.kind == "words"
        }
        self.tasks = {name: i for i, name in enumerate(schema.tasks)}
        self.known = {column.name for column in schema.columns}

    def __call__(self, rows: Sequence[Mapping[str, Any]], added: Sequence[str] = ()) -> Records:
        """The rows in the encoding of the schema.

        **Arguments:** `added`: further tasks, numbered after those of the schema.

        **Raises:** `InputError` for a value that is not what its column has.
        """
        if not self.simple:
            return self._as_frame(rows, added)
        unknown: dict[str, int] = {}
        x, y = (
            np.array(
                [
                    [self._number(c, row.get(c.name), i, unknown) for c in columns]
                    for i, row in enumerate(rows)
                ],
                np.float64,
            ).reshape(len(rows), len(columns))
            for columns in (self.schema.inputs, self.schema.targets)
        )
        task, names = None, ()
        if self.schema.task is not None:
            column = self.schema.task
            names = tuple(_name(column, row.get(column.name), i) for i, row in enumerate(rows))
            late = {name: len(self.tasks) + i for i, name in enumerate(added)}
            number = [self.tasks.get(name, late.get(name, -1)) for name in names]
            task = np.array(number, np.int64)
        others = sorted({name for row in rows for name in row} - self.known)
        notes = (*_unknown(unknown, len(rows)), *_unknown_tasks(names, task), *_unused(others))
        return Records(x, y, task, names, notes=notes)

    def _number(self, column: Column, value: Any, row: int, unknown: dict[str, int]) -> float:
        if value is None:
            return math.nan
        if column.kind == "words":
            number = self.codes[column.name].get(_name(column, value, row))
            if number is None:
                unknown[column.name] = unknown.get(column.name, 0) + 1
                return math.nan
            return number
        if column.kind == "truth value" and isinstance(value, (bool, str)):
            truth = TRUTHS.get(str(value).strip().lower())
            if truth is not None:
                return truth
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if abs(value) <= 1e300:
                return float(value)
            raise InputError(f"Column {column.name!r} of row {row + 1} has a number beyond 1e300.")
        kind = "a number" if column.is_number else "true or false"
        raise InputError(
            f"Column {column.name!r} of row {row + 1} is {_shown(value)}, but it must be {kind}, or"
            " null."
        )

    def _as_frame(self, rows: Sequence[Mapping[str, Any]], added: Sequence[str]) -> Records:
        """The same by way of a data frame, for columns that need more than a look: dates."""
        with needs("tables"):
            import polars as pl

        names = [column.name for column in self.schema.columns if column.role != "left out"]
        columns = {}
        for name in names:
            cells = [row.get(name) for row in rows]
            if any(isinstance(cell, (list, dict)) for cell in cells):
                raise InputError(
                    f"Column {name!r} has a list or an object where a value should be."
                )
            try:
                columns[name] = pl.Series(name, cells, strict=True)
            except (TypeError, OverflowError, pl.exceptions.PolarsError):
                raise InputError(f"Column {name!r} has values of different types.") from None
            if all(cell is None for cell in cells):
                columns[name] = pl.Series(name, cells, dtype=pl.String)
        tasks = (*self.schema.tasks, *added)
        return dataclasses.replace(self.schema, tasks=tasks).read(pl.DataFrame(columns))


def _name(column: Column, value: Any, row: int) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)
    raise InputError(
        f"Column {column.name!r} of row {row + 1} is {_shown(value)}, but it must be text."
    )


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _unknown(counts: dict[str, int], rows: int) -> list[str]:
    return [
        f"In {count} of {rows} rows {name!r} has words that were not there before and are read as"
        " missing."
        for name, count in counts.items()
    ]


def _unknown_tasks(names: Sequence[str], task: np.ndarray | None) -> list[str]:
    if task is None or not (task < 0).any():
        return []
    new = dict.fromkeys(name for name, number in zip(names, task, strict=True) if number < 0)
    some = few(map(_shown, new))
    return [f"In {int((task < 0).sum())} of {len(task)} rows the task is unknown: {some}."]


def _unused(names: list[str]) -> list[str]:
    if not names:
        return []
    some = few(map(_shown, names))
    return [f"Columns that are not in the schema are not used: {some}."]
