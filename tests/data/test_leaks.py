"""Notes on tables whose scores would be too good."""

import numpy as np
import polars
import pytest
from hypothesis import given, strategies as st

import learnset as ls
from learnset.data._leaks import _first_of_copies, leak_notes

ROWS = 240
RANDOM = np.random.default_rng(0)
WARD = np.array(["a", "b", "c"])[np.arange(ROWS) % 3]
X, NOISE = RANDOM.normal(size=ROWS), RANDOM.normal(size=ROWS)
BASE = {"ward": WARD, "x": X, "y": 2 * X + NOISE}


def notes(columns, times=1, **options):
    frame = polars.DataFrame(BASE | columns)
    table = ls.read_table(polars.concat([frame] * times), task="ward", target="y", **options)
    return table.notes


def test_a_common_table_has_no_note():
    assert notes({"z": 0.99 * BASE["y"] + 0.1 * RANDOM.normal(size=ROWS)}) == ()


def test_rows_that_are_there_twice_are_counted():
    (note,) = notes({}, times=2)
    assert note.startswith("240 of 480 rows repeat another in every column")


@given(
    rows=st.lists(st.sampled_from([0.0, -0.0, 1.5, float("nan"), 2**60]), min_size=8, max_size=24),
    width=st.sampled_from([1, 2, 4]),
)
def test_copies_are_those_that_a_comparison_of_all_rows_finds(rows, width):
    x = np.array(rows[: len(rows) // width * width]).reshape(-1, width)
    y, task = np.arange(len(x)) % 2.0, np.arange(len(x)) % 2
    table = ls.Table(x, y[:, None], task, ("a", "b"), tuple(map(str, range(width))))
    kept: list[int] = []
    for i in range(len(x)):
        earlier = (j for j in kept if task[i] == task[j])
        if not any(np.array_equal(x[i], x[j], equal_nan=True) for j in earlier):
            kept.append(i)
    assert _first_of_copies(table).tolist() == kept


def test_copies_that_are_kept_together_are_not_noted():
    assert notes({"row": np.arange(ROWS)}, times=2, group="row") == ()


def test_rows_of_few_different_values_are_alike_by_chance():
    coarse = {"x": RANDOM.integers(0, 3, ROWS), "y": RANDOM.integers(0, 3, ROWS)}
    assert notes(coarse, classification=False) == ()


@pytest.mark.parametrize(
    "leak", (1.8 * BASE["y"] + 32, np.round(-100 * BASE["y"]), np.where(X > 2, np.nan, BASE["y"]))
)
def test_a_target_in_another_unit_is_named(leak):
    (note,) = notes({"fahrenheit": leak})
    assert note.startswith("Column 'fahrenheit' alone gives the target 'y'")
    assert "`--leave-out fahrenheit`" in note


@pytest.mark.parametrize(
    "leak",
    (
        np.where(X > 0, "alive", "dead"),
        np.where(X > 0, "yes", "no").astype(object) + np.where(NOISE > 0, "1", "2"),
        np.where(X > 0, 3, 7),
        X,
    ),
)
def test_a_class_under_another_name_or_beyond_a_threshold_is_named(leak):
    leaks = {"x": NOISE, "y": np.where(X > 0, "ill", "well"), "leak": leak}
    assert "Column 'leak' alone gives the target 'y'" in " ".join(notes(leaks))


def test_names_of_single_rows_say_nothing_of_others():
    names = {"y": np.where(NOISE > 0, "ill", "well"), "row": [f"r{i}" for i in range(ROWS)]}
    assert not any("alone gives" in note for note in notes(names, categories=["row"]))


def test_a_target_that_is_the_same_in_all_rows_of_a_task_is_said():
    (note,) = notes({"y": np.arange(ROWS) % 3 * 1.5})
    assert note.startswith("All rows of a task have the same 'y'")


def test_the_order_of_arrays_in_memory_does_not_matter():
    x = RANDOM.normal(size=(ROWS, 3))
    x = np.asfortranarray(np.concatenate([x, x]))
    table = ls.Table.from_arrays(x, x[:, 0] ** 2, np.arange(2 * ROWS) % 2)
    assert "rows repeat another" in leak_notes(table)[0]
