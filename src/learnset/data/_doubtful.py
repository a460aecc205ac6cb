"""Notes about values that were read as they are written, and that may mean something else."""

import re

import numpy as np

from ._column import Column
from ._schema import Records, Schema

# Rows that sum up others, as spreadsheets have them.
SUMMARY = re.compile(
    r"(.*\b)?(sub-?)?totals?|sum|summe|gesamt|insgesamt|average|durchschnitt|mittelwert",
    re.IGNORECASE,
)
SENTINELS = (-9, -99, -999, -9999, -99999, 99, 999, 9999, 99999)  # as some forms write "missing"
MANY = 20  # different words with digits, which are rather quantities
DISTINCT = 5  # dates that are not all numbers by chance
YEAR = 365  # days


def doubtful_notes(schema: Schema, records: Records) -> list[str]:
    """Notes about numbers that may be dates or mean that a cell is missing, words that may be
    quantities or sums of other rows, and cells that may have been merged."""
    notes = []
    number = {name: i for i, name in enumerate(schema.names)}
    for column in schema.columns:
        what = ""
        if column.role == "task" or column.kind == "words" and column.role == "input":
            what = _of_words(column)
        if column.role == "input" and column.kind == "number":
            what = _of_numbers(records.x[:, number[column.name]])
        if column.role == "target" and column.is_number:
            what = _of_codes(records.y[:, schema.targets.index(column)])
        if column.role == "input" and column.kind == "date":
            what = _of_dates(records.x[:, number[column.name]])
        if column.role == "input" and column.kind == "words" and not what:
            what = _of_gaps(records.x[:, number[column.name]])
        if what:
            notes.append(f"Column {column.name!r} {what}.")
    return notes


def _of_words(column: Column) -> str:
    sums = next((word for word in column.words if SUMMARY.fullmatch(word.strip())), None)
    if sums is not None:
        return f"has {sums!r}, which may sum up other rows. If so, leave such rows out"
    if column.role == "task" or len(column.words) <= MANY:
        return ""
    if "names" in column.done or not all(re.search(r"\d", word) for word in column.words):
        return ""
    return (
        f"has {len(column.words)} words with digits, such as {column.words[0]!r}, each of which is"
        " a word of its own. If they are quantities or times, write them as numbers or dates"
    )


def _of_numbers(values: np.ndarray) -> str:
    known = np.unique(values[np.isfinite(values)])
    if len(known) >= DISTINCT:
        for digits, form in ((8, "%Y%m%d"), (6, "%Y%m")):
            if _are_dates(known, digits):
                return (
                    f"has dates such as {known[0]:.0f}, which are read as numbers. To read them as"
                    f' dates, say so in a schema: {{"kind": "date", "format": "{form}"}}'
                )
    return _of_codes(values)


def _of_codes(values: np.ndarray) -> str:
    known = np.unique(values[np.isfinite(values)])
    for value in {known[0], known[-1]} & set(map(float, SENTINELS)) if len(known) > 2 else ():
        others = known[known != value]
        count = int((values == value).sum())
        apart = abs(value) > 3 * np.abs(others).max() or value < 0 <= others[0]
        if apart and count > 1:
            return (
                f"is {value:.0f} in {count} rows, far from all other values. If it means that a"
                " cell is missing, empty such cells"
            )
    return ""


def _of_dates(days: np.ndarray) -> str:
    """Whether the first or the last day is further from all others than they are from each
    other."""
    known = np.unique(days[np.isfinite(days)])
    if len(known) < DISTINCT:
        return ""
    for day, others in ((known[0], known[1:]), (known[-1], known[:-1])):
        if np.abs(others - day).min() > 3 * max(YEAR, np.ptp(others)):
            count = int((days == day).sum())
            return (
                f"is {np.datetime64(int(day), 'D')} in {count} row{'s' if count > 1 else ''}, far"
                " from all other dates. If it means that a cell is missing, empty such cells"
            )
    return ""


def _are_dates(known: np.ndarray, digits: int) -> bool:
    """Whether all are days, or months, of the years 1900 to 2100, written without marks."""
    low, high = 1900 * 10 ** (digits - 4), 2101 * 10 ** (digits - 4)
    if known[0] < low or known[-1] >= high or (known != np.round(known)).any():
        return False
    text = [f"{value:.0f}" for value in known[:1000]]
    try:
        np.array(["-".join(filter(None, (t[:4], t[4:6], t[6:]))) for t in text], "datetime64[D]")
    except ValueError:
        return False
    return True


def _of_gaps(values: np.ndarray) -> str:
    """Whether words stand in the first row of each block alone."""
    filled = np.isfinite(values)
    words = values[filled]
    if not filled[0] or 2 * filled.sum() > len(values) or len(words) < 2:
        return ""
    if (words[1:] == words[:-1]).any() or filled[1]:
        return ""
    return (
        f"is empty in {(~filled).sum()} of {len(values)} rows. If its cells were merged, fill them"
        " in below the first"
    )
