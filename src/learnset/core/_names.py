"""Names from a user's files as text that a page, a terminal or a spreadsheet shows, and does not
obey. A figure does the same in `write_figure`, Markdown in `learnset.report.escaped`."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ._files import write_file

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # Unicode's categories of what is not seen
JOINERS = "\u200c\u200d"  # part of Persian and Indic words, and of emoji


def visible(text: str) -> str:
    r"""Text on one line, with what cannot be seen written out: escape sequences, marks that turn
    the direction of writing, halves of surrogate pairs.

    >>> print(visible("a\x1b[2Jb\u202ec\n d"))
    a\x1b[2Jb\u202ec d
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_seen, re.sub(r"\s*[^\S ]\s*", " ", text)))


def _seen(letter: str) -> str:
    if letter in JOINERS or unicodedata.category(letter) not in HIDDEN:
        return letter
    return ascii(letter)[1:-1]


def short(text: str, most: int) -> str:
    """Visible text of `most` letters at the most: the middle is left out, because long names often
    differ at their ends.

    >>> short("a long name of a task", 11)
    'a lon… task'
    """
    text = visible(text)
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def few(texts: Iterable[str], most: int = 5) -> str:
    """The first few of many texts, for a message.

    >>> few(["a", "b", "c"], 2)
    'a, b, …'
    """
    texts = list(texts)
    return ", ".join(texts[:most]) + ", …" * (len(texts) > most)


def write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Writes a line for each record, in one move. Words that a spreadsheet would take for a formula
    get an apostrophe in front, as spreadsheets have it themselves; numbers stay numbers."""
    head = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(cell, head))
    writer.writerows([cell(record.get(name)) for name in head] for record in records)
    write_file(path, text.getvalue().encode(errors="backslashreplace"))


def cell(value: Any) -> Any:
    """A value of a table as a cell of a CSV file, which no spreadsheet calculates.

    >>> cell("=1+1"), cell("-5"), cell(-5.0), cell("a|b")
    ("'=1+1", '-5', -5.0, 'a|b')
    """
    if not isinstance(value, str) or not value.lstrip().startswith(("=", "+", "-", "@")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
