"""The columns of a schema, found from the cells of a file and from what the user says of them."""

import contextlib
import dataclasses
import re
import unicodedata
from typing import Any, NoReturn

import numpy as np

from ..core import few, InputError, needs
from ..models import TEXT_TOKENS
from . import _dates
from ._cells import filled, names as names_of, NO_NUMBER, numbers
from ._column import Column, Role
from ._columns import Source
from ._infer import inferred, MOST_WORDS, named
from ._notation import decimal_mark, numerals, PLAIN, ROUNDED
from ._schema import Schema
from ._table import MOST_COLUMNS
from ._texts import pinned

with needs("tables"):
    import polars as pl

MOST_CLASSES = 50
SKEWED = 0.5  # skewness of whole numbers from which they are counts: Poisson's of mean 4
# Names of a column that is the number of its row, if its values are.
ROW_NUMBERS = {"index", "id", "row", "rowid", "row_id", "row number", "rownames", "level_0", "nr"}
_NAMELESS = r"^(column [0-9]+|Unnamed: [0-9]+)$"


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What the user says of columns: the roles of some, by name, and how some are read."""

    roles: dict[str, Role]
    inputs: tuple[str, ...]
    leave_out: tuple[str, ...]
    categories: tuple[str, ...]
    classification: bool | None
    counts: bool | None = None
    texts: dict[str, str] = dataclasses.field(default_factory=dict)  # their encoders


def columns_of(
    source: Source, wishes: Wishes, given: Schema
) -> tuple[tuple[Column, ...], str, list[str]]:
    """The columns of a file, its decimal mark if there is one, and notes about what was left out.

    **Raises:** `InputError` for a column whose cells cannot be understood.
    """
    notes: list[str] = []
    role_of: dict[str, Role] = {n: _role(n, wishes, given) for n in source.columns}
    whole = given.targets and given.inputs and not wishes.inputs
    if whole and (new := [name for name in source.columns if given.column(name) is None]):
        some = few(map(repr, new))
        notes.append(f"Columns that the schema does not have are left out: {some}.")
    count = sum(role == "input" for role in role_of.values())
    if count > MOST_COLUMNS:
        raise InputError(
            f"{source.title} has {count} input columns, more than {MOST_COLUMNS}. Name those that"
            " matter (`inputs`)."
        )
    decimal = given.decimal or _decimal(source, role_of, wishes, given)
    mark = decimal or "."
    columns: list[Column] = []
    refused: dict[str, InputError] = {}
    for name, role in role_of.items():
        column = Column(name, role, "text")
        if role != "left out":
            try:
                column = _column(source, column, wishes, given.column(name), mark, notes)
            except InputError as error:
                refused[name] = error
        columns.append(column)
    if refused:
        _refuse(refused)
    columns = _targets_alike(source, columns, wishes)
    if not any(column.role == "input" for column in columns):
        raise InputError(
            f"{source.title} has no input column besides the task and the target. Keep at least"
            " one."
        )
    return tuple(columns), decimal, notes


def _refuse(refused: dict[str, InputError]) -> NoReturn:
    """Raises the first error, with the names of the other columns that have one."""
    first, *others = refused
    if not others:
        raise refused[first]
    some = few(map(repr, others), 10)
    raise InputError(f"{refused[first]} Not understood either: {some}.") from None


def _role(name: str, wishes: Wishes, given: Schema) -> Role:
    """The role of a column: as the user says, or an input. A schema with inputs and targets is
    whole, and others only correct some columns."""
    if name in wishes.roles:
        return wishes.roles[name]
    if wishes.inputs:
        return "input" if name in wishes.inputs else "left out"
    new = bool(given.targets and given.inputs) and given.column(name) is None
    return "left out" if new or name in wishes.leave_out else "input"


def _by_name(name: str, role: Role, wishes: Wishes) -> bool:
    """Whether the use of a column makes names of its values."""
    classes = role == "target" and wishes.classification is True
    return role in ("task", "group", "split") or name in wishes.categories or classes


def _decimal(source: Source, role_of: dict[str, Role], wishes: Wishes, given: Schema) -> str:
    digits: dict[str, Any] = {}
    for name, role in role_of.items():
        stated = given.column(name)
        other = (
            stated is not None
            and stated.kind not in ("number", "count", "")
            or name in wishes.texts
        )
        if role == "left out" or other or _by_name(name, role, wishes):
            continue
        cells, words = source.cells(name)
        if cells.dtype == pl.String and not words:
            digits[name] = numerals(filled(cells, NO_NUMBER)).digits
    return decimal_mark(source.title, digits, source.text.separator if source.text else ",")


def _column(
    source: Source,
    column: Column,
    wishes: Wishes,
    given: Column | None,
    decimal: str,
    notes: list[str],
) -> Column:
    name, role = column.name, column.role
    if name in wishes.texts and role == "input":
        encoder = wishes.texts[name]
        done = f"features of the first {TEXT_TOKENS} tokens of each text by {encoder}"
        return dataclasses.replace(column, kind="text", encoder=pinned(encoder), done=done)
    if given is not None and given.encoder:
        return dataclasses.replace(given, role=role)
    cells, words = source.cells(name)
    if given is not None and given.kind and role not in ("task", "group", "split"):
        return _as_given(source, dataclasses.replace(given, role=role), cells, notes)
    if words or _by_name(name, role, wishes):
        column = named(column, cells, source.text)
    else:
        column = inferred(source.title, column, cells, decimal, source.text)
    if column.missing:
        count = int(cells.str.strip_chars().is_in(list(column.missing)).sum())
        _missing_note(notes, name, column.missing, count)
    elif column.kind in ("number", "count", "truth value", "date") and cells.dtype == pl.String:
        text = names_of(cells).drop_nulls()
        gone = text.filter(filled(text, NO_NUMBER).is_null())
        if len(gone):
            _missing_note(notes, name, tuple(sorted(gone.unique().to_list())), len(gone))
    if column.kind == "words" and column.done:
        notes.append(f"Column {name!r}: {column.done}.")
    if alike := _alike(column.words):
        notes.append(f"Column {name!r}: {alike}, and are different names.")
    if role == "target":
        return _target(source, column, cells, wishes, decimal)
    return _input(source, column, cells, wishes, decimal, notes) if role == "input" else column


SURE = 4  # letters of a name that is not told apart by its marks alone
MARKS = re.compile(r"(?<!\d)[\W_]+|[\W_]+(?!\d)")  # of a name, but not those between digits
# Dashes and quotes of typography, and Cyrillic letters that are drawn as Latin ones.
LOOKALIKES = str.maketrans(
    "\u2010\u2011\u2012\u2013\u2014\u2212\u2018\u2019\u02bc\u00b4\u201c\u201d\u201e"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421"
    "\u0422\u0425",
    "------''''" + 3 * '"' + "aeopcyxABEKMHOPCTX",
)


def _alike(words: tuple[str, ...]) -> str:
    """The first two words that differ only in upper and lower case, in what is not seen, in points,
    hyphens or accents, or as ways to write one number, and in which of these; or nothing."""
    first: dict[str, str] = {}
    bare: dict[str, str] = {}
    for word in words:
        key, is_number = word, PLAIN.fullmatch(word) is not None
        if is_number and len(word) <= ROUNDED:
            key = str(float(word))
        elif not word.isascii():
            with contextlib.suppress(UnicodeError):  # UTF-8 that was read as another encoding
                key = word.encode("cp1252").decode()
            seen = (letter for letter in key if unicodedata.category(letter) != "Cf")
            key = unicodedata.normalize("NFKC", "".join(seen)).translate(LOOKALIKES)
        key = " ".join(key.split())
        if (other := first.setdefault(key.casefold(), word)) == word:
            letters = _without_marks(key.casefold())
            if sum(map(str.isalpha, letters)) < SURE:
                continue
            if (other := bare.setdefault(letters, word)) != word:
                return f"{other!r} and {word!r} differ only in points, hyphens or accents"
            continue
        if other.casefold() == word.casefold():
            return f"{other!r} and {word!r} differ only in case"
        if is_number:
            return f"{other!r} and {word!r} are the same number"
        return f"{ascii(other)} and {ascii(word)} look alike"
    return ""


def _without_marks(word: str) -> str:
    """A word without accents, spaces and marks; those between digits stay.

    >>> _without_marks("st. gößnitz-1.5")
    'stgoßnitz1.5'
    """
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c)
    )
    return MARKS.sub("", letters)


def _missing_note(notes: list[str], name: str, words: tuple[str, ...], count: int) -> None:
    listed = ", ".join(map(repr, words[:4]))
    notes.append(f"Column {name!r}: {listed} is read as missing ({count} cells).")


def _input(
    source: Source,
    column: Column,
    cells: Any,
    wishes: Wishes,
    decimal: str,
    notes: list[str],
) -> Column:
    """An input, or a column that is left out, with a note that says why."""
    name = column.name
    why = ""
    if column.kind == "text":
        why = "is empty"
    elif column.kind == "words" and name not in wishes.categories and cells.dtype == pl.String:
        count, rows = len(column.words), int(names_of(cells).is_not_null().sum())
        if count > MOST_WORDS and 2 * count > rows:
            why = f"has {count} different words in {rows} rows"
            column = dataclasses.replace(column, words=(), kind="text")
    elif column.kind == "number" and name not in wishes.inputs:
        nameless = bool(pl.Series([name]).str.contains(_NAMELESS)[0])
        if nameless or name.casefold() in ROW_NUMBERS:
            values = numbers(source.title, name, cells, decimal, column.unit)
            if _is_row_number(values, nameless):
                why = "is the number of the row"
    if why:
        notes.append(f"Column {name!r} {why} and is left out.")
        done = f"{why}, left out"
        return dataclasses.replace(column, role="left out", done=done, missing=())
    if len(column.words) > MOST_WORDS:
        done = f"the {MOST_WORDS} most frequent words become inputs"
        return dataclasses.replace(column, done="; ".join(filter(None, (column.done, done))))
    return column


def _is_row_number(values: np.ndarray, nameless: bool) -> bool:
    """Whether values count the rows; those of a nameless column may be in any order."""
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        return False
    if nameless:
        return len(np.unique(values)) == len(values)
    return bool((np.diff(values) == 1).all() and values[0] in (0, 1))


def _target(source: Source, column: Column, cells: Any, wishes: Wishes, decimal: str) -> Column:
    """A target: numbers, or classes with their names."""
    where = f"{source.title}: the target {column.name!r}"
    if column.kind == "text":
        return dataclasses.replace(column, kind="number")  # empty, which is refused later
    if column.kind == "date":
        raise InputError(f"{where} is a date, but it must be numbers or classes.")
    if column.words and wishes.classification is False:
        if cells.dtype != pl.Boolean:
            raise InputError(f"{where} is words, but it must be numbers. Leave it out.")
        return dataclasses.replace(column, kind="number", words=())
    if column.kind == "number" and wishes.classification is None:
        values = np.unique(numbers(source.title, column.name, cells, decimal, column.unit))
        if values[~np.isnan(values)].tolist() == [0, 1]:
            return dataclasses.replace(column, kind="truth value", words=("0", "1"))
    if column.kind == "number" and not wishes.classification:
        values = numbers(source.title, column.name, cells, decimal, column.unit)
        if wishes.counts or (wishes.counts is None and are_counts(values)):
            return dataclasses.replace(column, kind="count")
    if len(column.words) > MOST_CLASSES:
        raise InputError(
            f"{where} has {len(column.words)} different values, but there may be at most"
            f" {MOST_CLASSES} classes."
        )
    return column


def are_counts(values: np.ndarray) -> bool:
    """Whether a target is likely to be counts: whole numbers from zero on, of which a few are much
    larger than the others.

    >>> are_counts(np.array([0, 1, 0, 2, 9, 1])), are_counts(np.array([0.0, 1.5, 9, 1]))
    (True, False)
    """
    known = values[~np.isnan(values)]
    if not len(known) or known.min() != 0 or np.isinf(known).any() or len(np.unique(known)) < 3:
        return False
    part = known / known.max()  # whose cube is a number
    skewed = ((part - part.mean()) ** 3).mean() > SKEWED * part.std() ** 3
    return bool(skewed and (known == np.round(known)).all())


def _targets_alike(source: Source, columns: list[Column], wishes: Wishes) -> list[Column]:
    """Targets that are all numbers, all counts, or all classes. Zeros and ones are either."""
    targets = [column for column in columns if column.role == "target"]
    if not any(column.is_number for column in targets):
        return columns
    for column in targets:
        if column.kind == "words" or column.words == ("false", "true"):
            raise InputError(
                f"{source.title}: the target {column.name!r} is words, but it must be numbers, as"
                " other targets are. Leave it out."
            )
    numeric = {column.name for column in targets}
    counts = all(column.kind == "count" for column in targets)
    return [
        dataclasses.replace(column, kind="count" if counts else "number", words=())
        if column.name in numeric
        else column
        for column in columns
    ]


def _as_given(source: Source, column: Column, cells: Any, notes: list[str]) -> Column:
    """A column that a schema describes, with what it leaves open taken from the cells."""
    if column.role == "left out":
        return column
    if column.kind == "words":
        full = named(column, cells, source.text)
        new = [word for word in full.words if word not in set(column.words)]
        if column.words and new:
            some = few(map(repr, new))
            notes.append(f"Column {column.name!r} has words that its schema has not: {some}.")
        missing = column.missing or full.missing
        known = tuple(w for w in (*column.words, *new) if w not in missing)
        return dataclasses.replace(column, words=known, missing=missing)
    if column.kind == "truth value" and not column.words:
        return dataclasses.replace(column, words=("false", "true"))
    if column.kind == "date" and not (column.parts and (column.format or cells.dtype != pl.String)):
        cells = names_of(cells) if cells.dtype.is_numeric() else cells  # such as 20240131
        read = cells
        if cells.dtype == pl.String:
            known = filled(cells, NO_NUMBER).drop_nulls()
            form = column.format or next(iter(_dates.formats(known)), "")
            found = _dates.dates(known, form) if form else None
            if found is None:
                raise InputError(
                    f"{source.title}: column {column.name!r} is not dates, as its schema says."
                )
            column, read = dataclasses.replace(column, format=form), found
        return dataclasses.replace(column, parts=column.parts or _dates.varying(read))
    return column
