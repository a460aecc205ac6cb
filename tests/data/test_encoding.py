"""Inputs of a table as numbers, by the statistics of some of its rows."""

import numpy as np
import pytest

import learnset as ls


@pytest.fixture
def table():
    word, number = np.arange(12.0) % 4, np.arange(12.0)
    number[5] = np.nan
    task = np.repeat([0, 1], 6)
    x, columns = np.stack([word, number], axis=1), ("w", "n")
    return ls.Table(x, number[:, None], task, ("a", "b"), columns, {0: tuple("pqrs")})


def test_words_become_ones_and_come_back(table):
    encoding = ls.data.Encoding.fit(table, np.arange(4))
    ones = encoding(table.x)[:, [encoding.names.index(f"w = {word}") for word in "pqrs"]]
    np.testing.assert_array_equal(ones.argmax(axis=1), table.x[:, 0])
    np.testing.assert_array_equal(ones.sum(axis=1), 1)


def test_a_word_that_no_fitted_row_has_is_zero_everywhere(table):
    encoding = ls.data.Encoding.fit(table, np.flatnonzero(table.x[:, 0] != 3))
    assert "w = s" not in encoding.names
    columns = [encoding.names.index(f"w = {word}") for word in "pqr"]
    assert (encoding(table.x)[table.x[:, 0] == 3][:, columns] == 0).all()


def test_numbers_of_fitted_rows_have_mean_zero_and_deviation_one(table):
    rows = np.arange(5)
    encoding = ls.data.Encoding.fit(table, rows)
    encoded = encoding(table.x)[:, encoding.names.index("n")]
    np.testing.assert_allclose(encoded[rows].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(encoded[rows].std(), 1)
    assert encoded[5] == 0  # an empty cell is the mean
    assert "n is missing" not in encoding.names  # no fitted row has an empty cell
