"""The columns of a file or of a data frame, converted when they are used."""

import contextlib
import dataclasses
import datetime
import difflib
import numbers as numeric
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core import few, InputError, needs
from ._text_file import read_text, TextFile

# Limits on what is read from a file: a small Parquet file may hold any number of rows.
MOST_ROWS = 20_000_000
MOST_CELLS = 500_000_000
DAYS = (-719_162, 2_932_896)  # the first day of the year 1 and the last of 9999, from 1970


@dataclasses.dataclass(frozen=True)
class Source:
    """The columns of a file or of a data frame, by name. `text` is the text file that they are
    from, if they are; there a word such as NA can mean an empty cell."""

    title: str
    columns: Mapping[str, Any]
    rows: int
    text: TextFile | None = None
    notes: tuple[str, ...] = ()
    _typed: dict[str, tuple[Any, bool]] = dataclasses.field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def check(self, name: str) -> None:
        """Raises `InputError` unless there is a column of this name."""
        if name not in self.columns:
            hint = _meant(name, self.columns) or f" It has {self.listed()}."
            raise InputError(f"{self.title} has no column {name!r}.{hint}")

    def listed(self) -> str:
        """The names of the first twelve columns."""
        return few(map(repr, self.columns), 12)

    def cells(self, name: str) -> "tuple[Any, bool]":
        """The cells of a column as a Polars series of numbers, truth values, dates or text, null
        where they are missing; and whether its type says that its values are names."""
        column = self.columns[name]
        if self.text is not None:
            return column, False
        if name not in self._typed:
            self._typed[name] = _typed(self.title, name, column)
        return self._typed[name]


def source_of(source: Any, *, only: Collection[str] = (), without: Collection[str] = ()) -> Source:
    """A file or a data frame as columns: `only` these, if there are any, and not those `without`.

    **Raises:** `InputError` for anything that is not a table.
    """
    with needs("tables"):
        import narwhals as nw
        import polars as pl

    if isinstance(source, (str, Path)):
        path = Path(source)
        try:
            _check_file(path)
            if path.suffix.lower() in (".parquet", ".pq"):
                return _filled(_parquet(path, only, without))
            text = read_text(path)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).") from None
        rows = len(next(iter(text.columns.values()), ()))
        return _filled(Source(path.name, text.columns, rows, text, text.notes))
    try:
        frame = nw.from_native(source)
        if isinstance(frame, nw.LazyFrame):
            frame = frame.collect()
        columns = {str(name): frame.get_column(name) for name in frame.columns}
    except (TypeError, UnicodeError, nw.exceptions.NarwhalsError, pl.exceptions.PolarsError) as e:
        reason = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise InputError(
            f"This is not a table that can be read ({reason}). Give a file name or a data frame."
        ) from None
    if len(columns) < len(frame.columns):
        raise InputError("The data frame has two columns with the same name. Rename one of them.")
    return _filled(Source("The data frame", columns, len(frame)))


def _filled(source: Source) -> Source:
    if not source.columns or source.rows == 0:
        lack = "no rows below its heading" if source.columns else "no columns"
        raise InputError(f"{source.title} has {lack}: there is no data.")
    return source


def _check_file(path: Path) -> None:
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


def _parquet(path: Path, only: Collection[str], without: Collection[str]) -> Source:
    """The columns of a Parquet file that are used. Its size is read from its header first."""
    import narwhals as nw
    import polars as pl

    try:
        with _without_panics():
            lazy = pl.scan_parquet(path)
            names = lazy.collect_schema().names()
            rows = int(lazy.select(pl.len()).collect().item())
            used = [name for name in names if (not only or name in only) and name not in without]
            if rows > MOST_ROWS or rows * len(used) > MOST_CELLS:
                raise InputError(
                    f"{path} has {rows} rows of {len(used)} columns, more than {MOST_ROWS} rows or"
                    f" {MOST_CELLS} cells. Take a sample of the rows."
                )
            frame = nw.from_native(lazy.select(used).collect(), eager_only=True)
        columns = dict.fromkeys(names) | {name: frame.get_column(name) for name in used}
        return Source(path.name, columns, rows)
    except (InputError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # Polars panics with what is no `Exception`
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{path} is damaged or in another format ({reason}). Repair it or save it again."
        ) from None


