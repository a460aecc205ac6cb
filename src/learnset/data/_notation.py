"""The notation of numbers in a text file: decimal mark, grouping of thousands, signs and units."""

import re
from typing import Any, NamedTuple

from ..core import InputError, needs

with needs("tables"):
    import polars as pl

SPACES = " \u00a0\u202f\u2009"
ROUNDED = 15  # digits of an integer that always has its own floating-point number
_SIGN = r"[+-]?"
# A sign, a currency, digits with marks, and a unit.
_FORM = (
    r"^([+-]?)(?:(\p{Sc}|[A-Z]{3}\s)\s*)?"
    rf"([+-]?[0-9.,](?:[0-9.,'’{SPACES}]*[0-9.,])?(?:[eE][+-]?[0-9]+)?)"
    r"\s*(\p{L}[\p{L}0-9²³/·]*|°\p{L}?|%|‰|\p{Sc})?$"
)
DIGITS = r"^[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?$"  # of cells that are digits alone
MONEY = r"^(\p{Sc}|[A-Z]{3}|%|‰)$"
PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class Numeral(NamedTuple):
    """Cells as digits with marks, null where they are something else; and their units."""

    digits: Any  # a series of text
    unit: Any


def numerals(cells: "pl.Series") -> Numeral:
    """The digits and units of cells such as `-1,234.5 kg`, `$12`, `5%` and `(12)`."""
    if cells.str.contains(DIGITS).all():
        return Numeral(cells, pl.repeat("", len(cells), dtype=pl.String, eager=True))
    text = cells.str.replace_all("\u2212", "-").str.replace(r"^\((.*[0-9].*)\)$", "-$1")
    part = text.str.extract_groups(_FORM).struct.unnest()
    sign, currency, digits, suffix = (part.to_series(i) for i in range(4))
    unit = currency.fill_null("").str.strip_chars() + suffix.fill_null("")
    return Numeral(sign.fill_null("") + digits, pl.select(unit.alias("unit")).to_series())


def is_number(digits: "pl.Series", decimal: str) -> "pl.Series":
    """Where digits are a number in plain decimal notation with this decimal mark, thousands
    grouped or not; or in the notation with an exponent that programs write (`1.5e-05`)."""
    return digits.str.contains(_pattern(decimal)).fill_null(False)


def values(digits: "pl.Series", decimal: str) -> "pl.Series":
    """The numbers that are written in digits."""
    other = "," if decimal == "." else "."
    plain = digits.str.replace_all(rf"[{other}'’{SPACES}]", "").str.replace(
        decimal, ".", literal=True
    )
    return plain.cast(pl.Float64, strict=False)


def _pattern(decimal: str) -> str:
    other = r"," if decimal == "." else r"\."
    mark = re.escape(decimal)
    groups = "|".join(
        rf"[1-9][0-9]{{0,2}}(?:{g}[0-9]{{3}})+" for g in (other, f"[{SPACES}]", "['’]")
    )
    india = rf"[1-9][0-9]?(?:{other}[0-9]{{2}})+{other}[0-9]{{3}}"
    plain = rf"(?:[0-9]+|{groups}|{india})(?:{mark}[0-9]*)?|{mark}[0-9]+"
    powers = rf"[0-9]+(?:{mark}[0-9]*)?[eE][+-][0-9]{{1,3}}|[0-9]{mark}[0-9]+[eE][0-9]{{1,3}}"
    return rf"^{_SIGN}(?:{plain}|{powers})$"


def decimal_mark(title: str, columns: "dict[str, pl.Series]", separator: str) -> str:
    """The decimal mark of a file, by the digits of all its columns together; "" if there is none.

    **Raises:** `InputError` if some cells need a point and others a comma, or if it cannot be told.
    """
    point: list[tuple[str, str]] = []
    comma: list[tuple[str, str]] = []
    unclear: list[tuple[str, str, str, bool]] = []  # column, cell, mark, next to cells without
    for name, digits in columns.items():
        digits = digits.drop_nulls()
        as_point, as_comma = is_number(digits, "."), is_number(digits, ",")
        if 2 * (as_point | as_comma).sum() < len(digits):
            continue
        for known, only in ((point, as_point & ~as_comma), (comma, as_comma & ~as_point)):
            if only.any():
                known.append((name, digits.filter(only)[0]))
        both = digits.filter(as_point & as_comma)
        for mark in ".,":
            has = both.str.contains(mark, literal=True)
            if has.any():
                short = (~has & both.str.contains(r"^[+-]?[0-9]{1,3}$")).any()
                unclear.append((name, both.filter(has)[0], mark, bool(short)))
    if point and comma:
        (a, with_point), (b, with_comma) = point[0], comma[0]
        raise InputError(
            f"{title}: is the decimal mark a point or a comma? {with_point!r} in column {a!r} needs"
            f" a point, {with_comma!r} in column {b!r} a comma. Correct one of them, leave a"
            " column out, or declare that its values are names (`categories`)."
        )
    if point or comma:
        return "," if comma else "."
    return _likely(title, unclear, separator) if unclear else ""


def _likely(title: str, unclear: list[tuple[str, str, str, bool]], separator: str) -> str:
    """The decimal mark where each number has three digits after its only mark, such as 1,050."""
    marks = {mark for _, _, mark, _ in unclear}
    mixed = any(short for *_, short in unclear)  # 900 and 1,050: only thousands have the mark
    if marks == {","} and (mixed or separator == ";"):
        return "." if mixed else ","
    if marks == {"."} and mixed == (separator == ";"):
        return "," if mixed else "."
    name, cell, mark, _ = unclear[0]
    whole = re.sub("[.,]", "", cell)
    raise InputError(
        f"{title}: {cell!r} in column {name!r} may be {whole}, or {cell.replace(',', '.')} with a"
        f' decimal mark. Say which in a schema: {{"decimal": "{mark}"}} or'
        f' {{"decimal": "{"," if mark == "." else "."}"}}.'
    )
