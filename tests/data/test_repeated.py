"""A note where rows of one identifier would lie on both sides of a division."""

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
