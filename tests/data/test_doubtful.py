"""What may mean something else than it says is noted; files that other programs write are read."""

import polars as pl
import pytest

import learnset as ls

TASKS = "ab"


def read(tmp_path, cells, *, kind="x", text=None, encoding="utf-8", name="t.csv", **options):
    """The table of a file with 24 rows, in which `cells(i)` is the input, the task or the
    target."""
    if text is None:
        columns = {"t": lambda i: TASKS[i % 2], "x": lambda i: i, "y": lambda i: 2 * i + i % 3}
        columns[kind] = cells
        rows = [";".join(str(column(i)) for column in columns.values()) for i in range(24)]
        text = "\n".join([";".join(columns), *rows])
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return ls.read_table(path, task="t", target="y", **options)


@pytest.mark.parametrize("encoding", ("utf-16", "utf-32", "utf-8-sig"))
def test_a_file_that_names_its_encoding_is_read(tmp_path, encoding):
    table = read(tmp_path, lambda i: "äö"[i % 2], kind="t", encoding=encoding)
    assert table.names == ("ä", "ö") and table.y[1] == 3
    said = f"The file is read as {encoding.upper()}." in table.notes
    assert said == (encoding != "utf-8-sig")


@pytest.mark.parametrize("encoding", ("latin-1", "cp1252"))
def test_another_encoding_is_one_line_that_names_the_byte(tmp_path, encoding):
    with pytest.raises(ls.InputError, match="line 2 has the byte 0xE4, 'ä' in Windows-1252"):
        read(tmp_path, lambda i: "äö"[i % 2], kind="t", encoding=encoding)


@pytest.mark.parametrize(
    ("cells", "words", "form"),
    (
        (lambda i: f"2024{i % 12 + 1:02}{i + 1:02}", "20240101", "%Y%m%d"),
        (lambda i: f"{2000 + i}{i % 12 + 1:02}", "200001", "%Y%m"),
    ),
)
def test_dates_without_marks_are_numbers_with_a_note_and_dates_by_a_schema(
    tmp_path, cells, words, form
):
    table = read(tmp_path, cells)
    assert table.x[0, 0] == float(words)
    assert any(words in note and form in note for note in table.notes)
    schema = ls.data.Schema((ls.data.Column("x", kind="date"),))
    dates = read(tmp_path, cells, schema=schema)
    assert dates.columns[0] == "x" and dates.reading[1].kind == "date"
    assert not any("read as numbers" in note for note in dates.notes)
    number = pl.Series([float(cells(i)) for i in range(24)])
    for series in (number, number.cast(pl.Int64), number.cast(pl.Int64).cast(pl.String)):
        frame = pl.DataFrame({"t": list(TASKS) * 12, "x": series, "y": range(24)})
        same = ls.read_table(frame, task="t", target="y", schema=schema)
        assert same.x.tolist() == dates.x.tolist()
        assert same.schema.read(frame).x.tolist() == dates.x.tolist()


def test_numbers_that_are_not_all_dates_are_only_numbers(tmp_path):
    assert read(tmp_path, lambda i: 20240125 + i).notes == ()  # the 32nd of January
    assert read(tmp_path, lambda i: 200105 + i).notes == ()


