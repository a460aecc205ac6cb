"""A table from a file or a data frame."""

import csv
import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import InputError, needs
from ._table import Table

EMPTY = {
    "",
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "?",
}  # what an empty cell may look like, in any case
MOST_WORDS = 64  # different words of a column that are told apart
MOST_CLASSES = 50


def read_table(
    source: Any,
    *,
    task: str | None = None,
    target: str | None = None,
    targets: Sequence[str] = (),
    inputs: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    categories: Sequence[str] = (),
    classification: bool | None = None,
    min_rows: int = 1,
) -> Table:
    """A table from a CSV, TSV or Parquet file, or from a data frame of Polars, pandas, PyArrow or another library that
    narwhals knows. Tasks are the values of one column (`task`), or each of several `targets` is a task on the same rows.

    Empty cells are missing values, and so are `NA`, `NaN`, `null`, `none` and `?`. A row without a label is left out; where
    targets are tasks, single labels may be missing. A column of words is an input with a value for each word.

    **Arguments:**

    - `task`, `target`: the names of these columns. `targets`: several, instead of both.
    - `inputs`: the columns to predict from; all others, unless given. `leave_out`: but not these.
    - `categories`: columns whose numbers are names, and not quantities.
    - `classification`: whether the target is a class; told from it (words, or zeros and ones), unless said.
    - `min_rows`: tasks with fewer are left out.

    **Raises:** `InputError` for what cannot be read or is no table of tasks: which column and row, why, and what to do.

    >>> import polars, learnset as ls
    >>> frame = polars.DataFrame({"school": ["a", "a", "b", "b"], "age": [7, 8, 7, None], "score": [1.0, 2.0, 3.0, 4.0]})
    >>> ls.read_table(frame, task="school", target="score")
    Table(2 tasks, 4 rows, 1 inputs, regression)
    """
    where, columns = _columns(source)
    answers = _target_names(where, columns, task, target, targets)
    for name in (*answers, *([task] if task else []), *inputs, *leave_out, *categories):
        _check_there(where, columns, name)
    taken = {*answers, task, *leave_out}
    both = taken & set(inputs)
    if both:
        raise InputError(
            f"Column {sorted(map(str, both))[0]!r} cannot be an input and a task, a target or left out."
        )
    notes: list[str] = []
    y, classes = _labels(where, columns, answers, classification)
    keep: np.ndarray = np.isfinite(y).any(axis=1)
    if keep.any() and not keep.all():
        notes.append(f"{(~keep).sum()} of {len(keep)} rows have no label and are left out.")
    if not keep.any():
        raise InputError(
            f"{where}: no row has a label; {', '.join(map(repr, answers))} is empty everywhere."
        )
    number, names = (None, tuple(answers)) if task is None else _tasks(where, task, columns[task])
    if number is not None:
        keep, names, number = _large_enough(number, names, keep, min_rows, notes)
    x, used, words = _inputs(
        where, columns, [n for n in (inputs or columns) if n not in taken], categories, notes
    )
    number = None if number is None else number[keep]
    try:
        return Table(
            x[keep], y[keep], number, names, used, words, classes, tuple(answers), tuple(notes)
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


# Columns of any source: numbers with NaN, or words with None.


def _columns(source: Any) -> tuple[str, dict[str, np.ndarray]]:
    """What to call the source, and its columns."""
    with needs("tables"):
        import narwhals as nw

    if isinstance(source, (str, Path)):
        path = Path(source)
        frame, decimal_comma = _read(path)
        where = path.name
    else:
        frame, where, decimal_comma = source, "The data frame", False
    try:
        frame = nw.from_native(frame)
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        columns = {str(name): frame.get_column(name) for name in frame.columns}
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"This is no table that can be read ({words}). Give a file name or a data frame."
        ) from None
    if not columns or len(frame) == 0:
        raise InputError(
            f"{where} has {'no rows below its heading' if columns else 'no columns'}: there is no data."
        )
    return where, {
        name: _cells(where, name, column, decimal_comma) for name, column in columns.items()
    }


def _read(path: Path) -> tuple[Any, bool]:
    """A file as a data frame, cells of a CSV file as words; and whether its numbers may have a decimal comma."""
    with needs("tables"):
        import polars as pl

    if not path.is_file():
        raise InputError(
            f"{path} is {'a folder' if path.is_dir() else 'not there'}; a table is needed.{_nearby(path)}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: it has not even a heading.")
    if path.suffix.lower() not in (".csv", ".tsv", ".txt", ".parquet", ".pq"):
        raise InputError(
            f"{path} ends in {path.suffix!r}; tables are .csv, .tsv or .parquet. Save it as one of these."
        )
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path), False
        content = path.read_bytes()
        separator = _separator(path, content)
        frame = pl.read_csv(content, separator=separator, infer_schema=False, encoding="utf8")
        return frame, separator == ";"
    except (pl.exceptions.PolarsError, OSError) as error:
        words = " ".join(str(error).split())[:160]
        raise InputError(
            f"{path} is damaged or of another format ({words}). Mend it or save it again."
        ) from None


