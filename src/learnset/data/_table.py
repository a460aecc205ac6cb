"""A table of rows: inputs, targets, and which task each row belongs to."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..core import InputError, Split

MOST_COLUMNS = 4096
PARTS = (
    0.6,
    0.2,
    0.2,
)  # of the rows, or of the tasks: to train on, to choose settings on, to score on


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Table:
    """Rows as they were measured: nothing is scaled, filled in or left out. `read_table` makes one of a file or of a data
    frame; `by_rows` and `by_tasks` make tasks of it.

    - `x`: inputs, NaN where a cell is empty. In a column of words the number of the word.
    - `y`: a column for each target, NaN where a label is missing; numbers of classes for classification.
    - `task`: the number of each row's task; `None` where each target is a task, on the same rows.
    - `names`: of the tasks. `columns`: of the inputs. `words`: those of each column of words, by the column's number.
    - `classes`: what the numbers of classes mean; empty for regression.
    - `targets`: names of the targets. `notes`: what was left out on reading, and why.

    **Raises:** `InputError` for arrays that do not fit together, infinite numbers, no label at all, one task only, and more
    than 4 096 columns.

    >>> import numpy as np, learnset as ls
    >>> ls.Table.from_arrays(np.zeros((6, 2)), np.arange(6.0), np.array(["a", "a", "a", "b", "b", "b"]))
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

    def __post_init__(self):
        if not len(self.x) == len(self.y) == len(self.y if self.task is None else self.task):
            raise InputError(
                f"The table has {len(self.x)} rows of inputs and {len(self.y)} of targets; they must be as many."
            )
        if self.x.shape[1] == 0:
            raise InputError(
                "The table has no input column. Leave at least one beside the task and the target."
            )
        if self.x.shape[1] > MOST_COLUMNS:
            raise InputError(
                f"The table has {self.x.shape[1]} input columns, more than {MOST_COLUMNS}: with so many, name those that"
                " matter (`inputs`)."
            )
        if np.isinf(self.x).any():
            row, column = (int(i) for i in np.argwhere(np.isinf(self.x))[0])
            raise InputError(
                f"Column {self.columns[column]!r} is infinite in row {row + 1}. Mend or empty the cell."
            )
        if not np.isfinite(self.y).any():
            raise InputError(f"No row has a label: {', '.join(self.targets)} is empty everywhere.")
        if len(self.names) < 2:
            only = self.names[0] if self.names else "none"
            raise InputError(
                f"The table has one task only ({only}); sharing needs two. Name another task column."
            )

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
    ) -> "Table":
        """A table of arrays: row `i` is a point `x[i], y[i]` of task `task[i]` (any labels); without `task`, each column
        of `y` is a task on the same rows, and NaN a missing label."""
        y = np.asarray(y, np.float64).reshape(len(y), -1)
        columns = tuple(columns) or tuple(f"x{i + 1}" for i in range(np.shape(x)[1]))
        if task is None:
            targets = tuple(targets) or tuple(f"y{i + 1}" for i in range(y.shape[1]))
            return cls(np.asarray(x), y, None, targets, columns, {}, tuple(classes), targets)
        labels, number = np.unique(np.asarray(task), return_inverse=True)
        names = tuple(str(label) for label in labels)
        return cls(
            np.asarray(x),
            y,
            number,
            names,
            columns,
            {},
            tuple(classes),
            tuple(targets) or ("target",),
        )

    def __len__(self) -> int:
        """How many tasks."""
        return len(self.names)

    def __repr__(self) -> str:
        kind = f"{len(self.classes)} classes" if self.classes else "regression"
        return f"Table({len(self)} tasks, {len(self.x)} rows, {self.x.shape[1]} inputs, {kind})"

    def rows_of(self, number: int) -> Int[np.ndarray, "rows"]:
        """The rows of task `number` that have a label."""
        if self.task is None:
            return np.flatnonzero(np.isfinite(self.y[:, number]))
        return np.flatnonzero((self.task == number) & np.isfinite(self.y[:, 0]))

    def split_rows(
        self, *, seed: int = 0, parts: tuple[float, float, float] = PARTS
    ) -> Int[np.ndarray, "rows"]:
        """Which part each row is of: 0 to train on, 1 to choose settings on, 2 to score on, as in `Split`. Each task's
        rows are dealt out at random by `seed`; where targets are tasks, all of them share one division of the rows.

        **Raises:** `InputError` for a task with fewer than three rows.
        """
        check_parts(parts)
        random, part = np.random.default_rng(seed), np.zeros(len(self.x), np.int64)
        if self.task is None:
            part[random.permutation(len(part))] = dealt(len(part), parts)
            return part
        for number, name in enumerate(self.names):
            rows = self.rows_of(number)
            if len(rows) < 3:
                raise InputError(
                    f"Task {name!r} has {len(rows)} labelled row{'' if len(rows) == 1 else 's'}; one to train on, one to choose"
                    " settings on and one to score on are needed. Leave out small tasks with `min_rows=3`."
                )
            part[random.permutation(rows)] = dealt(len(rows), parts)
        return part

    def split_tasks(
        self, *, seed: int = 0, parts: tuple[float, float, float] = PARTS
    ) -> Int[np.ndarray, "tasks"]:
        """Which part each task is of, dealt out at random by `seed`, as in `split_rows`.

        **Raises:** `InputError` for fewer than three tasks.
        """
        check_parts(parts)
        if len(self) < 3:
            raise InputError(
                f"The table has {len(self)} tasks; to hold tasks out, three are needed at least."
            )
        part = np.zeros(len(self), np.int64)
        part[np.random.default_rng(seed).permutation(len(self))] = dealt(len(self), parts)
        return part


def dealt(count: int, parts: tuple[float, float, float]) -> Int[np.ndarray, "count"]:
    """So many things in three parts, none of them empty.

    >>> dealt(5, (0.6, 0.2, 0.2)).tolist()
    [0, 0, 0, 1, 2]
    """
    validation, test = (max(1, math.floor(part * count + 0.5)) for part in parts[1:])
    number = np.full(count, Split.TRAIN.value)
    number[count - validation - test : count - test] = Split.VALIDATION.value
    number[count - test :] = Split.TEST.value
    return number


def check_parts(parts: tuple[float, float, float]) -> None:
    """Raises `InputError` unless there are three parts above zero that make up one."""
    if len(parts) != 3 or min(parts) <= 0 or abs(sum(parts) - 1) > 1e-6:
        raise InputError(
            f"`parts={parts}`, but they are three numbers above zero (train, validation, test) that sum to 1."
        )
