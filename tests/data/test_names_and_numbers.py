"""Names keep their text, and numbers their value, in any notation; or one line names the cell."""

import polars as pl
import pytest

import learnset as ls


def read(folder, text, **columns):
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return ls.read_table(path, **({"task": "t", "target": "y"} | columns))


def rows(cells, heading="t,x,y", separator=","):
    """A file with tasks a and b, the row's number as the input, and these targets."""
    lines = [f"{'ab'[i % 2]}{separator}{i}{separator}{cell}" for i, cell in enumerate(cells)]
    return "\n".join([heading.replace(",", separator), *lines]) + "\n"


IDS = {
    "leading zeros": ("007", "7", "0070", "70"),
    "exponents": ("12E3", "12000", "1E2", "100"),
    "twenty characters with an E": ("0047583311587E590003", "0047583311587", "1", "2"),
    "integers beyond 2^53": ("123456789012345678", "123456789012345679", "9007199254740993", "1"),
    "words of other columns for numbers": ("NA", "inf", "1.0", "true"),
}


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("form", ("file", "data frame"))
def test_names_of_tasks_keep_their_text(kind, form, tmp_path):
    ids = IDS[kind]
    text = "t,x,y\n" + "".join(f"{ids[i % 4]},{i % 3},{i}\n" for i in range(12))
    if form == "file":
        table = read(tmp_path, text)
    else:
        frame = pl.read_csv(text.encode(), infer_schema=False)
        table = ls.read_table(frame.cast({"y": pl.Int64}), task="t", target="y")
    assert set(table.names) == set(ids)
    assert [table.names[t] for t in table.task] == [ids[i % 4] for i in range(12)]


def test_integers_of_a_data_frame_keep_all_digits_as_names():
    ids = [123456789012345678, 123456789012345679]
    frame = pl.DataFrame({"t": ids * 4, "x": range(8), "y": [i % 5 for i in range(8)]})
    assert ls.read_table(frame, task="t", target="y").names == tuple(map(str, ids))


def test_categories_classes_and_columns_of_that_type_keep_their_text(tmp_path):
    codes = ("02116", "2116", "1E2", "100")
    text = "t,zip,y\n" + "".join(f"{'ab'[i % 2]},{codes[i // 2 % 4]},{i}\n" for i in range(16))
    table = read(tmp_path, text, categories=("zip",))
    assert set(table.words[0]) == set(codes)
    table = read(tmp_path, rows(codes * 4), classification=True)
    assert set(table.classes) == set(codes)
    frame = pl.DataFrame({"t": ["a", "b"] * 4, "ward": ["1", "10"] * 4, "y": range(8)})
    frame = frame.with_columns(pl.col("ward").cast(pl.Enum(["1", "10"])))
    assert ls.read_table(frame, task="t", target="y").words == {0: ("1", "10")}


NUMBERS = {
    "thousands with commas": ('"900"', '"1,050"', '"2,000"'),
    "millions, as in India": ('"12,34,567"', '"5,000"', "7"),
    "thousands with apostrophes": ("1'050", "900", "2’000.5"),
    "thousands with spaces": ("1 050", "900", "2\u202f000", "2\u00a0000.5"),
    "decimal commas in quotes": ('"0,5"', '"1,25"', "2"),
    "percent": ("12%", "0.5 %", "3%"),
    "currency before": ("$12", "$1.5", "-$3"),
    "currency after": ("12 €", "1.5€", "-3 €"),
    "a currency's code": ("USD 12", "USD 1.5", "USD 3"),
    "a typesetter's minus": ("\u221212", "3", "\u22121.5"),
    "accountants' brackets": ("(12)", "3", "(1.5)"),
    "exponents as programs write them": ("1e-05", "1.5E+3", "2.5E10"),
    "signs and bare points": ("+5", ".5", "-7."),
}
VALUES = {
    "thousands with commas": [900, 1050, 2000],
    "millions, as in India": [1234567, 5000, 7],
    "thousands with apostrophes": [1050, 900, 2000.5],
    "thousands with spaces": [1050, 900, 2000, 2000.5],
    "decimal commas in quotes": [0.5, 1.25, 2],
    "percent": [12, 0.5, 3],
    "currency before": [12, 1.5, -3],
    "currency after": [12, 1.5, -3],
    "a currency's code": [12, 1.5, 3],
    "a typesetter's minus": [-12, 3, -1.5],
    "accountants' brackets": [-12, 3, -1.5],
    "exponents as programs write them": [1e-5, 1500, 2.5e10],
    "signs and bare points": [5, 0.5, -7],
}