def _separator(path: Path, content: bytes) -> str:
    """What stands between the cells of a CSV file whose heading is in order."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path} is not in UTF-8 (line {line}). Save it in that encoding."
        ) from None
    if "\0" in text:
        raise InputError(
            f"{path} holds zero bytes: it is no text, or in UTF-16. Save it as CSV in UTF-8."
        )
    heading = next((line for line in text.splitlines() if line.strip()), "")
    if not heading:
        raise InputError(f"{path} is empty: it has not even a heading.")
    separator = max(",;\t", key=heading.count)
    names = [name.strip() for name in next(csv.reader(io.StringIO(heading), delimiter=separator))]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(
            f"{path} has {names.count(twice[0])} columns named {twice[0]!r}. Give each its own name."
        )
    return separator


def _nearby(path: Path) -> str:
    folder = path.parent
    there = [other.name for other in folder.iterdir()] if folder.is_dir() else []
    return _meant(path.name, there)


def _cells(where: str, name: str, column: Any, decimal_comma: bool) -> np.ndarray:
    """Numbers, or words."""
    with needs("tables"):
        import narwhals as nw

    kind = column.dtype
    if kind.is_numeric() or kind == nw.Boolean:
        return np.array([np.nan if v is None else float(v) for v in column.to_list()], np.float64)
    if kind == nw.Unknown or kind in (nw.Object, nw.String, nw.Categorical, nw.Enum):
        words = [None if _empty(v) else str(v).strip() for v in column.to_list()]
        return _as_numbers(words, decimal_comma)
    raise InputError(
        f"{where}: column {name!r} is of type {kind}, neither numbers nor words. Turn it into one of them."
    )


def _empty(value: Any) -> bool:
    return value is None or value != value or str(value).strip().casefold() in EMPTY


def _as_numbers(words: list[str | None], decimal_comma: bool) -> np.ndarray:
    """The words as numbers, if all of them are; as they are otherwise."""
    plain = ["nan" if w is None else w.replace(",", ".") if decimal_comma else w for w in words]
    try:
        return np.array(plain).astype(np.float64)
    except ValueError:
        return np.array(words, dtype=object)


def _numbers(where: str, name: str, cells: np.ndarray) -> np.ndarray | None:
    """The cells of a column of numbers; `None` for one of words.

    **Raises:** `InputError` for a column in which most, but not all, are numbers.
    """
    if cells.dtype != object:
        return cells
    filled = [i for i, cell in enumerate(cells) if cell is not None]
    wrong = [i for i in filled if not _is_number(cells[i])]
    if 2 * len(wrong) >= len(filled):
        return None
    raise InputError(
        f"{where}: column {name!r} has the text {cells[wrong[0]]!r} in row {wrong[0] + 1}, and numbers in most others. Mend"
        f" or empty the cell, or say that the column's values are names: `categories` {name!r}."
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


# What each column is for.


def _check_there(where: str, columns: dict[str, np.ndarray], name: str) -> None:
    if name not in columns:
        shown = ", ".join(repr(column) for column in list(columns)[:12]) + (
            ", …" if len(columns) > 12 else ""
        )
        hint = _meant(name, columns) or f" It has {shown}."
        raise InputError(f"{where} has no column {name!r}.{hint}")


def _meant(name: str, there: Sequence[str] | dict[str, Any]) -> str:
    lower = {other.casefold(): other for other in there}
    near = [lower[other] for other in difflib.get_close_matches(name.casefold(), lower, 3, 0.6)]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def _target_names(
    where: str,
    columns: dict[str, np.ndarray],
    task: str | None,
    target: str | None,
    targets: Sequence[str],
) -> list[str]:
    if task is not None:
        if target is None and len(targets) != 1:
            raise InputError("With a task column there is one target: name it (`target`).")
        return [target] if target is not None else list(targets)
    names = [*([target] if target is not None else []), *targets]
    if not names:
        shown = ", ".join(repr(name) for name in list(columns)[:12])
        raise InputError(
            f"{where}: which columns? Name the task's and the target's (`task`, `target`), or several `targets`, each of"
            f" which is a task. It has {shown}."
        )
    if len(set(names)) < len(names):
        raise InputError(f"The targets {', '.join(names)} are not all different.")
    if len(names) == 1:
        raise InputError(
            f"{where}: with {names[0]!r} alone there is one task only. Name the column that says which task a row belongs"
            " to (`task`), or a second target."
        )
    return names


def _labels(
    where: str, columns: dict[str, np.ndarray], names: list[str], classification: bool | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """A column of numbers for each target, and what they mean where they are classes."""
    found = [_numbers(where, name, columns[name]) for name in names]
    worded = [name for name, numbers in zip(names, found, strict=True) if numbers is None]
    if worded and (len(worded) < len(names) or classification is False):
        raise InputError(
            f"{where}: the target {worded[0]!r} is words, and numbers are asked for. Leave it out."
        )
    if worded:
        return _classes(where, names, [columns[name] for name in names])
    y = np.stack([numbers for numbers in found if numbers is not None], axis=1)
    if np.isinf(y).any():
        row, which = (int(i) for i in np.argwhere(np.isinf(y))[0])
        raise InputError(
            f"{where}: column {names[which]!r} is infinite in row {row + 1}. Mend or empty the cell."
        )
    values = np.unique(y[np.isfinite(y)])
    if classification is None:
        classification = len(values) == 2 and values.tolist() == [0, 1]
    if not classification:
        return y, ()
    return _classes(
        where, names, [np.array([_plain(cell) for cell in column], dtype=object) for column in y.T]
    )


def _classes(
    where: str, names: list[str], cells: list[np.ndarray]
) -> tuple[np.ndarray, tuple[str, ...]]:
    classes = _sorted({cell for column in cells for cell in column if cell is not None})
    if len(classes) == 1:
        raise InputError(
            f"{where}: all labels of {names[0]!r} are {classes[0]!r}; there is nothing to tell apart."
        )
    if len(classes) > MOST_CLASSES:
        raise InputError(
            f"{where}: the target {names[0]!r} has {len(classes)} different values; classes are at most {MOST_CLASSES}."
        )
    number = {word: float(i) for i, word in enumerate(classes)}
    y = np.array(
        [[np.nan if cell is None else number[cell] for cell in column] for column in cells]
    )
    return y.reshape(len(cells), -1).T, tuple(classes)


def _tasks(where: str, name: str, cells: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each row's task as a number, and the tasks' names."""
    words = [_plain(c) if isinstance(c, float) else c for c in cells.tolist()]
    absent = [i for i, word in enumerate(words) if word is None]
    if absent:
        raise InputError(
            f"{where}: column {name!r} is empty in row {absent[0] + 1}{f' and {len(absent) - 1} more' if absent[1:] else ''}"
            ", so that the row has no task. Fill it, or leave the rows out."
        )
    names = _sorted(set(words))
    number = {word: i for i, word in enumerate(names)}
    return np.array([number[word] for word in words]), tuple(names)


