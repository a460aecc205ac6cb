"""A table of rows: inputs, targets, and the task of each row."""

import dataclasses
import functools
import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..core import few, InputError
from ._column import Reading
from ._divisions import at_random, by_time, dealt, Division
from ._schema import Schema, schema_of_arrays

MOST_COLUMNS = 4096
FREE = 2**25  # numbers, padding included, that need no limit
LARGEST = 1e30  # of a target, so that its square is a number in single precision
# Parts of the rows, or of the tasks: to train on, to choose settings on, and to score on.
PARTS = (0.6, 0.2, 0.2)


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Table:
    """A table of rows as they were measured: nothing is scaled, filled in or left out. `read_table`
    makes one from a file or a data frame; `by_rows` and `by_tasks` make tasks from it.

    - `x`: inputs, NaN where a cell is empty. In a column of words, each word is its number.
    - `y`: a column for each target, NaN where a label is missing. For classification, the numbers
      of classes.
    - `task`: the number of each row's task; `None` if each target is a task on the same rows.
    - `names`: of the tasks. `columns`: names of the inputs. `words`: the words of each column of
      words, by the column's number.
    - `classes`: the names of the classes, in the order of their numbers; empty for regression.
      `target_classes`: those of each target, which may differ; a label is a number within them, and
      `classes` then joins the names of each number.
    - `targets`: names of the targets. `notes`: what reading left out, and why. `reading`: how each
      column was read. `schema`: reads later files in the same encoding.
    - How rows are divided, if not at random: `group`, the number of those that belong together;
      `time`, by which the past trains and the future is scored; `part`, a given division, numbered
      as in `split_rows`.

    **Raises:** `InputError` for arrays whose lengths differ, infinite numbers, a target without
    labels or with one value, a single task, and more than 4 096 columns.

    >>> import numpy as np, learnset as ls
    >>> task = np.array(["a", "a", "a", "b", "b", "b"])
    >>> ls.Table.from_arrays(np.zeros((6, 2)), np.arange(6.0), task)
    Table(2 tasks, 6 rows, 2 inputs, regression)
    """

    x: Shaped[np.ndarray, "rows columns"]
    y: Float[np.ndarray, "rows targets"]
    task: Int[np.ndarray, "rows"] | None
    names: tuple[str, ...]
    columns: tuple[str, ...]
    words: dict[int, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("target",)
    notes: tuple[str, ...] = ()
    group: Int[np.ndarray, "rows"] | None = None
    time: Float[np.ndarray, "rows"] | None = None
    part: Int[np.ndarray, "rows"] | None = None
    target_classes: tuple[tuple[str, ...], ...] = ()
    schema: Schema = Schema()
    reading: tuple[Reading, ...] = ()

    def __post_init__(self):
        self._complete()
        if not len(self.x) == len(self.y) == len(self.y if self.task is None else self.task):
            raise InputError(
                f"The table has {len(self.x)} rows of inputs and {len(self.y)} of targets; it must"
                " have as many of both."
            )
        if self.x.shape[1] == 0:
            raise InputError(
                "The table has no input column. Keep at least one besides the task and the target."
            )
        if self.x.shape[1] > MOST_COLUMNS:
            raise InputError(
                f"The table has {self.x.shape[1]} input columns, more than {MOST_COLUMNS}. Name"
                " those that matter (`inputs`)."
            )
        if np.isinf(self.x).any():
            row, column = (int(i) for i in np.argwhere(np.isinf(self.x))[0])
            raise InputError(
                f"Column {self.columns[column]!r} is infinite in row {row + 1}. Correct or empty"
                " the cell."
            )
        if not np.isfinite(self.y).any():
            raise InputError(
                f"No row has a label: every cell of {', '.join(self.targets)} is empty."
            )
        check_targets("The table", self.targets, self.target_classes, self.y)
        if len(self.names) < 2:
            only = self.names[0] if self.names else "none"
            raise InputError(
                f"The table has only one task ({only}); sharing needs two. Name another task"
                " column."
            )

    def _complete(self) -> None:
        """Fills in the classes, common or of each target, and the schema, where they are not
        given."""
        each = self.target_classes or (tuple(self.classes),) * len(self.targets)
        common = self.classes if set(each) == {tuple(self.classes)} else common_classes(each)
        object.__setattr__(self, "target_classes", each)
        object.__setattr__(self, "classes", tuple(common))
        if not self.schema.columns:
            tasks = None if self.task is None else self.names
            schema = schema_of_arrays(self.columns, self.words, self.targets, each, tasks)
            object.__setattr__(self, "schema", schema)
        elif self.task is not None and self.schema.tasks != self.names:  # of some rows alone
            schema = dataclasses.replace(self.schema, tasks=tuple(self.names))
            object.__setattr__(self, "schema", schema)

    @classmethod
    def from_arrays(
        cls,
        x: Shaped[np.ndarray, "rows columns"],
        y: Shaped[np.ndarray, "rows *targets"],
        task: Shaped[np.ndarray, "rows"] | None = None,
        *,
        classes: Sequence[str] = (),
        columns: Sequence[str] = (),
        targets: Sequence[str] = (),
        counts: bool = False,
    ) -> "Table":
        """A table from arrays: row `i` is a point `x[i], y[i]` of the task `task[i]` (any labels).
        Without `task`, each column of `y` is a task on the same rows, and NaN is a missing
        label. `counts`: whether targets are counts."""
        if counts and (np.nanmin(y, initial=0) < 0 or classes):
            raise InputError("Counts are numbers of zero or more, and have no classes.")
        y = np.asarray(y, np.float64).reshape(len(y), -1)
        columns = tuple(columns) or tuple(f"x{i + 1}" for i in range(np.shape(x)[1]))
        if task is None:
            targets = tuple(targets) or tuple(f"y{i + 1}" for i in range(y.shape[1]))
            each = (tuple(classes),) * len(targets)
            schema = schema_of_arrays(columns, {}, targets, each, None, counts=counts)
            common = (targets, columns, {}, tuple(classes), targets)
            return cls(np.asarray(x), y, None, *common, schema=schema)
        labels, number = numbered(task)
        names = tuple(str(label) for label in labels)
        targets = tuple(targets) or ("target",)
        schema = schema_of_arrays(columns, {}, targets, (tuple(classes),), names, counts=counts)
        common = (names, columns, {}, tuple(classes), targets)
        return cls(np.asarray(x), y, number, *common, schema=schema)

    def __len__(self) -> int:
        """The number of tasks."""
        return len(self.names)

    def __repr__(self) -> str:
        kind = f"{len(self.classes)} classes" if self.classes else "regression"
        return f"Table({len(self)} tasks, {len(self.x)} rows, {self.x.shape[1]} inputs, {kind})"

    @property
    def counts(self) -> bool:
        """Whether all targets are counts, and not their logarithms."""
        columns = self.schema.targets
        same = self.targets == tuple(column.name for column in columns)
        return same and all(column.kind == "count" for column in columns)

    def rows_of(self, number: int) -> Int[np.ndarray, "rows"]:
        """The rows of task `number` that have a label."""
        if self.task is None:
            return np.flatnonzero(np.isfinite(self.y[:, number]))
        order, starts = self._in_tasks
        rows = order[starts[number] : starts[number + 1]]
        return rows[np.isfinite(self.y[rows, 0])]

    @functools.cached_property
    def _in_tasks(self) -> tuple[Int[np.ndarray, "rows"], Int[np.ndarray, "tasks+1"]]:
        """The rows in the order of their tasks, and where each task begins."""
        assert self.task is not None
        order = np.argsort(self.task, kind="stable")
        return order, np.searchsorted(self.task[order], np.arange(len(self) + 1))

    def split_rows(
        self, *, seed: int = 0, parts: tuple[float, float, float] = PARTS
    ) -> Int[np.ndarray, "rows"]:
        """The part of each row, numbered as in `Split`: 0 to train on, 1 to choose settings on, 2
        to score on; another number for none. Each task's rows are divided at random by `seed`;
        targets that are tasks share one division of the rows. Groups stay together, and a table
        with times or with given parts is divided by them.

        **Raises:** `InputError` for a task with fewer than three rows.
        """
        check_parts(parts)
        if self.part is not None:
            return self.part
        return at_random(self, seed, parts) if self.time is None else by_time(self, 3)[-1]

    def divisions(self, seeds: Sequence[int]) -> list[Division]:
        """The division of each seed: `split_rows`; by time, windows that move on; a given division
        is one alone."""
        if self.part is not None:
            return [self.part]
        if self.time is not None:
            return by_time(self, len(seeds))
        return [self.split_rows(seed=seed) for seed in seeds]

    def some_rows(self, keep: Bool[np.ndarray, "rows"]) -> "Table":
        """The table with these rows alone, and the tasks that they have."""
        fields: dict[str, Any] = {"x": self.x[keep], "y": self.y[keep]}
        for name in ("group", "time", "part"):
            column = getattr(self, name)
            fields[name] = None if column is None else column[keep]
        if self.task is not None:
            left, fields["task"] = np.unique(self.task[keep], return_inverse=True)
            fields["names"] = tuple(self.names[number] for number in left)
        return dataclasses.replace(self, **fields)

    def one_row_of_each_group(self, *, seed: int = 0) -> "Table":
        """The table with one row, drawn by `seed`, of those that belong together, so that no task
        is learnt from rows that belong to those it is scored on; the table itself has no groups."""
        if self.group is None:
            return self
        order = np.random.default_rng(seed).permutation(len(self.x))
        keep = np.zeros(len(order), bool)
        keep[order[np.unique(self.group[order], return_index=True)[1]]] = True
        return self.some_rows(keep)

    def split_tasks(
        self, *, seed: int = 0, parts: tuple[float, float, float] = PARTS
    ) -> Int[np.ndarray, "tasks"]:
        """The part of each task, numbered as in `split_rows`: tasks are divided at random by
        `seed`.

        **Raises:** `InputError` for fewer than three tasks.
        """
        check_parts(parts)
        if len(self) < 3:
            raise InputError(
                f"The table has {len(self)} tasks; to hold tasks out, it needs at least three."
            )
        part = np.zeros(len(self), np.int64)
        part[np.random.default_rng(seed).permutation(len(self))] = dealt(len(self), parts)
        return part


def limited(table: Table, *, seed: int = 0, say: bool = False) -> Table:
    """The table with the rows of `rows_to_pad` alone; a note counts what is left out, and with
    `say` a warning does as well."""
    keep, note = kept_rows(table, seed, table.part)
    if not note:
        return table
    if say:
        warnings.warn(note, stacklevel=3)
    return dataclasses.replace(table.some_rows(keep), notes=(*table.notes, note))


def rows_to_pad(table: Table, part: Division | None = None) -> list[Int[np.ndarray, "rows"]]:
    """The labelled rows of each task, where all tasks are padded to the largest. Much larger tasks
    than the others give a part of their rows, drawn at random, of which it warns: padded, there
    are at most eight times as many rows as before, or few enough. Some are of each `part`."""
    keep, note = kept_rows(table, part=part)
    rows = [table.rows_of(number) for number in range(len(table))]
    if not note:
        return rows
    warnings.warn(note, stacklevel=3)
    return [of_task[keep[of_task]] for of_task in rows]


def kept_rows(
    table: Table, seed: int = 0, part: Division | None = None
) -> tuple[Bool[np.ndarray, "rows"], str]:
    """The rows that `limited` keeps, some of each `part`, and what is said of the others."""
    keep = np.ones(len(table.x), bool)
    if table.task is None:
        return keep, ""
    count = np.bincount(table.task, minlength=len(table))
    most = most_rows(count, table.x.shape[1])
    large = np.flatnonzero(count > most)
    if not len(large):
        return keep, ""
    random = np.random.default_rng([seed, 1])  # and not in the order in which rows are divided
    for number in large:
        order = random.permutation(np.flatnonzero(table.task == number))
        if part is not None:  # a row of each part comes first
            first = np.unique(part[order], return_index=True)[1]
            order = np.concatenate([order[first], np.delete(order, first)])
        keep[order[most:]] = False
    return keep, (
        f"Of {len(large)} of {len(table)} tasks that are much larger than the others"
        f" ({few(repr(table.names[number]) for number in large)}), {most} rows each, drawn at"
        f" random, are used: {(~keep).sum()} rows are left out."
    )


def most_rows(count: Int[np.ndarray, "tasks"], columns: int) -> int:
    """The most rows of a task to which tasks with `count` rows can be padded."""
    least, most, free = 1, int(count.max()), FREE // (columns + 12)
    while least < most:
        middle = (least + most + 1) // 2
        fits = middle * len(count) <= max(8 * np.minimum(count, middle).sum(), free)
        least, most = (middle, most) if fits else (least, middle - 1)
    return most


def numbered(
    labels: Any,
) -> tuple[Shaped[np.ndarray, "labels"], Int[np.ndarray, "rows"]]:
    """The different labels, sorted, and the number of each row's label.

    **Raises:** `InputError` if a label is missing: NaN, `None`, or NA of pandas.

    >>> labels, number = numbered(["b", "a", "b"])
    >>> labels.tolist(), number.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    array = np.asarray(labels)
    if array.dtype.kind in "fcOmM":
        empty = [i for i, label in enumerate(array.tolist()) if _is_missing(label)]
        if empty:
            others = f" and {len(empty) - 1} more" if empty[1:] else ""
            raise InputError(
                f"Row {empty[0] + 1}{others} has no task: its label is missing. Fill it in, or"
                " leave such rows out."
            )
    try:
        return np.unique(array, return_inverse=True)
    except TypeError:  # labels of several types, which cannot be sorted
        return np.unique(np.array([str(label) for label in array]), return_inverse=True)


def _is_missing(label: Any) -> bool:
    return label is None or type(label).__name__ in ("NAType", "NaTType") or bool(label != label)


def check_targets(
    title: str, names: Sequence[str], classes: Sequence[tuple[str, ...]], y: np.ndarray
) -> None:
    """Raises `InputError` for targets that are empty, infinite, constant, or beyond single
    precision."""
    for i, name in enumerate(names):
        known = y[~np.isnan(y[:, i]), i]
        if np.isinf(known).any():
            row = int(np.flatnonzero(np.isinf(y[:, i]))[0])
            raise InputError(
                f"{title}: column {name!r} is infinite in row {row + 1}. Correct or empty the cell."
            )
        if not len(known):
            raise InputError(f"{title}: the target {name!r} is empty. Leave it out.")
        low, high = known.min(), known.max()
        if low == high:
            label = classes[i][int(low)] if classes[i] else f"{low:g}"
            what = "one class" if classes[i] else "one value" if len(known) > 1 else "1 sample"
            raise InputError(
                f"{title}: all labels of {name!r} are {label!r}; with {what} there is nothing to"
                " tell apart."
            )
        if max(abs(low), abs(high)) > LARGEST or high - low < 1 / LARGEST:
            raise InputError(
                f"{title}: the target {name!r} goes from {low:g} to {high:g}, which is beyond the"
                f" numbers that can be learnt ({1 / LARGEST:g} to {LARGEST:g}). Use another unit,"
                " or correct the cell."
            )


def common_classes(each: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Names of classes by number for targets with different classes.

    >>> common_classes([("no", "yes"), ("no", "yes")]), common_classes([("no", "yes"), ("f", "m")])
    (('no', 'yes'), ('no / f', 'yes / m'))
    """
    rows = itertools.zip_longest(*dict.fromkeys(each))
    return tuple(" / ".join(name for name in row if name is not None) for row in rows)


def check_parts(parts: tuple[float, float, float]) -> None:
    """Raises `InputError` unless there are three parts above zero that sum to one."""
    if len(parts) != 3 or min(parts) <= 0 or abs(sum(parts) - 1) > 1e-6:
        raise InputError(
            f"`parts={parts}`, but they must be three numbers above zero (train, validation, test)"
            " that sum to 1."
        )
