"""How the columns of a table were read: a table on the page and on the terminal."""

from ..core import short
from ..data import Reading, Table
from ._values import Grid, Paragraph, Section

MOST_COLUMNS = 200
_HEAD = ("column", "use", "read as", "values", "missing", "what was done")
_LONGEST = 60
_CORRECT = (
    "Where this is not what you meant, correct `schema.json`, which is next to this page, and give"
    " it back: `--schema schema.json`."
)


def reading_sections(table: Table) -> tuple[Section, ...]:
    """The columns as they were read, and what to do where that is wrong; nothing for a table that
    was made from arrays."""
    if not table.reading:
        return ()
    return (Section("What was read how", (reading_grid(table, MOST_COLUMNS), Paragraph(_CORRECT))),)


def reading_grid(table: Table, most: int) -> Grid:
    """A line for each column, and for at most `most` of them: those with a use other than an input
    first, then those of which there is something to say, then the others."""
    rows = sorted(table.reading, key=_order)
    rest = len(rows) - most
    lines = [_line(row) for row in rows[:most]]
    if rest > 0:
        lines.append((f"… {rest} more", "", "", "", "", "see schema.json"))
    return Grid(_HEAD, tuple(lines), left=6)


def _order(row: Reading) -> tuple[bool, bool]:
    return row.role in ("input", "left out"), not row.done


def _line(row: Reading) -> tuple[str, ...]:
    kind = "" if row.role == "left out" else row.kind
    missing = f"{row.missing:,}" if row.missing else ""
    return (
        short(row.column, _LONGEST),
        row.role,
        kind,
        short(row.values, _LONGEST),
        missing,
        row.done,
    )