@pytest.mark.parametrize("notation", NUMBERS)
def test_numbers_are_read_in_every_notation(notation, tmp_path):
    cells = NUMBERS[notation]
    table = read(tmp_path, rows(cells * 4))
    assert table.classes == () and table.y[:, 0].tolist() == VALUES[notation] * 4
    as_input = "t,x,y\n" + "".join(f"{'ab'[i % 2]},{c},{i}\n" for i, c in enumerate(cells * 4))
    assert read(tmp_path, as_input).x[:, 0].tolist() == VALUES[notation] * 4


@pytest.mark.parametrize("decimal, group", ((",", "."), (".", ",")))
def test_another_column_says_what_a_point_or_a_comma_means(decimal, group, tmp_path):
    lines = [
        f"{'ab'[i % 2]};{i}{decimal}5;" + (f"1{group}{i:03d}" if i > 3 else f"{900 + i}")
        for i in range(12)
    ]
    table = read(tmp_path, "t;x;y\n" + "\n".join(lines))
    assert table.x[:, 0].tolist() == [i + 0.5 for i in range(12)]
    assert table.y[:, 0].tolist() == [1000 + i if i > 3 else 900 + i for i in range(12)]


LINES = {
    "a limit": ("0.5", "<0.5"),
    "a range": ("18-25", "26-35"),
    "several points": ("1.2.3", "1.2.4"),
    "a time of the day": ("12:30", "13:45"),
    "text among numbers": ("1", "2", "many"),
    "text that is most frequent": ("1", "2", "n.d", "n.d", "n.d"),
    "two currencies": ("$1", "€2"),
    "a percent sign in some cells": ("1", "2%"),
    "a unit in the target": ("5 kg", "6 kg", "7 kg"),
    "a target with leading zeros": ("007", "7"),
    "a minus at the end": ("5-", "6-"),
    "digits of another script": ("٣", "٤"),
    "many quantities in words": tuple(f"about {i}" for i in range(21)),
}


@pytest.mark.parametrize("what", LINES)
def test_a_cell_with_digits_that_is_no_number_gets_one_line(what, tmp_path):
    with pytest.raises(ls.InputError, match=r"'y'") as refused:
        read(tmp_path, rows(LINES[what] * 6))
    assert "\n" not in str(refused.value)


def test_all_columns_that_are_not_understood_are_named_at_once(tmp_path):
    text = "t,x,hour,age,y\n" + "".join(
        f"{'ab'[i % 2]},{i},1{i}:30,1{i}-20,{i}\n" for i in range(8)
    )
    with pytest.raises(ls.InputError, match=r"'hour' has the text '10:30'.* either: 'age'\."):
        read(tmp_path, text)
    table = read(tmp_path, text, categories=("age",), leave_out=("hour",))
    assert table.columns == ("x", "age")


def test_a_file_with_points_and_commas_gets_one_line_that_names_two_cells(tmp_path):
    with pytest.raises(ls.InputError, match=r"'1.5' in column 'x' needs a point, '0,5' in column"):
        read(tmp_path, "t;x;y\na;1.5;0,5\nb;2.5;1,5\n")


