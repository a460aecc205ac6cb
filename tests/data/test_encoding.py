"""Inputs of a table as numbers, by the statistics of some of its rows."""

import json

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


def encoded(column, fitted=slice(None)):
    x = np.array(column, np.float64)[:, None]
    table = ls.Table.from_arrays(x, np.arange(len(x)), np.arange(len(x)) % 2)
    return ls.data.Encoding.fit(table, np.arange(len(x))[fitted])(x)[:, 0]


def test_a_constant_becomes_zeros_whatever_its_size():
    for constant in (1732624712345678901, 1e300, 1e-300, -0.1):
        np.testing.assert_array_equal(encoded([constant] * 7), 0)


@pytest.mark.parametrize("size", (1e-300, 1e-14, 1, 1e200, 1.7e308))
@pytest.mark.parametrize("offset", (0, 1e-3, 1e5))
def test_numbers_of_any_size_and_offset_are_scaled_alike(size, offset):
    plain = np.array([0.1, -0.3, 0.5, 0.7, -1.0])
    if size * offset > 1e307:
        offset = 0
    np.testing.assert_allclose(encoded((plain + offset) * size), encoded(plain), atol=1e-9)


def test_a_year_and_a_time_in_nanoseconds_keep_their_differences():
    year = encoded([1990, 1991, 2005, 2020])
    np.testing.assert_allclose(year, encoded([0, 1, 15, 30]), rtol=1e-13)
    nanoseconds = 1732624712345678901 + 10**9 * np.arange(5.0)
    np.testing.assert_allclose(encoded(nanoseconds), encoded(np.arange(5)), atol=1e-6)


def test_rows_far_from_the_fitted_ones_stay_finite_in_single_precision():
    far = encoded([0, 1, 2, 1e300, -1e300], slice(3)).astype(np.float32)
    assert np.isfinite(far**2).all()


def test_an_encoding_comes_back_from_json(table):
    encoding = ls.data.Encoding.fit(table, np.arange(8))
    again = ls.data.Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    np.testing.assert_array_equal(again(table.x), encoding(table.x))
    assert again.names == encoding.names


def test_rows_of_another_number_of_columns_are_refused():
    table = ls.Table.from_arrays(np.arange(12.0).reshape(6, 2), np.arange(6), [0, 0, 0, 1, 1, 1])
    encoding = ls.data.Encoding.fit(table, np.arange(6))
    for columns in (1, 3):
        with pytest.raises(ls.InputError, match=f"have {columns} input columns, but 2 were learnt"):
            encoding(np.zeros((4, columns)))
