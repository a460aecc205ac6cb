"""Notes where rows should rather be divided by a column: an identifier, or a time."""

import numpy as np
import polars
import pytest

import learnset as ls

ROWS = 240
BASE = {"ward": ["a", "b"] * 120, "x": np.arange(ROWS) * 0.5, "y": np.sin(np.arange(ROWS))}


def notes(columns, **options):
    frame = polars.DataFrame(BASE | columns)
    return ls.read_table(frame, task="ward", target="y", **options).notes


@pytest.mark.parametrize("name", ("patient_id", "Patient", "subject", "userID", "customer key"))
def test_a_column_that_is_called_like_an_identifier_is_noted(name):
    (note,) = notes({name: np.arange(ROWS) // 6})
    assert f"`--group-column {name}`" in note and "40 different values in 240 rows" in note


def test_a_column_that_is_left_out_is_noted_whatever_it_is_called():
    (note,) = notes({"who": [f"p{i // 6}" for i in range(ROWS)]}, leave_out=["who"])
    assert "`--group-column who`" in note


@pytest.mark.parametrize("name, values", (("age", np.arange(ROWS) // 6), ("width", BASE["x"])))
def test_an_input_that_repeats_is_no_identifier(name, values):
    assert notes({name: values}) == ()


def test_an_identifier_of_single_rows_is_not_noted():
    assert notes({"patient_id": np.arange(ROWS)}, leave_out=["patient_id"]) == ()


def test_nothing_is_noted_where_rows_are_divided_by_a_column():
    assert notes({"patient_id": np.arange(ROWS) // 6}, group="patient_id") == ()


@pytest.mark.parametrize(
    "name, values",
    (
        ("sold", [f"2024-{1 + i // 28 % 12:02}-{1 + i % 28:02}" for i in range(ROWS)]),
        ("year", 2000 + np.arange(ROWS) // 24),
    ),
)
def test_a_time_is_noted_unless_rows_are_divided_by_it(name, values):
    (note,) = notes({name: values})
    assert note.startswith(f"Column {name!r} says when") and f"`--time-column {name}`" in note
    assert notes({name: values}, time=name) == ()


def test_a_date_of_birth_is_no_time_of_the_row():
    born = [f"19{20 + i % 80}-05-17" for i in range(ROWS)]
    assert notes({"date of birth": born}) == ()
