"""A column of a table: its part, and how its cells are read."""

import dataclasses
from typing import Any, get_args, Literal, NamedTuple

from ..core import InputError

Role = Literal["task", "target", "input", "left out", "group", "time", "split"]
Kind = Literal["number", "count", "words", "truth value", "date", "text", ""]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table: its part, and how its cells are read.

    - `role`: `task`, `target`, `input` or `left out`; `group`, `time` and `split` divide rows.
    - `kind`: `number`, `words`, `truth value`, `date`, or `text`, which is an input only
      with an `encoder`; of a target also `count`: whole numbers of zero or more. Empty in a schema
      written by hand: it is found.
    - `words`: in order; their numbers are the codes. Of a target, its classes.
    - `missing`: words that mean an empty cell, in a text file and without quotes.
    - `unit`: left out of each cell, such as `%`. `format` of dates in text.
    - `parts`: of dates, those that are inputs.
    - `encoder`: of text that is an input, the network whose features of it are inputs: `minilm`,
      with the digest of its weights where a table was read.
    - `done`: what else was done with the column, and why.
    """

    name: str
    role: Role = "input"
    kind: Kind = "number"
    words: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unit: str = ""
    format: str = ""
    parts: tuple[str, ...] = ()
    done: str = ""
    encoder: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields that say something, for JSON."""
        fields = dataclasses.asdict(self)
        return {k: v for k, v in fields.items() if v or k in ("role", "kind")}

    @classmethod
    def from_dict(cls, fields: Any) -> "Column":
        """The column of a dictionary such as `to_dict` gives.

        **Raises:** `InputError` for anything else.
        """
        where = f"column {fields.get('name')!r}" if isinstance(fields, dict) else "a column"
        if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
            raise InputError("The schema has a column without a `name`, which must be text.")
        known = {field.name: field for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {"kind": ""}
        for key, value in fields.items():
            if key not in known:
                raise InputError(f"The schema has the unknown field {key!r} in {where}.")
            values[key] = of_type(value, known[key].default, f"{key!r} of {where}")
        for key, allowed in (("role", get_args(Role)), ("kind", get_args(Kind))):
            if key in values and values[key] not in allowed:
                raise InputError(
                    f"The schema has {key} {values[key]!r} in {where}; it must be one of"
                    f" {', '.join(filter(None, allowed))}."
                )
        return cls(**values)

    @property
    def is_number(self) -> bool:
        """Whether its cells are numbers: counts are."""
        return self.kind in ("number", "count")


class Reading(NamedTuple):
    """How one column was read: a row of the table that a page shows."""

    column: str
    role: str
    kind: str
    values: str
    missing: int
    done: str


def of_type(value: Any, like: Any, where: str) -> Any:
    """A value of JSON as text or as a tuple of texts.

    **Raises:** `InputError` for another type.
    """
    if isinstance(like, tuple):
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise InputError(f"The schema needs a list of texts for {where}.")
    if not isinstance(value, str):
        raise InputError(f"The schema needs text for {where}.")
    return value