@contextlib.contextmanager
def reading_cells(title: str) -> Iterator[None]:
    """A context in which cells that Polars cannot convert are an `InputError`: a damaged file may
    show its damage there only."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{title} has cells that cannot be read ({reason}). Repair it or save it again."
        ) from None


@contextlib.contextmanager
def _without_panics() -> Iterator[None]:
    """A context in which nothing reaches the standard error stream: Rust writes its stack there
    when it meets a damaged file, even though the error is caught."""
    saved = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _typed(title: str, name: str, column: Any) -> tuple[Any, bool]:
    import narwhals as nw
    import polars as pl

    kind, native = column.dtype, column.to_native()
    named = kind in (nw.Categorical, nw.Enum)
    if isinstance(native, pl.Series) and not (named or kind == nw.Object):
        cells = native
    else:
        missing = column.is_null().to_list()
        values = [None if m else v for v, m in zip(column.to_list(), missing, strict=True)]
        cells = _series(title, name, values, as_text=named)
    if cells.dtype == pl.Decimal or cells.dtype.is_float():
        single = cells.dtype in (pl.Float32, pl.Float16)
        cells = cells.cast(pl.Float32 if single else pl.Float64).fill_nan(None)
    elif isinstance(cells.dtype, pl.Datetime) or cells.dtype == pl.Date:
        cells = _moments(title, name, cells)
    elif not (cells.dtype.is_integer() or cells.dtype in (pl.Boolean, pl.String, pl.Null)):
        raise InputError(
            f"{title}: column {name!r} has the type {kind}, which is neither numbers, words nor"
            " dates. Convert it into one of them, or leave it out (`leave_out`)."
        )
    return cells.cast(pl.String) if cells.dtype == pl.Null else cells, named


def _moments(title: str, name: str, cells: Any) -> Any:
    """Dates and times as times without a zone, in microseconds."""
    import polars as pl

    a_day = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
    unit = a_day[cells.dtype.time_unit] if isinstance(cells.dtype, pl.Datetime) else 1
    days = cells.to_physical() // unit
    if ((days < DAYS[0]) | (days > DAYS[1])).any():
        raise InputError(
            f"{title}: column {name!r} has a date that is not in the years 1 to 9999. Correct it,"
            " or leave the column out (`leave_out`)."
        )
    if isinstance(cells.dtype, pl.Datetime):
        cells = cells.dt.replace_time_zone(None)
    return cells.cast(pl.Datetime("us"))


def _series(title: str, name: str, values: list[Any], as_text: bool) -> Any:
    """Python objects as a series: numbers, truth values or dates if all are, and text otherwise."""
    import polars as pl

    filled = [value for value in values if value is not None]
    try:
        if as_text or any(isinstance(value, str) for value in filled):
            return pl.Series([None if v is None else _name(v) for v in values], dtype=pl.String)
        if all(type(value).__name__ in ("bool", "bool_") for value in filled):
            return pl.Series([None if v is None else bool(v) for v in values], dtype=pl.Boolean)
        if all(isinstance(value, numeric.Integral) for value in filled):
            whole = [None if v is None else int(v) for v in values]
            return pl.Series(whole, dtype=pl.Int128)
        if all(isinstance(value, numeric.Real) or hasattr(value, "as_tuple") for value in filled):
            return pl.Series([None if v is None else float(v) for v in values], dtype=pl.Float64)
        if all(isinstance(value, datetime.date) for value in filled):
            return pl.Series(values, strict=False)
        if any(isinstance(value, (list, dict, bytes, set)) for value in filled):
            return pl.Series(values, dtype=pl.Object)
        return pl.Series([None if v is None else _name(v) for v in values], dtype=pl.String)
    except (UnicodeError, OverflowError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{title}: column {name!r} cannot be read ({' '.join(str(error).split())[:120]})."
        ) from None


def _name(value: Any) -> str:
    """A value as a name. The number 3.0 is "3"."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _nearby(path: Path) -> str:
    try:
        others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError:
        others = []
    return _meant(path.name, others)


def _meant(name: str, others: Iterable[str]) -> str:
    lower = {other.casefold(): other for other in list(others)[:2000]}
    close = difflib.get_close_matches(name.casefold()[:200], lower, 3, 0.6)
    near = [lower[other] for other in close]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
