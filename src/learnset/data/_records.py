"""Rows of a file in the encoding of a schema."""

from typing import Any

import numpy as np

from ..core import few, InputError
from . import _dates
from ._cells import codes, filled, moments, names, NO_NUMBER, numbers, truths
from ._column import Column, Reading
from ._columns import Source
from ._notation import decimal_mark, numerals
from ._schema import Records, Schema, SPLITS
from ._texts import text_features

SINGLE = ("Float32", "Int8", "Int16", "UInt8", "UInt16", "Boolean")


def decimal_of(source: Source, schema: Schema) -> str:
    """The decimal mark of a later file: that of the schema, or its own if the schema has none.

    **Raises:** `InputError` if its numbers need the other one.
    """
    if source.text is None:
        return schema.decimal
    columns = [c for c in schema.columns if c.is_number and c.role != "left out"]
    digits = {
        c.name: numerals(filled(source.cells(c.name)[0], NO_NUMBER)).digits
        for c in columns
        if c.name in source
    }
    try:
        found = decimal_mark(source.title, digits, source.text.separator)
    except InputError:
        if not schema.decimal:
            raise
        return schema.decimal  # it cannot be told from this file, but from the first one
    if schema.decimal and found and found != schema.decimal:
        raise InputError(
            f"{source.title} has numbers with the decimal mark {found!r}, but the schema has"
            f" {schema.decimal!r}. Save it in the notation of the first file."
        )
    return schema.decimal or found


def records_of(source: Source, schema: Schema, decimal: str) -> Records:
    """All rows of a file, in the encoding of a schema and with this decimal mark (default: `.`).

    **Raises:** `InputError` for a missing column, or a cell that is not what its column has.
    """
    notes: list[str] = list(source.notes)
    reading: list[Reading] = []
    known = {column.name for column in schema.columns}
    if others := [name for name in source.columns if name not in known]:
        listed = few(map(repr, others))
        notes.append(f"Columns that are not in the schema are not used: {listed}.")
    blocks: dict[str, list[np.ndarray]] = {"input": [], "target": []}
    rest: dict[str, np.ndarray] = {}
    task_names: tuple[str, ...] = ()
    for column in schema.columns:
        if column.role == "left out":
            reading.append(Reading(column.name, "left out", column.kind, "", 0, column.done))
            continue
        if column.role == "target" and column.name not in source:
            blocks["target"].append(np.full(source.rows, np.nan))
            continue
        source.check(column.name)
        if column.role == "task":
            text = _names(source, column)
            task_names = tuple(text.fill_null(""))
            rest["task"] = _task(column.name, text, schema.tasks, notes)
            values, missing = f"{text.n_unique()} tasks", text.null_count()
        elif column.role in ("group", "split"):
            text = _names(source, column)
            rest[column.role] = _division(source, column, text)
            values, missing = f"{text.n_unique()} values", text.null_count()
        else:
            converted = _converted(source, column, decimal or ".", notes)
            values, missing = _values(column, converted), int(np.isnan(converted[0]).sum())
            if column.role == "input" and _is_single(source, column):
                converted = [part.astype(np.float32) for part in converted]
            if column.role == "time":
                rest["time"] = converted[0]
            else:
                blocks[column.role] += converted
        kind = "names" if column.role in ("task", "group", "split") else column.kind
        reading.append(Reading(column.name, column.role, kind, values, missing, column.done))
    x, y = (
        np.stack(block, axis=1) if block else np.empty((source.rows, 0))
        for block in blocks.values()
    )
    task = rest.get("task")
    group, time, part = (rest.get(role) for role in ("group", "time", "split"))
    return Records(x, y, task, task_names, group, time, part, tuple(notes), tuple(reading))


def _is_single(source: Source, column: Column) -> bool:
    """Whether all numbers of a column are numbers in single precision as well; the cells of a large
    table then take half the memory."""
    if column.kind in ("words", "truth value"):
        return True
    return column.kind == "number" and str(source.cells(column.name)[0].dtype) in SINGLE


def _names(source: Source, column: Column) -> Any:
    cells, _ = source.cells(column.name)
    is_text = source.text is not None
    return names(filled(cells, column.missing)) if is_text else names(cells)


