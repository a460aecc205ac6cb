"""A column of any type of a data frame, in any part: read, or one line."""

import datetime as dt
import decimal

import numpy as np
import polars as pl
import pytest

import learnset as ls

DAYS = [dt.date(2024, 1, 1 + i) for i in range(8)]
MOMENTS = [dt.datetime(2024, 1, 1 + i, 12) for i in range(8)]
COLUMNS = {
    "Int8": pl.Series(range(8), dtype=pl.Int8),
    "UInt64": pl.Series([2**64 - 1 - i for i in range(8)], dtype=pl.UInt64),
    "Int128": pl.Series([10**30 + i for i in range(8)], dtype=pl.Int128),
    "Float32": pl.Series([i / 4 for i in range(8)], dtype=pl.Float32),
    "Float64 with NaN": pl.Series([float("nan"), 1.5, 2, 3, 4, 5, 6, None]),
    "Decimal": pl.Series([decimal.Decimal(i) / 4 for i in range(8)]),
    "Boolean": pl.Series([True, False] * 4),
    "String": pl.Series(["u", "v"] * 4),
    "Categorical": pl.Series(["u", "v"] * 4, dtype=pl.Categorical),
    "Enum": pl.Series(["u", "v"] * 4, dtype=pl.Enum(["u", "v"])),
    "Date": pl.Series(DAYS),
    "Datetime": pl.Series(MOMENTS),
    "Datetime with a zone": pl.Series(MOMENTS).dt.replace_time_zone("Europe/Berlin"),
    "Datetime in nanoseconds": pl.Series(MOMENTS).cast(pl.Datetime("ns")),
    "Duration": pl.Series([dt.timedelta(i) for i in range(8)]),
    "Time": pl.Series([dt.time(i) for i in range(8)]),
    "List": pl.Series([[1]] * 8),
    "Struct": pl.Series([{"a": 1}] * 8),
    "Binary": pl.Series([b"1"] * 8),
    "Null": pl.Series([None] * 8),
    "Object": pl.Series([{1}] * 8, dtype=pl.Object),
    "Object of numbers": pl.Series([1, 2.5] * 4, dtype=pl.Object),
}
WORDS = {"String", "Categorical", "Enum"}
NONE = {"Duration", "Time", "List", "Struct", "Binary", "Object"}


def frame(column):
    return pl.DataFrame({"t": ["a", "b"] * 4, "x": [0.5] * 4 + [1] * 4, "y": range(8), "c": column})


def read(column, **columns):
    return ls.read_table(frame(column), **({"task": "t", "target": "y"} | columns))


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_any_type_is_read_or_refused_in_one_line(kind):
    column = COLUMNS[kind]
    assert read(column, leave_out=("c",)).columns == ("x",)
    for part in ({}, {"task": "c"}, {"target": "c"}, {"categories": ("c",)}):
        try:
            table = read(column, **part)
            assert np.isfinite(table.y).all()
            again = ls.data.Schema.from_json(table.schema.to_json()).read(frame(column))
            rows = slice(None) if len(again) == len(table.x) else np.isfinite(again.y[:, 0])
            np.testing.assert_array_equal(again.x[rows], table.x)
        except ls.InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("kind", COLUMNS)
def test_an_input_of_each_type_is_numbers_words_a_date_or_refused(kind):
    if kind in NONE:
        with pytest.raises(ls.InputError, match=r"column 'c' (has the type|cannot be read)"):
            read(COLUMNS[kind])
        return
    table = read(COLUMNS[kind])
    kinds = {row.column: row.kind for row in table.reading}
    date = "Date" in kind
    expected = "words" if kind in WORDS else "date" if date else "number"
    expected = {"Boolean": "truth value", "Null": "text"}.get(kind, expected)
    assert kinds["c"] == expected
    if expected in ("number", "truth value"):
        np.testing.assert_array_equal(table.x[:, 1], np.array(COLUMNS[kind].to_list(), float))
    if date:
        day = table.x[:, table.columns.index("c")]
        np.testing.assert_array_equal(day, 19723 + np.arange(8) + 0.5 * ("time" in kind))


@pytest.mark.parametrize("kind", (pl.Date, pl.Datetime("ms"), pl.Datetime("us")))
def test_a_date_beyond_the_calendar_gets_one_line(kind):
    days = {pl.Date: 2**31 - 1}.get(kind, 2**62)
    column = pl.Series([days] + [0] * 7, dtype=pl.Int64).cast(
        pl.Int32 if kind == pl.Date else pl.Int64
    )
    with pytest.raises(ls.InputError, match="'c' has a date that is not in the years 1 to 9999"):
        read(column.cast(kind))


def test_numbers_in_single_precision_stay_so_and_are_the_same_numbers():
    """A column of another type makes the whole table double."""
    x = np.random.default_rng(0).normal(size=(2, 30)).astype(np.float32)
    columns = {
        "t": ["a", "b"] * 15,
        "w": ["u", "v", "u"] * 10,
        "i": pl.Series(range(30), dtype=pl.Int8),
    }
    columns |= {"x": x[0], "y": x[1].astype(np.float64)}
    single = ls.read_table(pl.DataFrame(columns), task="t", target="y")
    double = ls.read_table(
        pl.DataFrame(columns | {"x": x[0].astype(np.float64)}), task="t", target="y"
    )
    assert (single.x.dtype, double.x.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single.x, double.x)
    np.testing.assert_array_equal(ls.by_rows(single).points.x, ls.by_rows(double).points.x)
