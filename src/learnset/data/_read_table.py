"""A table from a file or a data frame: the part that each column plays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import InputError
from ._cells import in_order, numbers_of, words_of
from ._columns import check_column, Columns, columns_of, listed
from ._table import MOST_COLUMNS, Table

MOST_WORDS = 64  # different words in a column; with more, most rows must share their word
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
    """A table from a CSV, TSV or Parquet file, or from a data frame of Polars, pandas, PyArrow or
    another library that narwhals supports. Tasks are the values of one column (`task`), or each of
    several `targets` is a task on the same rows.

    Empty cells are missing values, and so are `NA`, `NaN`, `null`, `none` and `?`. A row without a
    label is left out; if targets are tasks, single labels may be missing. A column of words is an
    input that takes a value for each word.

    **Arguments:**

    - `task`, `target`: the names of these columns. `targets`: several targets, instead of both.
    - `inputs`: the columns to predict from. Default: all other columns. `leave_out`: columns that
      are not inputs.
    - `categories`: columns whose numbers are names, not quantities.
    - `classification`: whether the target is a class. Default: if it is words, or zeros and ones.
    - `min_rows`: tasks with fewer rows are left out.

    **Raises:** `InputError` for what cannot be read or is not a table of tasks. The message names
    the column and the row, the reason, and what to do.

    >>> import polars, learnset as ls
    >>> columns = {"school": ["a", "a", "b", "b"], "age": [7, 8, 7, None], "score": [1, 2, 3, 4]}
    >>> ls.read_table(polars.DataFrame(columns), task="school", target="score")
    Table(2 tasks, 4 rows, 1 inputs, regression)
    """
    title, columns = columns_of(source)
    answers = _target_names(title, columns, task, target, targets)
    for name in (*answers, *([task] if task else []), *inputs, *leave_out, *categories):
        check_column(title, columns, name)
    taken = {*answers, task, *leave_out}
    both = taken & set(inputs)
    if both:
        raise InputError(
            f"Column {sorted(map(str, both))[0]!r} cannot be an input and also a task, a target or"
            " left out."
        )
    notes: list[str] = []
    y, classes = _labels(title, columns, answers, classification)
    keep: np.ndarray = np.asarray(np.isfinite(y).any(axis=1))
    if not keep.any():
        raise InputError(
            f"{title}: no row has a label; {', '.join(map(repr, answers))} is empty everywhere."
        )
    if not keep.all():
        notes.append(f"{(~keep).sum()} of {len(keep)} rows have no label and are left out.")
    number, names = (None, tuple(answers)) if task is None else _tasks(title, task, columns[task])
    if number is not None:
        keep, names, number = _large_enough(number, names, keep, min_rows, notes)
    free = [name for name in (inputs or columns) if name not in taken]
    x, used, words = _inputs(title, columns, free, categories, notes)
    number = None if number is None else number[keep]
    try:
        return Table(
            x[keep], y[keep], number, names, used, words, classes, tuple(answers), tuple(notes)
        )
    except InputError as error:
        raise InputError(f"{title}: {error}") from None


def _target_names(
    source: str,
    columns: Columns,
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
        raise InputError(
            f"{source}: which columns? Name those of the task and the target (`task`, `target`), or"
            f" several `targets`, each of which is a task. It has {listed(columns)}."
        )
    if len(set(names)) < len(names):
        raise InputError(f"The targets {', '.join(names)} are not all different.")
    if len(names) == 1:
        raise InputError(
            f"{source}: with {names[0]!r} alone there is only one task. Name the column with the"
            " task of each row (`task`), or a second target."
        )
    return names


def _labels(
    source: str, columns: Columns, names: list[str], classification: bool | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """A column of numbers for each target, and the names of the classes if they are classes."""
    numbers = {name: numbers_of(source, name, columns[name]) for name in names}
    filled = [column for column in numbers.values() if column is not None]
    if len(filled) < len(names):
        worded = [name for name, column in numbers.items() if column is None]
        if filled or classification is False:
            raise InputError(
                f"{source}: the target {worded[0]!r} is words, but it must be numbers. Leave it"
                " out."
            )
        return _classes(source, names, [columns[name].tolist() for name in names])
    y = np.stack(filled, axis=1)
    if np.isinf(y).any():
        row, column = (int(i) for i in np.argwhere(np.isinf(y))[0])
        raise InputError(
            f"{source}: column {names[column]!r} is infinite in row {row + 1}. Correct or empty the"
            " cell."
        )
    values = np.unique(y[np.isfinite(y)])
    if classification is None:
        classification = values.tolist() == [0, 1]
    if not classification:
        return y, ()
    return _classes(source, names, [words_of(column) for column in y.T.tolist()])


def _classes(
    source: str, names: list[str], columns: list[list[str | None]]
) -> tuple[np.ndarray, tuple[str, ...]]:
    classes = in_order({word for column in columns for word in column if word is not None})
    if len(classes) == 1:
        raise InputError(
            f"{source}: all labels of {names[0]!r} are {classes[0]!r}; there is nothing to tell"
            " apart."
        )
    if len(classes) > MOST_CLASSES:
        raise InputError(
            f"{source}: the target {names[0]!r} has {len(classes)} different values, but there may"
            f" be at most {MOST_CLASSES} classes."
        )
    return np.stack([_coded(column, classes) for column in columns], axis=1), tuple(classes)


def _coded(words: list[str | None], known: list[str]) -> np.ndarray:
    """The words as their numbers in `known`, and NaN where there is none."""
    number = {word: float(i) for i, word in enumerate(known)}
    return np.array([np.nan if word is None else number[word] for word in words], np.float64)


def _tasks(source: str, name: str, cells: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each row's task as a number, and the names of the tasks."""
    words = words_of(cells.tolist())
    empty = [i for i, word in enumerate(words) if word is None]
    if empty:
        others = f" and {len(empty) - 1} more" if empty[1:] else ""
        raise InputError(
            f"{source}: column {name!r} is empty in row {empty[0] + 1}{others}, so that the row has"
            " no task. Fill it in, or leave such rows out."
        )
    names = in_order({word for word in words if word is not None})
    return _coded(words, names).astype(int), tuple(names)


