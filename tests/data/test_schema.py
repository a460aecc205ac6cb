"""A schema reads later files in the encoding of the first one, and can be corrected."""

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest

import learnset as ls

FIRST = "shop,colour,x,sold,y\n" + "".join(
    f"{'abc'[i % 3]},{('blue', 'green', 'red')[i // 3 % 3]},{i}.5,2024-0{1 + i % 2}-1{i % 9},{i}\n"
    for i in range(30)
)


@pytest.fixture
def table(tmp_path):
    (tmp_path / "first.csv").write_text(FIRST)
    return ls.read_table(tmp_path / "first.csv", task="shop", target="y")


def test_the_first_file_is_read_as_the_table_was(table, tmp_path):
    records = table.schema.read(tmp_path / "first.csv")
    np.testing.assert_array_equal(records.x, table.x)
    np.testing.assert_array_equal(records.y, table.y)
    np.testing.assert_array_equal(records.task, table.task)
    assert records.notes == ()
    assert table.schema.names == table.columns and table.schema.words == table.words


def test_columns_may_be_in_another_order_without_labels_and_with_new_words(table):
    later = pl.DataFrame(
        {
            "sold": [dt.date(2025, 3, 1), None],
            "x": [1, None],
            "colour": ["red", "pink"],
            "extra": [1, 2],
            "shop": ["c", "d"],
        }
    )
    records = table.schema.read(later)
    assert records.task.tolist() == [2, -1] and records.task_names == ("c", "d")
    first = dict(zip(table.columns, records.x[0], strict=True))
    assert first["colour"] == 2 and first["x"] == 1
    assert first["sold"] == (dt.date(2025, 3, 1) - dt.date(1970, 1, 1)).days
    assert first["sold (month)"] == 2 and first["sold (weekday)"] == 5
    assert np.isnan(records.x[1]).all() and np.isnan(records.y).all()
    assert [note[:40] for note in records.notes] == [
        "Columns that are not in the schema are n",
        "In 1 of 2 rows the task is unknown: 'd'.",
        "In 1 of 2 rows 'colour' has words that w",
    ]


def test_one_task_and_missing_columns(table):
    row = {"shop": "b", "colour": "blue", "x": 2.5, "sold": "2024-05-01"}
    assert table.schema.read(pl.DataFrame([row])).task.tolist() == [1]
    for name in ("x", "shop"):
        lacks = pl.DataFrame([{k: v for k, v in row.items() if k != name}])
        with pytest.raises(ls.InputError, match=f"has no column '{name}'"):
            table.schema.read(lacks)
    with pytest.raises(ls.InputError, match="column 'x' has the text 'much' in row 1"):
        table.schema.read(pl.DataFrame([row | {"x": "much"}]))


def test_the_decimal_mark_of_a_later_file_is_that_of_the_first_or_one_line(table, tmp_path):
    later = tmp_path / "later.csv"
    for x, right in (("2.5", 2.5), ("1.050", 1.05), ("7", 7)):
        later.write_text(f"shop;colour;x;sold\nb;blue;{x};2024-05-01\n")
        assert table.schema.read(later).x[0, 1] == right
    later.write_text("shop;colour;x;sold\nb;blue;2,5;2024-05-01\n")
    with pytest.raises(ls.InputError, match="the decimal mark ',', but the schema has '.'"):
        table.schema.read(later)
    whole = ls.read_table(
        pl.DataFrame({"t": ["a", "b"] * 4, "x": range(8), "y": range(8)}), task="t", target="y"
    )
    later.write_text("t;x\na;2,5\n")
    assert whole.schema.decimal == "" and whole.schema.read(later).x.tolist() == [[2.5]]


def test_a_schema_is_the_same_after_a_round_trip_through_json(table):
    again = ls.data.Schema.from_json(table.schema.to_json())
    assert again == table.schema and hash(again) == hash(table.schema)


def test_a_corrected_schema_is_what_a_table_is_read_by(table, tmp_path):
    record = json.loads(table.schema.to_json())
    for column in record["columns"]:
        if column["name"] == "x":
            column |= {"role": "left out", "kind": "text"}
        if column["name"] == "y":
            column |= {"kind": "words"}
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(record))
    again = ls.read_table(tmp_path / "first.csv", schema=path)
    assert "x" not in again.columns and len(again.classes) == 30
    partial = ls.data.Schema.from_json('{"columns": [{"name": "x", "kind": "words"}]}')
    again = ls.read_table(tmp_path / "first.csv", task="shop", target="y", schema=partial)
    assert again.words[again.columns.index("x")][:3] == ("0.5", "1.5", "2.5")


def test_a_schema_written_by_hand_says_what_it_says_and_the_rest_is_found(tmp_path):
    (tmp_path / "t.csv").write_text("t,zip,note,y\n" + "a,10,5,1\nb,11,6,0\na,10,7,2\nb,11,8,3\n")
    columns = [
        {"name": "t", "role": "task"},
        {"name": "y", "role": "target"},
        {"name": "note", "role": "left out"},
    ]
    schema = ls.data.Schema.from_json(json.dumps({"columns": columns}))
    table = ls.read_table(tmp_path / "t.csv", schema=schema)
    assert (table.columns, table.words, table.classes) == (("zip",), {}, ())
    zip_code = [{"name": "zip", "kind": "words"}]
    schema = ls.data.Schema.from_json(json.dumps({"columns": columns + zip_code}))
    assert ls.read_table(tmp_path / "t.csv", schema=schema).words == {0: ("10", "11")}


