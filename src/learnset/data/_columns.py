"""The columns of a file or of a data frame."""

import csv
import difflib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core import InputError, needs
from ._cells import is_empty, numbers_or_words

Columns = Mapping[str, np.ndarray]  # numbers with NaN, or words with None


def columns_of(source: Any) -> tuple[str, Columns]:
    """A name for the source, for messages; and its columns."""
    with needs("tables"):
        import narwhals as nw

    if isinstance(source, (str, Path)):
        path = Path(source)
        frame, decimal_comma = _read(path)
        title = path.name
    else:
        frame, title, decimal_comma = source, "The data frame", False
    try:
        frame = nw.from_native(frame)
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        columns = {str(name): frame.get_column(name) for name in frame.columns}
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"This is not a table that can be read ({reason}). Give a file name or a data frame."
        ) from None
    if not columns or len(frame) == 0:
        lack = "no rows below its heading" if columns else "no columns"
        raise InputError(f"{title} has {lack}: there is no data.")
    return title, {
        name: _cells(title, name, column, decimal_comma) for name, column in columns.items()
    }


def check_column(source: str, columns: Columns, name: str) -> None:
    """Raises `InputError` unless there is a column of this name."""
    if name not in columns:
        hint = _meant(name, columns) or f" It has {listed(columns)}."
        raise InputError(f"{source} has no column {name!r}.{hint}")


def listed(columns: Columns) -> str:
    """The names of the first twelve columns."""
    names = ", ".join(map(repr, list(columns)[:12]))
    return names + (", …" if len(columns) > 12 else "")


def _read(path: Path) -> tuple[Any, bool]:
    """A file as a data frame, in which the cells of a CSV file are words; and whether its numbers
    may have a decimal comma."""
    with needs("tables"):
        import polars as pl

    if not path.is_file():
        raise InputError(
            f"{path} {'is a folder' if path.is_dir() else 'does not exist'}; give a table."
            f"{_nearby(path)}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: it has not even a heading.")
    if path.suffix.lower() not in (".csv", ".tsv", ".txt", ".parquet", ".pq"):
        raise InputError(
            f"{path} ends in {path.suffix!r}, but tables are .csv, .tsv or .parquet. Save it in one"
            " of these formats."
        )
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path), False
        content = path.read_bytes()
        separator = _separator(path, content)
        frame = pl.read_csv(content, separator=separator, infer_schema=False, encoding="utf8")
        return frame, separator == ";"
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{path} is damaged or in another format ({reason}). Repair it or save it again."
        ) from None


def _separator(path: Path, content: bytes) -> str:
    """The separator of the cells of a CSV file, after a check of its heading."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path} is not in UTF-8 (line {line}). Save it in that encoding."
        ) from None
    if "\0" in text:
        raise InputError(
            f"{path} contains zero bytes: it is not text, or it is in UTF-16. Save it as CSV in"
            " UTF-8."
        )
    heading = next((line for line in text.splitlines() if line.strip()), "")
    if not heading:
        raise InputError(f"{path} is empty: it has not even a heading.")
    separator = max(",;\t", key=heading.count)
    names = [name.strip() for name in next(csv.reader(io.StringIO(heading), delimiter=separator))]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise InputError(
            f"{path} has {names.count(repeated[0])} columns named {repeated[0]!r}. Give each column"
            " a different name."
        )
    return separator


def _nearby(path: Path) -> str:
    folder = path.parent
    others = [other.name for other in folder.iterdir()] if folder.is_dir() else []
    return _meant(path.name, others)


def _meant(name: str, others: Iterable[str]) -> str:
    lower = {other.casefold(): other for other in others}
    near = [lower[other] for other in difflib.get_close_matches(name.casefold(), lower, 3, 0.6)]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def _cells(source: str, name: str, column: Any, decimal_comma: bool) -> np.ndarray:
    with needs("tables"):
        import narwhals as nw

    kind = column.dtype
    if kind.is_numeric() or kind == nw.Boolean:
        return np.array([np.nan if v is None else float(v) for v in column.to_list()], np.float64)
    if kind == nw.Unknown or kind in (nw.Object, nw.String, nw.Categorical, nw.Enum):
        words = [None if is_empty(v) else str(v).strip() for v in column.to_list()]
        return numbers_or_words(words, decimal_comma)
    raise InputError(
        f"{source}: column {name!r} has the type {kind}, which is neither numbers nor words."
        " Convert it into one of them."
    )