@pytest.mark.parametrize(
    ("cells", "kind", "words"),
    (
        (lambda i: -999 if i % 5 == 0 else i, "x", "-999 in 5 rows, far from"),
        (lambda i: 9999 if i % 5 == 0 else i, "x", "9999 in 5 rows, far from"),
        (lambda i: f"2024-W{i + 1:02}", "x", "24 words with digits"),
        (lambda i: f"{i + 1}:30 PM", "x", "24 words with digits"),
        (lambda i: "pqr"[i // 8] if i % 8 == 0 else "", "x", "cells were merged"),
        (lambda i: ["a", "b", "Grand Total"][i % 3], "t", "'Grand Total', which may sum up"),
        (lambda i: ["p", "Summe"][i // 2 % 2], "x", "'Summe', which may sum up"),
        (lambda i: ["1", "1.0"][i % 2], "t", "'1' and '1.0' are the same number"),
        (lambda i: ["a", "a\u200b"][i % 2], "t", r"'a\u200b' look alike"),
        (lambda i: ["\xe9", "e\u0301"][i % 2], "t", r"'\xe9' look alike"),
        (lambda i: ["a shop", "a  shop"][i % 2], "t", "'a  shop' and 'a shop' look alike"),
        (lambda i: ["a-b", "a\u2013b"][i % 2], "t", r"'a\u2013b' look alike"),
        (lambda i: ["o'b", "o\u2019b"][i % 2], "t", r"'o\u2019b' look alike"),
        (lambda i: ["abc", "\u0430bc"][i % 2], "t", r"'\u0430bc' look alike"),
        (lambda i: ["caf\xe9", "caf\xc3\xa9"][i % 2], "t", r"'caf\xc3\xa9' and"),
        (lambda i: ["3 b", "3  b"][i % 2], "t", "'3  b' and '3 b' look alike"),
        (lambda i: ["St. Gall", "St Gall"][i % 2], "t", "'St Gall' and 'St. Gall' differ only in"),
        (lambda i: ["Zurich", "Z\xfcrich"][i % 2], "t", "'Zurich' and 'Z\xfcrich' differ only in"),
        (lambda i: -999 if i % 5 == 0 else i, "y", "-999 in 5 rows, far from"),
        (lambda i: "9999-12-31" if i == 3 else f"2024-01-{i + 1:02}", "x", "9999-12-31 in 1 row,"),
        (lambda i: "1900-01-01" if i % 9 == 0 else f"2024-01-{i + 1:02}", "x", "1900-01-01 in 3"),
    ),
)
def test_what_may_mean_something_else_is_noted(tmp_path, cells, kind, words):
    notes = read(tmp_path, cells, kind=kind).notes
    assert any(words in note for note in notes), notes


@pytest.mark.parametrize(
    "cells",
    (
        lambda i: i * 100 - 999,
        lambda i: 999 - i,
        lambda i: f"{i % 6}{'ab'[i % 2]}",
        lambda i: ["p", "q", ""][i // 2 % 3],
        lambda i: ["dose 1.2", "dose 12"][i // 2 % 2],
        lambda i: ["C", "C++"][i // 2 % 2],
    ),
)
def test_usual_columns_have_no_note(tmp_path, cells):
    assert read(tmp_path, cells).notes == ()


@pytest.mark.parametrize(
    "cells",
    (lambda i: f"{i} {'kg' if i % 9 else 'g'}", lambda i: f"{i}k" if i % 2 else f"{i}M"),
)
def test_quantities_in_two_units_are_refused(tmp_path, cells):
    with pytest.raises(ls.InputError, match="another unit than other rows"):
        read(tmp_path, cells)


def test_zeros_and_ones_as_programs_write_them_next_to_gaps_are_classes(tmp_path):
    table = read(tmp_path, lambda i: ["0.0", "1.0", ""][i // 2 % 3], kind="y")
    assert table.classes == ("0", "1") and table.y[:4, 0].tolist() == [0, 0, 1, 1]


def test_a_heading_within_the_rows_is_left_out(tmp_path):
    rows = [f"{TASKS[i % 2]};{'pq'[i % 2]};{'mn'[i // 2 % 2]}" for i in range(24)]
    text = "\n".join(["t;x;y", *rows[:9], "t; x;y", *rows[9:], "t;x;y"])
    table = read(tmp_path, None, text=text)
    assert table.names == ("a", "b") and table.classes == ("m", "n") and len(table.x) == 24
    assert table.notes == ("Rows that repeat the heading are left out (2).",)


@pytest.mark.parametrize("closed", (False, True))
def test_a_stray_quote_never_swallows_rows(tmp_path, closed):
    rows = [f"{TASKS[i % 2]}\t{i}\t{i}\tnote" for i in range(24)]
    rows[3] = rows[3].replace("note", '"note')
    if closed:
        rows[4] = rows[4].replace(f"{TASKS[0]}\t4", f'{TASKS[0]}"\t4')
    text = "\n".join(["t\tx\ty\tn", *rows])
    with pytest.raises(ls.InputError, match="row 4 .*quote that does not end it|row 4 has"):
        read(tmp_path, None, text=text, name="t.tsv")


def test_quotes_that_do_no_harm_are_read(tmp_path):
    rows = [f'{TASKS[i % 2]};{i};{i};"two\nlines; {i % 2}" ' for i in range(24)]
    table = read(tmp_path, None, text="\n".join(["t;x;y;n", *rows]).replace('" ', '"'))
    assert len(table.x) == 24 and table.words[1] == ("two\nlines; 0", "two\nlines; 1")
    rows = [f'{TASKS[i % 2]};{i};{i};{i % 3 + 1}" pipe' for i in range(24)]
    assert len(read(tmp_path, None, text="\n".join(["t;x;y;n", *rows])).words[1]) == 3