def _task(name: str, text: Any, tasks: tuple[str, ...], notes: list[str]) -> np.ndarray:
    number = codes(text, tasks)
    unknown = np.isnan(number)
    if unknown.any():
        new = text.filter(unknown).drop_nulls().unique(maintain_order=True)
        some = few(map(repr, new))
        if len(new):
            rows = int(unknown.sum()) - text.null_count()
            notes.append(f"In {rows} of {len(text)} rows the task is unknown: {some}.")
        if text.null_count():
            notes.append(f"In {text.null_count()} of {len(text)} rows {name!r} is empty: no task.")
    return np.where(unknown, -1, number).astype(np.int64)


def _division(source: Source, column: Column, text: Any) -> np.ndarray:
    """The number of each row's group, or of the part that it is in."""
    if text.null_count():
        row = int(text.is_null().arg_true()[0])
        raise InputError(
            f"{source.title}: column {column.name!r} is empty in row {row + 1}, so that the row"
            f" has no {'group' if column.role == 'group' else 'part'}. Fill it in."
        )
    if column.role == "group":
        return np.unique(text.to_numpy(), return_inverse=True)[1].astype(np.int64)
    part = codes(text.str.to_lowercase(), list(SPLITS))
    if np.isnan(part).any():
        row = int(np.flatnonzero(np.isnan(part))[0])
        raise InputError(
            f"{source.title}: column {column.name!r} has {text[row]!r} in row {row + 1}; a split is"
            " train, validation or test."
        )
    return np.array(list(SPLITS.values()))[part.astype(int)]


def _converted(source: Source, column: Column, decimal: str, notes: list[str]) -> list[np.ndarray]:
    """A column as numbers: one array, or one for each part of a date."""
    cells, _ = source.cells(column.name)
    if column.is_number:
        if cells.dtype.is_temporal():
            raise InputError(
                f"{source.title}: column {column.name!r} has dates, but it must be numbers."
            )
        values = numbers(source.title, column.name, cells, decimal, column.unit)
        if column.kind == "count" and (wrong := (values < 0) | (values != np.round(values))).any():
            row = int(np.flatnonzero(wrong & ~np.isnan(values)).min(initial=len(values)))
            if row < len(values):
                raise InputError(
                    f"{source.title}: column {column.name!r} is {values[row]:g} in row {row + 1},"
                    " but counts are whole numbers of zero or more. Correct the cell, or read the"
                    " column as numbers (`--kind regression`, or its kind in the schema)."
                )
        return [values]
    if column.kind == "truth value":
        return [truths(source.title, column.name, cells)]
    if column.kind == "date":
        read = moments(source.title, column.name, cells, column.format)
        return _dates.numbers(read, column.parts if column.role == "input" else ("day",))
    if column.kind == "text":
        return _text(source, column, notes)
    text = _names(source, column)
    number = codes(text, column.words)
    unknown = np.isnan(number) & text.is_not_null().to_numpy()
    if unknown.any():
        new = text.filter(unknown).unique(maintain_order=True)
        some = few(map(repr, new))
        notes.append(
            f"In {int(unknown.sum())} of {len(text)} rows {column.name!r} has words that were not"
            f" there before and are read as missing: {some}."
        )
    return [number]


def _text(source: Source, column: Column, notes: list[str]) -> list[np.ndarray]:
    """The features of a column of texts; an empty cell is the empty text."""
    if not column.encoder:
        raise InputError(
            f"Column {column.name!r} of the schema is text, which can only be left out."
        )
    text = names(source.cells(column.name)[0])
    empty = int((text.fill_null("").str.strip_chars() == "").sum())
    if empty:
        notes.append(f"In {empty} of {len(text)} rows {column.name!r} is empty: no text.")
    values = text_features(text.fill_null("").to_list(), column.encoder)
    return list(values.astype(np.float64).T)


def _values(column: Column, converted: list[np.ndarray]) -> str:
    if column.kind == "words":
        some = few(column.words, 4)
        return f"{len(column.words)} words: {some}"
    if column.kind == "truth value":
        return " and ".join(column.words)
    if column.kind == "text":
        return f"{len(converted[0])} texts, {len(converted)} inputs"
    known = converted[0][~np.isnan(converted[0])]
    if not len(known):
        return "none"
    low, high = known.min(), known.max()
    if column.kind == "date":
        return " to ".join(str(np.datetime64(int(v * 86400), "s"))[:10] for v in (low, high))
    return f"{low:g} to {high:g}"
