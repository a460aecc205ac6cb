"""The head of a file, and rows that are not like it."""

import numpy as np
import polars as pl
import pytest

import learnset as ls

BODY = "".join(f"{'ab'[i % 2]},{i % 7},{i}\n" for i in range(16))
SEMICOLONS = "".join(f"{'ab'[i % 2]};{i % 7},5;{i}\n" for i in range(16))
GOOD = {
    "a line `sep=`": "sep=;\nt;x;y\n" + SEMICOLONS,
    "a comment": "# exported 2024-05-01, plot 3\nt,x,y\n" + BODY,
    "a title and a blank line": "Report of plot 3\n\nt,x,y\n" + BODY,
    "a title with commas after it": "Report of plot 3,,\n,,\nt,x,y\n" + BODY,
    "a comma after the last cell": "t,x,y\n" + BODY.replace("\n", ",\n"),
    "a comma after each last cell": "t,x,y,\n" + BODY.replace("\n", ",\n"),
    "spaces after commas, and quotes": 't, "x", "y"\n'
    + BODY.replace(",", '", "').replace("a", '"a').replace("b", '"b').replace("\n", '"\n'),
    "carriage returns": ("t,x,y\n" + BODY).replace("\n", "\r"),
    "carriage returns and newlines": ("t,x,y\n" + BODY).replace("\n", "\r\n"),
    "bars": "t|x|y\n" + BODY.replace(",", "|"),
    "tabs": "t\tx\ty\n" + BODY.replace(",", "\t"),
    "blank lines between rows": "t,x,y\n" + BODY.replace("\n", "\n\n"),
    "rows of commas at the end": "t,x,y\n" + BODY + ",,\n,,\n",
    "row numbers of R, without a name": "t,x,y\n"
    + "".join(f"{i + 1},{line}\n" for i, line in enumerate(BODY.splitlines())),
}


def read(folder, text, **columns):
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    return ls.read_table(path, **({"task": "t", "target": "y"} | columns))


@pytest.mark.parametrize("head", GOOD)
def test_the_same_table_is_read_below_every_head(head, tmp_path):
    table = read(tmp_path, GOOD[head])
    half = 0.5 if "sep" in head else 0
    assert (table.names, table.columns, table.classes) == (("a", "b"), ("x",), ())
    np.testing.assert_array_equal(table.x[:, 0], np.arange(16) % 7 + half)
    np.testing.assert_array_equal(table.y[:, 0], np.arange(16))


def test_names_may_have_commas_where_semicolons_are_between_cells(tmp_path):
    rows = "".join(f"{'ab'[i % 2]};{i},5;{i},25;{i}\n" for i in range(16))
    table = read(tmp_path, "t;Weight, with, bag;Price, EUR;y\n" + rows)
    assert table.columns == ("Weight, with, bag", "Price, EUR")


@pytest.mark.parametrize("row", ("b,2", "b,2,3,4", "b"))
def test_a_row_with_more_or_fewer_cells_gets_one_line(row, tmp_path):
    with pytest.raises(ls.InputError, match=r"row 2 has \d cells, but the heading has 3 names"):
        read(tmp_path, f"t,x,y\na,1,2\n{row}\na,3,4\nb,5,6\n")


NUMBERED = {
    "as pandas writes it": (",t,x,y\n", 0),
    "named": ("index,t,x,y\n", 0),
    "from one": ("id,t,x,y\n", 1),
}


@pytest.mark.parametrize("how", NUMBERED)
def test_a_row_number_is_left_out_with_a_note(how, tmp_path):
    head, start = NUMBERED[how]
    lines = [f"{i + start},{line}" for i, line in enumerate(BODY.splitlines())]
    table = read(tmp_path, head + "\n".join(lines))
    assert table.columns == ("x",)
    assert any("is the number of the row and is left out" in note for note in table.notes)


def test_row_numbers_of_a_part_of_a_file_are_left_out_too(tmp_path):
    number = np.random.default_rng(0).permutation(100)
    lines = [f"{n},{line}" for n, line in zip(number, BODY.splitlines(), strict=False)]
    assert read(tmp_path, ",t,x,y\n" + "\n".join(lines)).columns == ("x",)


def test_a_number_of_the_row_that_is_asked_for_is_an_input(tmp_path):
    lines = [f"{i},{line}" for i, line in enumerate(BODY.splitlines())]
    text = "id,t,x,y\n" + "\n".join(lines)
    assert read(tmp_path, text, inputs=("id", "x")).columns == ("id", "x")


def test_a_long_text_takes_memory_in_proportion_and_is_left_out(tmp_path):
    lines = [f"{'ab'[i % 2]},{i % 5},{'word ' * (1 + 20_000 * (i == 7))}{i},{i}" for i in range(90)]
    table = read(tmp_path, "t,x,review,y\n" + "\n".join(lines))
    assert table.columns == ("x",)
    assert table.notes == ("Column 'review' has 90 different words in 90 rows and is left out.",)


def test_a_heading_of_any_length_is_read(tmp_path):
    name = "n" * 200_000
    assert read(tmp_path, f"t,{name},y\n" + BODY).columns == (name,)


def test_only_what_is_used_is_converted(tmp_path):
    frame = pl.DataFrame({"t": ["a", "b"] * 4, "x": range(8), "y": range(8)})
    odd = frame.with_columns(v=pl.Series([[1, 2]] * 8), b=pl.Series([b"1"] * 8))
    odd.write_parquet(tmp_path / "t.parquet")
    for source in (odd, tmp_path / "t.parquet"):
        table = ls.read_table(source, task="t", target="y", leave_out=("v", "b"))
        assert table.columns == ("x",)
        assert ls.read_table(source, task="t", target="y", inputs=("x",)).columns == ("x",)
        with pytest.raises(ls.InputError, match=r"column 'v' has the type List.*`leave_out`"):
            ls.read_table(source, task="t", target="y")
