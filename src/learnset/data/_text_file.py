"""A text file of cells: its separator, its heading, and the rows below it."""

import codecs
import collections
import contextlib
import csv
import dataclasses
import io
import itertools
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from ..core import InputError, needs

with needs("tables"):
    import polars as pl

SEPARATORS = ",;\t|"
QUOTED = "\ue000"  # marks a quoted cell that would mean "missing" without its quotes
MARKS = {  # at the beginning of a file; that of UTF-32 begins as that of UTF-16 does
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
MOST_NAMES = 100_000
_HEAD = 100  # rows that the separator and the heading are known by
_BLOCK = 1_000_000  # cells that are Python objects at a time
_TOKEN = rb"(none|na|n/a|nan|null|\?)"


@dataclasses.dataclass(frozen=True)
class TextFile:
    """The columns of a text file as series of text, and what was found above and around them."""

    columns: "dict[str, pl.Series]"
    separator: str
    notes: tuple[str, ...]
    content: bytes

    def quotes(self, words: Collection[str]) -> bool:
        """Whether the file has words such as these in quotes that they do not need."""
        plain = [word for word in sorted(words) if word.replace(" ", "").isalnum()][:3]
        return bool(plain) and all(f'"{word}"'.encode() in self.content for word in plain)


def read_text(path: Path) -> TextFile:
    """The cells of a CSV file. Lines above the heading, comments and blank rows are passed over.

    **Raises:** `InputError` for what is not a table in UTF-8; the message names the row.
    """
    content, notes = _in_utf8(path, path.read_bytes())
    stated = re.match(rb"(?:\xef\xbb\xbf)?sep=(.)\r?[\n\r]", content, re.IGNORECASE)
    if stated:
        content = content[stated.end() :]
    with _long_cells(content):
        try:
            separator = stated[1].decode("latin-1") if stated else _separator(content)
            return _read(path, content, separator, ("the line `sep=`",) if stated else (), notes)
        except csv.Error as error:
            raise InputError(
                f"{path} is damaged or in another format ({error}). Repair it or save it again."
            ) from None


def _in_utf8(path: Path, content: bytes) -> tuple[bytes, list[str]]:
    """The content in UTF-8, and a note if it was in another encoding, which its first bytes
    name."""
    mark = next((encoding for bom, encoding in MARKS.items() if content.startswith(bom)), "UTF-8")
    try:
        text = content.decode("utf-8-sig" if mark == "UTF-8" else mark)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        letter = bytes([byte]).decode("cp1252", "ignore") if mark == "UTF-8" else ""
        meaning = f", {letter!r} in Windows-1252" if letter else ""
        raise InputError(
            f"{path} is not in {mark} (line {line} has the byte 0x{byte:02X}{meaning}). Save it in"
            " UTF-8."
        ) from None
    if "\0" in text:
        raise InputError(
            f"{path} contains zero bytes: it is not text, or it is in UTF-16 without saying so."
            " Save it as CSV in UTF-8."
        )
    if not text.strip():
        raise InputError(f"{path} is empty: it has not even a heading.")
    if mark == "UTF-8":
        return content, []
    return text.encode(), [f"The file is read as {mark}."]


def _read(
    path: Path, content: bytes, separator: str, above: tuple[str, ...], notes: list[str]
) -> TextFile:
    head = list(itertools.islice(_rows(content, separator), _HEAD))
    filled = [row for row in head if any(cell.strip() for cell in row)]
    width = _width(filled)
    found = (i for i, row in enumerate(head) if _is_heading(row, head[i + 1 :], width))
    start = next(found, None)
    if start is None:
        raise InputError(f"{path} has no heading in its first {_HEAD} rows. Write one.")
    passed = sum(any(cell.strip() for cell in row) for row in head[:start])
    if passed:
        above += (f"{passed} line{'s' if passed > 1 else ''} above the heading",)
    notes += [f"Passed over: {' and '.join(above)}."] if above else []
    names = _names(path, head[start], head[start + 1 :], notes)
    mark = re.escape(separator.encode())
    content = re.sub(
        rb"(?<![^" + mark + rb'\n\r])"' + _TOKEN + rb'"(?=[' + mark + rb"\r\n]|$)",
        b'"' + QUOTED.encode() + rb'\1"',
        content,
        flags=re.IGNORECASE,
    )

    def body(*, strict: bool) -> Iterator[list[str]]:
        return itertools.islice(_rows(content, separator, strict=strict), start + 1, None)

    heading = [cell.strip() for cell in head[start]]
    try:
        blocks, blank, again = _blocks(path, body(strict=True), names, heading)
    except csv.Error:  # a quote in the middle of a cell, or one that is never closed
        rows = _whole(path, body(strict=False), separator)
        blocks, blank, again = _blocks(path, rows, names, heading)
    if blank:
        notes.append(f"{blank} rows without a filled cell are left out.")
    if again:
        notes.append(f"Rows that repeat the heading are left out ({again}).")
    columns = {
        name: pl.concat([block[i] for block in blocks])
        if blocks
        else pl.Series([], dtype=pl.String)
        for i, name in enumerate(names)
    }
    return TextFile(columns, separator, tuple(notes), content)


def _rows(content: bytes, separator: str, *, strict: bool = False) -> Iterator[list[str]]:
    lines = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")
    spaces = separator != " "
    return csv.reader(lines, delimiter=separator, skipinitialspace=spaces, strict=strict)


def _whole(path: Path, rows: Iterator[list[str]], separator: str) -> Iterator[list[str]]:
    """The rows of a file with stray quotes.

    **Raises:** `InputError` if two quotes, or one and the end, made one cell of several rows.
    """
    for number, row in enumerate(rows):
        if any("\n" in cell and separator in cell for cell in row):
            raise InputError(
                f"{path}: row {number + 1} begins a cell with a quote that does not end it, so that"
                " other rows would be part of the cell. Leave out the quote, or write it twice in a"
                " quoted cell."
            )
        yield row


def _separator(content: bytes) -> str:
    """The separator with which most rows have the same number of cells, above one."""

    def fit(separator: str) -> tuple[float, int]:
        rows = [r for r in itertools.islice(_rows(content, separator), _HEAD) if any(r)]
        width = _width(rows)
        same = sum(len(row) == width for row in rows) / max(1, len(rows))
        return (same if width > 1 else 0.0, width)

    return max(SEPARATORS, key=fit)


def _width(rows: list[list[str]]) -> int:
    """The number of cells of most rows; the larger one of two that are equally frequent."""
    count = collections.Counter(map(len, rows))
    return max(count, key=lambda width: (count[width], width), default=0)


def _is_heading(row: list[str], after: list[list[str]], width: int) -> bool:
    """Whether a row is the heading, and neither blank, nor a comment, nor a title above it."""
    filled = sum(bool(cell.strip()) for cell in row)
    if not filled:
        return False
    following = next((other for other in after if any(other)), None)
    if following is None:
        return True
    if row[0].startswith("#"):
        numbers = any(re.fullmatch(r"\s*[+-]?[0-9][0-9.,]*\s*", cell) for cell in following)
        return len(row) == len(following) and numbers
    title = bool(row[0].strip()) and 2 * filled <= width and not any(c.strip() for c in row[1:])
    return not title


def _names(path: Path, heading: list[str], body: list[list[str]], notes: list[str]) -> list[str]:
    names = [name.strip() for name in heading]
    below = [row for row in body if any(cell.strip() for cell in row)]
    if len(names) > MOST_NAMES:
        raise InputError(f"{path} has {len(names)} columns, more than {MOST_NAMES}.")
    if below and all(len(row) == len(names) + 1 and row[-1].strip() for row in below):
        first = [row[0] for row in below]
        if first != [str(i + 1) for i in range(len(first))]:
            raise InputError(
                f"{path}: the heading has {len(names)} names, but the rows have"
                f" {len(names) + 1} cells. Name each column."
            )
        names = ["", *names]  # as R writes row numbers
    while (
        names and not names[-1] and all(not cell for row in below for cell in row[len(names) - 1 :])
    ):
        names.pop()  # a separator after the last cell
    nameless = [i for i, name in enumerate(names) if not name]
    for i in nameless:
        names[i] = f"column {i + 1}"
    repeated = [name for name, count in collections.Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            f"{path} has {names.count(repeated[0])} columns named {repeated[0]!r}. Give each column"
            " a different name."
        )
    if nameless:
        listed = ", ".join(repr(names[i]) for i in nameless[:5])
        notes.append(f"Columns without a name are called {listed}.")
    return names


def _blocks(
    path: Path, rows: Iterator[list[str]], names: list[str], heading: list[str]
) -> "tuple[list[list[pl.Series]], int, int]":
    """The rows as blocks of columns, the number of rows in which no cell is filled, and the number
    of those that are the heading once more."""
    width, most = len(names), max(1, _BLOCK // len(names))
    blocks: list[list[pl.Series]] = []
    block: list[list[str]] = []
    number = blank = again = 0
    for row in rows:
        if row and row[0].strip() == heading[0] and [cell.strip() for cell in row] == heading:
            again += 1
            continue
        if len(row) != width or not row[0]:
            if not any(cell.strip() for cell in row):
                blank += len(row) > 1
                continue
            if len(row) < width or any(cell.strip() for cell in row[width:]):
                raise InputError(
                    f"{path}: row {number + 1} has {len(row)} cells, but the heading has {width}"
                    " names. Correct the row."
                )
            row = row[:width]
        number += 1
        block.append(row)
        if len(block) == most:
            blocks.append(_columns(block))
            block = []
    return [*blocks, *([_columns(block)] if block else [])], blank, again


def _columns(block: list[list[str]]) -> "list[pl.Series]":
    return [pl.Series(column, dtype=pl.String) for column in zip(*block, strict=True)]


@contextlib.contextmanager
def _long_cells(content: bytes) -> Iterator[None]:
    """A context in which a cell may be as long as the file."""
    limit = csv.field_size_limit(max(len(content), 1))
    try:
        yield
    finally:
        csv.field_size_limit(limit)
