"""Rows of a result as cells of a page and as curves."""

from collections.abc import Sequence
from typing import Any

from learnset.comparison import Setting
from learnset.report import DASHES, Grid, look

Row = dict[str, Any]  # of result.json


def select(rows: Sequence[Row], **fields: Any) -> list[Row]:
    """The rows with these fields.

    >>> select([{"part": "a", "trial": 1}, {"part": "a", "trial": 2}], part="a", trial=2)
    [{'part': 'a', 'trial': 2}]
    """
    return [row for row in rows if all(row.get(name) == fields[name] for name in fields)]


def cell(row: Row, digits: int = 1) -> str:
    """The value and its interval.

    >>> cell({"value": 50.24, "ci95": 1.5})
    '50.2 ± 1.5'
    """
    return f"{row['value']:.{digits}f} ± {row['ci95']:.{digits}f}"


def by_learner(
    rows: Sequence[Row], across: str, head: Sequence[str], *, digits: int = 1, title: str = ""
) -> Grid:
    """A line for each learner, after its setting, and a column for each value of a field.

    **Arguments:**

    - `across`: the field.
    - `head`: a heading for each of its values, in the order of the rows.
    """
    columns = list(dict.fromkeys(row[across] for row in rows))
    learners = dict.fromkeys((row["setting"], row["recipe"]) for row in rows)
    lines = []
    for setting, name in learners:
        by_value = {row[across]: cell(row, digits) for row in select(rows, recipe=name)}
        lines.append((setting, name, *(by_value.get(column, "") for column in columns)))
    return Grid(("setting", "learner", *head), tuple(lines), left=2, title=title)


def styles(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """The colour and the dashes of each learner's curve: a colour for each setting, and dashes that
    tell learners of one setting apart. Bounds are dotted."""
    used = {Setting.BOUND.value: DASHES.index(":") - 1}
    learners = {}
    for setting, name in dict.fromkeys((row["setting"], row["recipe"]) for row in rows):
        number = used[setting] = used.get(setting, -1) + 1
        learners[name] = {"color": look(setting).colour, "linestyle": DASHES[number % len(DASHES)]}
    return learners


def significant(curve: Any) -> list[float]:
    """Numbers of a figure, to four significant digits.

    >>> significant([0.123456, 12345.6])
    [0.1235, 12350.0]
    """
    return [float(f"{value:.4g}") for value in curve]


def times(training: dict[str, dict[str, float]]) -> str:
    """Seconds of training by name.

    >>> times({"MAML": {"train_seconds": 365.4}, "pretrained": {"train_seconds": 85.1}})
    '365 s (MAML), 85 s (pretrained)'
    """
    return ", ".join(f"{s['train_seconds']:.0f} s ({name})" for name, s in training.items())


def by_seed(sizes: float | list[float]) -> str:
    """The step sizes of all seeds, or the one that all have.

    >>> by_seed([0.3, 0.3]), by_seed([1.0, 0.3])
    ('0.3', '1/0.3')
    """
    each = [sizes] if isinstance(sizes, (int, float)) else sizes
    return f"{each[0]:g}" if len(set(each)) == 1 else "/".join(f"{size:g}" for size in each)