def _plain(value: float) -> str | None:
    """A number as a name: 3.0 is "3"."""
    return None if value != value else str(int(value)) if value == int(value) else str(value)


def _sorted(words: set[str]) -> list[str]:
    """By number where all are numbers, and by letter otherwise."""
    return (
        sorted(words, key=lambda w: (float(w), w)) if all(map(_is_number, words)) else sorted(words)
    )


def _large_enough(
    number: np.ndarray, names: tuple[str, ...], keep: np.ndarray, min_rows: int, notes: list[str]
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Rows to keep, and the tasks that have enough of them, numbered anew."""
    count = np.bincount(number[keep], minlength=len(names))
    large = count >= max(1, min_rows)
    if large.sum() < 2 <= len(large):
        raise InputError(
            f"{large.sum()} of {len(names)} tasks have {max(1, min_rows)} labelled rows or more, and two are needed. Lower"
            " `min_rows`."
        )
    if not large.all():
        notes.append(
            f"{(~large).sum()} of {len(names)} tasks have fewer than {max(1, min_rows)} labelled rows: left out."
        )
    anew = np.cumsum(large) - 1
    return (
        keep & large[number],
        tuple(n for n, good in zip(names, large, strict=True) if good),
        anew[number],
    )


def _inputs(
    where: str,
    columns: dict[str, np.ndarray],
    names: list[str],
    categories: Sequence[str],
    notes: list[str],
) -> tuple[np.ndarray, tuple[str, ...], dict[int, tuple[str, ...]]]:
    """The inputs as numbers, their names, and the words of those that are words."""
    if len(names) > 10 * MOST_WORDS and len(names) > 4096:
        raise InputError(
            f"{where} has {len(names)} input columns, more than 4096. Name those that matter (`inputs`)."
        )
    found, used, words = [], [], {}
    for name in names:
        cells = columns[name]
        named = name in categories
        numbers = None if named else _numbers(where, name, cells)
        if numbers is not None:
            if np.isnan(numbers).all():
                notes.append(f"Column {name!r} is empty and is left out.")
                continue
            found.append(numbers)
        else:
            cells = np.array(
                [_plain(c) if isinstance(c, float) else c for c in cells.tolist()], dtype=object
            )
            known = _sorted({cell for cell in cells if cell is not None})
            filled = sum(cell is not None for cell in cells)
            if not named and len(known) > MOST_WORDS and 2 * len(known) > filled:
                notes.append(
                    f"Column {name!r} has {len(known)} different words in {filled} rows and is left out."
                )
                continue
            code = {word: float(i) for i, word in enumerate(known)}
            words[len(used)] = tuple(known)
            found.append(np.array([np.nan if cell is None else code[cell] for cell in cells]))
        used.append(name)
    if not found:
        raise InputError(
            f"{where} has no input column beside the task and the target. Leave at least one."
        )
    return np.stack(found, axis=1), tuple(used), words
