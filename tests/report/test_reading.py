"""The table of what was read how."""

import polars as pl

import learnset as ls
from learnset.report import markdown_of, Page, reading_grid, reading_sections


def table(columns=1):
    inputs = {f"x{i}": range(8) for i in range(columns)}
    frame = {"t|u": ["a", "b"] * 4, "id": range(8), "<b>": ["day", "night"] * 4, "y": range(8)}
    return ls.read_table(pl.DataFrame(frame | inputs), task="t|u", target="y")


def test_every_column_has_a_line_that_says_what_was_done():
    grid = reading_grid(table(), 20)
    assert {row[0]: row[1:3] for row in grid.rows} == {
        "t|u": ("task", "names"),
        "y": ("target", "number"),
        "id": ("left out", ""),
        "<b>": ("input", "words"),
        "x0": ("input", "number"),
    }
    assert [row[5] for row in grid.rows if row[0] == "id"] == ["is the number of the row, left out"]


def test_of_many_columns_those_of_which_there_is_something_to_say_come_first():
    grid = reading_grid(table(50), 4)
    assert [row[0] for row in grid.rows] == ["t|u", "y", "id", "<b>", "… 50 more"]


def test_names_shift_no_column_of_the_page():
    text = markdown_of(Page("", reading_sections(table())))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {7}
    assert reading_sections(ls.Table.from_arrays([[1.0], [2.0]], [1.0, 2.0], ["a", "b"])) == ()