def test_what_cannot_be_told_is_asked_and_a_schema_answers(tmp_path):
    text = "t;x;y\n" + "".join(f"{'ab'[i % 2]};{i};1.{i:03d}\n" for i in range(8))
    with pytest.raises(ls.InputError, match=r"'1\.000' in column 'y' may be 1000, or 1\.000"):
        read(tmp_path, text)
    for decimal, first in ((".", 1.001), (",", 1001)):
        schema = ls.data.Schema.from_json(f'{{"decimal": "{decimal}"}}')
        assert read(tmp_path, text, schema=schema).y[1, 0] == first


def test_a_truth_value_is_one_thing_in_every_spelling(tmp_path):
    cells = ["TRUE", "False", "true", "FALSE", "1", "0"]
    table = read(tmp_path, rows([c for c in cells for _ in (0, 1)]))
    assert table.classes == ("false", "true")
    assert table.y[::2, 0].tolist() == [1, 0, 1, 0, 1, 0]


def test_none_and_na_among_words_are_words(tmp_path):
    cells = [c for c in ("none", "mild", "severe") for _ in (0, 1)] * 2
    table = read(tmp_path, rows(cells))
    assert table.classes == ("mild", "none", "severe") and len(table.x) == 12
    assert "'none' is a word" in table.notes[0] and "4 rows" in table.notes[0]
    text = "t,x,y\n" + "".join(f"{('NA', 'ZA', 'BW')[i % 3]},{i},{i}\n" for i in range(12))
    assert read(tmp_path, text).names == ("BW", "NA", "ZA")
    frame = pl.DataFrame({"t": ["a", "b"] * 4, "c": ["?", "null", "na", ""] * 2, "y": range(8)})
    table = ls.read_table(frame, task="t", target="y")
    assert table.words == {0: ("?", "na", "null")} and table.notes == ()


def test_quotes_tell_a_word_from_an_empty_cell(tmp_path):
    quoted = "t,x,y\n" + 'a,"null",1\nb,"day",2\na,"night",3\nb,,4\n'
    assert read(tmp_path, quoted).words == {0: ("day", "night", "null")}
    as_r_writes = 't,x,y\n"a","day",1\n"b",NA,2\n"a","night",3\n"b","day",4\n'
    table = read(tmp_path, as_r_writes)
    assert table.words == {0: ("day", "night")}
    assert table.notes == ("Column 'x': 'NA' is read as missing (1 cells).",)


def test_quotes_that_a_comma_needs_say_nothing_of_other_cells(tmp_path):
    text = 't,x,y\na,"brick, red",1\nb,none,2\na,stone,3\nb,"brick, grey",4\n'
    assert read(tmp_path, text).words == {0: ("brick, grey", "brick, red", "none", "stone")}


def test_truth_values_are_numbers_only_where_the_type_says_so(tmp_path):
    frame = pl.DataFrame({"t": ["a", "b"] * 2, "x": range(4), "y": [True, False, False, True]})
    table = ls.read_table(frame, task="t", target="y", classification=False)
    assert table.classes == () and table.y[:, 0].tolist() == [1, 0, 0, 1]
    with pytest.raises(ls.InputError, match="'y' is words, but it must be numbers"):
        read(tmp_path, rows(["TRUE", "FALSE"] * 4), classification=False)


def test_names_that_differ_only_in_case_are_noted(tmp_path):
    table = read(tmp_path, "t,x,y\n" + "".join(f"{('a', 'A')[i % 2]},{i},{i}\n" for i in range(8)))
    assert table.names == ("A", "a")
    assert "'A' and 'a' differ only in case, and are" in table.notes[0]


def test_words_for_missing_among_numbers_are_counted(tmp_path):
    table = read(tmp_path, "t,x,y\na,1,1\nb,none,2\na,NA,3\nb,-,4\na,,5\n")
    assert table.x[:, 0].tolist()[:1] == [1] and table.reading[1].missing == 4
    assert table.notes == ("Column 'x': '-', 'NA', 'none' is read as missing (3 cells).",)