BAD = {
    "{": "not JSON",
    "[]": "must be a JSON object",
    "[" * 100_000: "not JSON",
    '{"colums": []}': "unknown field 'colums'",
    '{"columns": {}}': "needs a list for `columns`",
    '{"columns": [{"kind": "words"}]}': "a column without a `name`",
    '{"columns": [{"name": "x", "kind": "integer"}]}': "has kind 'integer' in column 'x'",
    '{"columns": [{"name": "x", "words": "ab"}]}': "needs a list of texts for 'words'",
    '{"columns": [{"name": "x"}, {"name": "x"}]}': "has the column 'x' twice",
    '{"decimal": ";"}': "needs `decimal` to be",
    '{"format": 2}': "has format 2",
}


@pytest.mark.parametrize("text", BAD, ids=list(BAD.values()))
def test_a_bad_schema_gets_one_line(text, tmp_path):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(ls.InputError, match=r"^[^\n]*s\.json: ") as refused:
        ls.data.Schema.load(tmp_path / "s.json")
    assert BAD[text] in str(refused.value)


def test_a_table_of_arrays_has_a_schema_too():
    table = ls.Table.from_arrays(np.zeros((4, 2)), np.arange(4), np.array(["a", "b", "a", "b"]))
    frame = pl.DataFrame({"x2": [2.0], "x1": [1.0], "task": ["b"]})
    records = table.schema.read(frame)
    assert records.x.tolist() == [[1, 2]] and records.task.tolist() == [1]


@pytest.mark.parametrize(
    "cells, day",
    (
        (("2024-01-31", "2023-12-01"), "2024-01-31"),
        (("31.01.2024", "01.12.2023"), "2024-01-31"),
        (("1/31/2024", "12/1/2023"), "2024-01-31"),
        (("31/1/2024", "1/12/2023"), "2024-01-31"),
        (("31-Jan-2024", "01-Dec-2023"), "2024-01-31"),
        (("2024-01-31T00:00:00Z", "2023-12-01T12:00:00Z"), "2024-01-31"),
        (("2024-01-31 00:00", "2023-12-01 18:00"), "2024-01-31"),
    ),
)
def test_dates_become_the_number_of_the_day_and_what_varies(cells, day, tmp_path):
    text = "t,d,y\n" + "".join(f"{'ab'[i % 2]},{cells[i // 2 % 2]},{i}\n" for i in range(8))
    (tmp_path / "t.csv").write_text(text)
    table = ls.read_table(tmp_path / "t.csv", task="t", target="y")
    parts = ("year", "month", "weekday") + (("hour",) if "T12" in text or "18:" in text else ())
    assert table.columns == ("d", *(f"d ({part})" for part in parts))
    days = (dt.date.fromisoformat(day) - dt.date(1970, 1, 1)).days
    assert table.x[0, :4].tolist() == [days, 2024, 0, 2]
    assert table.words[2][0] == "January" and table.words[3][2] == "Wednesday"


def test_a_date_of_which_day_and_month_cannot_be_told_gets_one_line(tmp_path):
    text = "t,d,y\n" + "".join(f"{'ab'[i % 2]},{1 + i}/2/2024,{i}\n" for i in range(8))
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ls.InputError, match="'1/2/2024', in which the day or the month may come"):
        ls.read_table(tmp_path / "t.csv", task="t", target="y")


def test_every_column_is_in_the_table_of_what_was_read(table):
    assert [row.column for row in table.reading] == ["shop", "colour", "x", "sold", "y"]
    assert table.reading[1][2:5] == ("words", "3 words: blue, green, red", 0)
    assert table.reading[3].values == "2024-01-10 to 2024-02-18"


def test_columns_that_divide_rows_are_read_and_are_no_inputs(tmp_path):
    parts = ("Train", "test", "valid")
    text = "t,x,who,day,part,y\n" + "".join(
        f"{'ab'[i % 2]},{i % 3},0{i // 2},2024-01-{i + 1:02d},{parts[i % 3]},{i}\n"
        for i in range(12)
    )
    (tmp_path / "t.csv").write_text(text)
    columns = {"task": "t", "target": "y", "group": "who", "time": "day", "split": "part"}
    table = ls.read_table(tmp_path / "t.csv", **columns)
    assert table.columns == ("x",)
    assert table.group.tolist() == [i // 2 for i in range(12)]
    assert (table.time - table.time[0]).tolist() == list(range(12))
    assert table.part.tolist() == [0, 2, 1] * 4
    (tmp_path / "t.csv").write_text(text.replace("valid", "later"))
    with pytest.raises(ls.InputError, match="has 'later' in row 3; a split is train, validation"):
        ls.read_table(tmp_path / "t.csv", **columns)
    (tmp_path / "t.csv").write_text(text.replace(",03,", ",,"))
    with pytest.raises(ls.InputError, match="'who' is empty in row 7, so that the row has no grou"):
        ls.read_table(tmp_path / "t.csv", **columns)
