"""A table from a file or a data frame: the part that each column plays."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import InputError, needs
from ._leaks import leak_notes
from ._schema import Records, Schema
from ._table import check_targets, Table


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
    counts: bool | None = None,
    min_rows: int = 1,
    group: str | None = None,
    time: str | None = None,
    split: str | None = None,
    schema: Schema | str | Path | None = None,
    texts: Mapping[str, str] | None = None,
) -> Table:
    """A table from a CSV, TSV or Parquet file, or from a data frame of Polars, pandas, PyArrow or
    another library that narwhals supports. Tasks are the values of one column (`task`), or each of
    several `targets` is a task on the same rows.

    Names (of tasks, of classes, of `categories`) keep their text letter by letter. Numbers are in
    one notation throughout a file, which is found from all of its columns. Empty cells are missing
    values, and so are `NA`, `NaN`, `null`, `none` and `?` among numbers; `NA` and `none` among
    words are words. A row without a label is left out; if targets are tasks, single labels may be
    missing. A column of words is an input that takes a value for each word, and a date is the
    number of its day, with its year, month, weekday and hour where they vary.

    `table.reading` says how each column was read, and `table.schema` reads later files alike.

    **Arguments:**

    - `task`, `target`: the names of these columns. `targets`: several targets, instead of both.
    - `inputs`: the columns to predict from. Default: all other columns. `leave_out`: columns that
      are not inputs, of any type.
    - `categories`: columns whose values are names, not quantities.
    - `classification`: whether the target is a class. Default: if it is words, or zeros and ones.
    - `counts`: whether the target is counts. Default: if it is whole numbers from zero on, and
      skewed.
    - `min_rows`: tasks with fewer rows are left out.
    - `group`, `time`, `split`: columns by which rows can be divided; they are not inputs.
    - `texts`: columns of texts, each with the network whose features of it are inputs:
      `{"review": "minilm"}`.
    - `schema`: how columns are read, instead of what is found; a `Schema` or a file with one. What
      it does not say is found.

    **Raises:** `InputError` for what cannot be read or is not a table of tasks. The message names
    the column and the row, the reason, and what to do.

    >>> import polars, learnset as ls
    >>> columns = {"school": ["a", "a", "b", "b"], "age": [7, 8, 7, None], "score": [1, 2, 3, 4]}
    >>> ls.read_table(polars.DataFrame(columns), task="school", target="score")
    Table(2 tasks, 4 rows, 1 inputs, regression)
    """
    with needs("tables"):
        from ._columns import reading_cells, source_of
        from ._doubtful import doubtful_notes
        from ._find import columns_of, Wishes
        from ._records import records_of
        from ._repeated import repeated_notes

    if counts and classification:
        raise InputError("The target cannot be counts and also a class. Say one of them.")
    classification = False if counts else classification
    given = schema if isinstance(schema, Schema) else Schema()
    if isinstance(schema, (str, Path)):
        given = Schema.load(schema)
    task = task if given.task is None or task is not None else given.task.name
    targets = targets or (() if target else [column.name for column in given.targets])
    leave_out = [*leave_out, *(column.name for column in given.of_role("left out"))]
    divisions = {"group": group, "time": time, "split": split}
    for role in divisions:
        divisions[role] = divisions[role] or next((c.name for c in given.of_role(role)), None)
    roles: dict[str, Any] = {name: role for role, name in divisions.items() if name is not None}
    inputs = [*inputs, *(texts or ())] if inputs else inputs
    wanted = [*inputs, *roles, *targets, *filter(None, (task, target))] if inputs else ()
    opened = source_of(source, only=wanted, without=leave_out)
    answers = _target_names(opened, task, target, targets)
    for name, role in [(name, "target") for name in answers] + (
        [(task, "task")] if task is not None else []
    ):
        if name in roles:
            raise InputError(f"Column {name!r} cannot be a {role} and also a {roles[name]}.")
        roles[name] = role
    texts = dict(texts or {})
    for name in (*roles, *inputs, *leave_out, *categories, *texts):
        opened.check(name)
    if both := sorted({*roles, *leave_out} & set(texts)):
        raise InputError(f"Column {both[0]!r} is text that is an input, and cannot be more.")
    if both := sorted({*roles, *leave_out} & set(inputs)):
        raise InputError(
            f"Column {both[0]!r} cannot be an input and also a task, a target or left out."
        )
    if both := sorted(set(roles) & set(leave_out)):
        raise InputError(f"Column {both[0]!r} cannot be a {roles[both[0]]} and also left out.")
    wishes = Wishes(
        roles, tuple(inputs), tuple(leave_out), tuple(categories), classification, counts, texts
    )
    with reading_cells(opened.title):
        columns, decimal, notes = columns_of(opened, wishes, given)
        draft = Schema(columns, (), decimal)
        tasks = () if draft.task is None else draft.task.words
        notes = [*notes, *repeated_notes(opened, columns, len(tasks))]
        records = records_of(opened, dataclasses.replace(draft, tasks=tasks), decimal)
        notes += doubtful_notes(draft, records)
    return _table(opened.title, records, draft, tasks, notes, min_rows)


def cells_of(source: Any) -> dict[str, Any]:
    """The cells of a file or data frame as they are written: a series of Polars for each column."""
    with needs("tables"):
        from ._columns import source_of

    opened = source_of(source)
    return {name: opened.cells(name)[0].alias(name) for name in opened.columns}


def _table(
    source: str,
    records: Records,
    schema: Schema,
    tasks: tuple[str, ...],
    notes: list[str],
    min_rows: int,
) -> Table:
    """The table of the rows that have a label, in tasks that are large enough."""
    answers = tuple(column.name for column in schema.targets)
    y, notes = records.y, [*records.notes, *notes]
    keep: np.ndarray = np.asarray(np.isfinite(y).any(axis=1))
    if not keep.any():
        raise InputError(
            f"{source}: no row has a label; {', '.join(map(repr, answers))} is empty everywhere."
        )
    if not keep.all():
        notes.append(f"{(~keep).sum()} of {len(keep)} rows have no label and are left out.")
    check_targets(source, answers, schema.classes, y)
    number, names = records.task, answers
    if number is not None and schema.task is not None:
        _check_tasks(source, schema.task.name, number)
        keep, names, number = _large_enough(number, tasks, keep, min_rows, notes)
        number = number[keep]
        column = dataclasses.replace(schema.task, words=())
        columns = tuple(column if c.role == "task" else c for c in schema.columns)
        schema = dataclasses.replace(schema, columns=columns, tasks=names)
    if records.time is not None and not np.isfinite(records.time).all():
        row = int(np.flatnonzero(~np.isfinite(records.time))[0])
        name = schema.of_role("time")[0].name
        raise InputError(
            f"{source}: column {name!r} is empty or infinite in row {row + 1}. Fill it in."
        )
    divisions = (records.group, records.time, records.part)
    group, time, part = (None if d is None else d[keep] for d in divisions)
    x, y = (a if keep.all() else a[keep] for a in (records.x, y))
    try:
        table = Table(
            x,
            y,
            number,
            names,
            schema.names,
            schema.words,
            (),
            answers,
            tuple(notes),
            group,
            time,
            part,
            schema.classes if any(schema.classes) else (),
            schema,
            records.reading,
        )
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return dataclasses.replace(table, notes=(*notes, *leak_notes(table)))


def _target_names(
    source: Any, task: str | None, target: str | None, targets: Sequence[str]
) -> list[str]:
    if task is not None:
        if target is not None and targets:
            raise InputError(
                f"`targets` {', '.join(targets)} with `target={target}` and a task column: a task"
                " column has one target. Leave `targets` out, or the other two."
            )
        if target is None and len(targets) != 1:
            raise InputError("With a task column there is one target: name it (`target`).")
        return [target] if target is not None else list(targets)
    names = [*([target] if target is not None else []), *targets]
    if not names:
        raise InputError(
            f"{source.title}: which columns? Name those of the task and the target (`task`,"
            f" `target`), or several `targets`, each of which is a task. It has {source.listed()}."
        )
    if len(set(names)) < len(names):
        raise InputError(f"The targets {', '.join(names)} are not all different.")
    if len(names) == 1:
        raise InputError(
            f"{source.title}: with {names[0]!r} alone there is only one task. Name the column with"
            " the task of each row (`task`, `--task-column`), or a second target (`targets`)."
        )
    return names


def _check_tasks(source: str, name: str, number: np.ndarray) -> None:
    empty = np.flatnonzero(number < 0)
    if len(empty):
        others = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise InputError(
            f"{source}: column {name!r} is empty in row {empty[0] + 1}{others}, so that the row has"
            " no task. Fill it in, or leave such rows out."
        )


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
