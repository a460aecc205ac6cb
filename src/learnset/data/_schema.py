"""The schema of a table: how each column is read, kept so that later files are read alike."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..core import InputError
from ..models import TEXT_FEATURES
from ._column import Column, of_type, Reading

FORMAT = 1
SPLITS = {
    **dict.fromkeys(("train", "training", "learn", "0"), 0),
    **dict.fromkeys(("validation", "valid", "val", "dev", "1"), 1),
    **dict.fromkeys(("test", "testing", "2"), 2),
}


@dataclasses.dataclass(frozen=True)
class Records:
    """Rows of a file or data frame in the encoding of a schema. All rows of the file are there.

    - `x`: inputs; NaN where a cell is empty or a word is unknown. Words are their numbers.
    - `y`: a column for each target, NaN where there is no label, or no such column.
    - `task`: the number of each row's task, -1 if it is unknown; `None` if targets are tasks.
      `task_names`: as they are in the file, "" where the cell is empty.
    - `group`, `time`, `part`: of the columns with these roles, if there are any: the number of the
      group, a number or the days since 1970, and the part in which the row is (0, 1 or 2).
    - `notes`: what was unknown or missing, and how often. `reading`: how each column was read.
    """

    x: Float[np.ndarray, "rows inputs"]
    y: Float[np.ndarray, "rows targets"]
    task: Int[np.ndarray, "rows"] | None
    task_names: tuple[str, ...] = ()
    group: Int[np.ndarray, "rows"] | None = None
    time: Float[np.ndarray, "rows"] | None = None
    part: Int[np.ndarray, "rows"] | None = None
    notes: tuple[str, ...] = ()
    reading: tuple[Reading, ...] = ()

    def __len__(self) -> int:
        return len(self.x)


@dataclasses.dataclass(frozen=True)
class Schema:
    """How the columns of a table are read. `read_table` finds it, and `read` reads any later file
    or data frame in the same encoding, with its columns in any order.

    - `columns`: all columns that were there, those left out included.
    - `tasks`: names of the tasks, by their numbers; empty if each target is a task.
    - `decimal`: the decimal mark of numbers in text: `.` or `,`. Empty if the table had none: each
      file then has its own.

    >>> import polars, learnset as ls
    >>> frame = polars.DataFrame({"t": ["a", "b"] * 4, "colour": ["red"] * 4 + ["blue"] * 4,
    ...                           "y": range(8)})
    >>> schema = ls.read_table(frame, task="t", target="y").schema
    >>> later = schema.read(polars.DataFrame({"colour": ["blue", "green"], "t": ["b", "c"]}))
    >>> later.x.tolist(), later.task.tolist(), later.task_names
    ([[0.0], [nan]], [1, -1], ('b', 'c'))
    >>> ls.data.Schema.from_json(schema.to_json()) == schema
    True
    """

    columns: tuple[Column, ...] = ()
    tasks: tuple[str, ...] = ()
    decimal: str = ""

    def of_role(self, role: str) -> tuple[Column, ...]:
        """The columns of one role, in their order."""
        return tuple(column for column in self.columns if column.role == role)

    def column(self, name: str) -> Column | None:
        """The column of this name."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def inputs(self) -> tuple[Column, ...]:
        return self.of_role("input")

    @property
    def targets(self) -> tuple[Column, ...]:
        return self.of_role("target")

    @property
    def task(self) -> Column | None:
        return next(iter(self.of_role("task")), None)

    @property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """The classes of each target; empty for a target of numbers."""
        return tuple(
            () if column.is_number or column.kind == "date" else column.words
            for column in self.targets
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs. A date is several inputs."""
        return tuple(name for name, _ in self._inputs())

    @property
    def words(self) -> dict[int, tuple[str, ...]]:
        """The words of each input that is a word, by the input's number."""
        return {i: words for i, (_, words) in enumerate(self._inputs()) if words}

    def _inputs(self) -> list[tuple[str, tuple[str, ...]]]:
        from . import _dates

        inputs: list[tuple[str, tuple[str, ...]]] = []
        for column in self.inputs:
            if column.kind == "date":
                inputs += _dates.inputs_of(column.name, column.parts)
            elif column.kind == "text":
                inputs += [(f"{column.name} {i + 1}", ()) for i in range(TEXT_FEATURES)]
            else:
                inputs.append((column.name, column.words if column.kind == "words" else ()))
        return inputs

    def read(self, source: Any) -> Records:
        """A file or a data frame in this encoding. Columns may be in another order, and those of
        the targets may be missing.

        **Raises:** `InputError` if an input or the column of the task is missing, or for a cell
        that is not what its column has.
        """
        from ._columns import reading_cells, source_of
        from ._records import decimal_of, records_of

        used = [column.name for column in self.columns if column.role != "left out"]
        opened = source_of(source, only=used)
        with reading_cells(opened.title):
            return records_of(opened, self, decimal_of(opened, self))

    def to_json(self) -> str:
        """The schema as text, from which `from_json` makes it again."""
        record = {"format": FORMAT, "decimal": self.decimal, "tasks": list(self.tasks)}
        columns = [column.to_dict() for column in self.columns]
        return json.dumps(record | {"columns": columns}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Schema":
        """The schema that is written in JSON.

        **Raises:** `InputError` for anything else; the message names the field.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"The schema is not JSON ({error}).") from None
        if not isinstance(record, dict):
            raise InputError("The schema must be a JSON object with `columns`.")
        for key in record:
            if key not in ("format", "decimal", "tasks", "columns"):
                raise InputError(f"The schema has the unknown field {key!r}.")
        if record.get("format", FORMAT) != FORMAT:
            raise InputError(
                f"The schema has format {record['format']!r}, but this version reads {FORMAT}."
            )
        if record.get("decimal", "") not in ("", ".", ","):
            raise InputError("The schema needs `decimal` to be '.' or ','.")
        columns = record.get("columns", [])
        if not isinstance(columns, list):
            raise InputError("The schema needs a list for `columns`.")
        schema = cls(
            tuple(map(Column.from_dict, columns)),
            of_type(record.get("tasks", []), (), "`tasks`"),
            record.get("decimal", ""),
        )
        names = [column.name for column in schema.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"The schema has the column {twice!r} twice.")
        return schema

    @classmethod
    def load(cls, path: str | Path) -> "Schema":
        """The schema in a file.

        **Raises:** `InputError` if it cannot be read.
        """
        try:
            return cls.from_json(Path(path).read_bytes())
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).") from None
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def schema_of_arrays(
    columns: Sequence[str],
    words: dict[int, tuple[str, ...]],
    targets: Sequence[str],
    classes: Sequence[tuple[str, ...]],
    tasks: tuple[str, ...] | None,
    *,
    counts: bool = False,
) -> Schema:
    """The schema of a table that was made from arrays. Its task column is called `task`."""
    inputs = [
        Column(name, "input", "words" if i in words else "number", tuple(words.get(i, ())))
        for i, name in enumerate(columns)
    ]
    answers = [
        Column(name, "target", "words" if known else "count" if counts else "number", tuple(known))
        for name, known in zip(targets, classes, strict=True)
    ]
    task = [] if tasks is None else [Column("task", "task", "words")]
    return Schema((*task, *inputs, *answers), tasks or ())