def _large_enough(
    number: np.ndarray, names: tuple[str, ...], keep: np.ndarray, min_rows: int, notes: list[str]
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """The rows to keep, and the tasks that have enough of them, renumbered."""
    least = max(1, min_rows)
    large = np.bincount(number[keep], minlength=len(names)) >= least
    if large.sum() < 2 <= len(large):
        raise InputError(
            f"{large.sum()} of {len(names)} tasks have at least {least} labelled rows, but at least"
            " two must. Lower `min_rows`."
        )
    if not large.all():
        notes.append(
            f"{(~large).sum()} of {len(names)} tasks have fewer than {least} labelled rows and are"
            " left out."
        )
    large_names = tuple(name for name, good in zip(names, large, strict=True) if good)
    return keep & large[number], large_names, (np.cumsum(large) - 1)[number]


def _inputs(
    source: str,
    columns: Columns,
    names: list[str],
    categories: Sequence[str],
    notes: list[str],
) -> tuple[np.ndarray, tuple[str, ...], dict[int, tuple[str, ...]]]:
    """The inputs as numbers, their names, and the words of each column of words."""
    if len(names) > MOST_COLUMNS:
        raise InputError(
            f"{source} has {len(names)} input columns, more than {MOST_COLUMNS}. Name those that"
            " matter (`inputs`)."
        )
    inputs: list[np.ndarray] = []
    used: list[str] = []
    words: dict[int, tuple[str, ...]] = {}
    for name in names:
        cells = columns[name]
        numbers = None if name in categories else numbers_of(source, name, cells)
        if numbers is not None:
            if np.isnan(numbers).all():
                notes.append(f"Column {name!r} is empty and is left out.")
            else:
                inputs.append(numbers)
                used.append(name)
            continue
        entries = words_of(cells.tolist())
        known = in_order({word for word in entries if word is not None})
        filled = sum(word is not None for word in entries)
        if name not in categories and len(known) > MOST_WORDS and 2 * len(known) > filled:
            notes.append(
                f"Column {name!r} has {len(known)} different words in {filled} rows and is left"
                " out."
            )
            continue
        words[len(inputs)] = tuple(known)
        inputs.append(_coded(entries, known))
        used.append(name)
    if not inputs:
        raise InputError(
            f"{source} has no input column besides the task and the target. Keep at least one."
        )
    return np.stack(inputs, axis=1), tuple(used), words
