"""Several targets of the same rows, and tasks of unequal size drawn by their size."""

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest
from scipy import stats

import learnset as ls

ROWS, TARGETS = 40, 3
draw = eqx.filter_jit(lambda tasks, num, split, key: tasks.draw(num, split, key=key))


def targets():
    """Rows whose input is their number and whose targets are multiples of it; some are missing."""
    x = np.arange(ROWS, dtype=np.float32)[:, None]
    y = x * [[1.0, 10.0, 100.0]]
    y[::3, 1] = np.nan
    return ls.ManyTargets.from_arrays(x, y, shots=6, queries=8)


@pytest.mark.parametrize("split", ls.Split, ids=lambda split: split.name)
def test_all_tasks_of_a_draw_have_the_same_rows(split, getkey):
    batch = draw(targets(), TARGETS, split, getkey())
    for points in (batch.support, batch.query):
        x, y, weight = (np.asarray(a) for a in (points.x, points.y, points.weight))
        assert (x == x[:1]).all() and len(set(x[0, :, 0])) == x.shape[1]
        assert np.array_equal(weight[1], x[1, :, 0] % 3 != 0) and (weight[[0, 2]] == 1).all()
        for task, factor in enumerate((1, 10, 100)):
            present = weight[task] > 0
            assert np.allclose(y[task, present], factor * x[task, present])
    assert np.array_equal(batch.index, range(TARGETS))


def test_no_row_is_in_two_splits_or_in_support_and_query(getkey):
    queries = {}
    for split in ls.Split:
        batches = [draw(targets(), TARGETS, split, getkey()) for _ in range(5)]
        rows = [[set(np.ravel(part.x)) for part in (b.support, b.query)] for b in batches]
        assert not any(support & query for support, query in rows)
        queries[split] = set.union(*(query for _, query in rows))
    assert sum(map(len, queries.values())) == len(set.union(*queries.values()))


@pytest.mark.slow
def test_many_targets_pass_the_checks_of_tasks():
    ls.checks.tasks(targets())


BAD = {
    "`x` has the shape \\(4, 1\\) and `y` \\(4,\\)": (np.ones((4, 1)), np.ones(4)),
    "has only 2 rows for a task": (np.ones((4, 1)), np.ones((4, 2))),
    "`x` has 1 numbers that are NaN or infinite": (np.asarray([[np.nan], [1.0]]), np.ones((2, 1))),
}


@pytest.mark.parametrize("words", BAD)
def test_an_error_says_what_is_wrong_with_the_arrays(words):
    with pytest.raises(ls.InputError, match=words):
        ls.ManyTargets.from_arrays(*BAD[words])


SIZES = np.asarray([6, 12, 24, 48])


def unequal(size_power):
    rows = np.arange(SIZES.sum(), dtype=np.float32)[:, None]
    task = np.repeat(range(4), SIZES)
    return ls.FiniteTasks(*_parts(rows, task), shots=1, queries=1, size_power=size_power)


def _parts(rows, task):
    tasks = ls.FiniteTasks.from_arrays(rows, rows, task, shots=1, queries=1)
    return tasks.points, tasks.held_out


@pytest.mark.parametrize("power", (0.0, 0.3, 1.0))
@pytest.mark.parametrize("num", (4, 1000), ids=("as many as there are", "more"))
def test_tasks_are_drawn_in_proportion_to_a_power_of_their_size(power, num, getkey):
    tasks = unequal(power)
    count = np.zeros(4)
    for key in jr.split(getkey(), 4000 // num if num == 1000 else 300):
        count += np.bincount(np.asarray(numbers(tasks, num, key)), minlength=4)
    share = SIZES.astype(float) ** power
    assert stats.chisquare(count, count.sum() * share / share.sum()).pvalue > 1e-3


numbers = eqx.filter_jit(lambda tasks, num, key: tasks.draw(num, ls.Split.TRAIN, key=key).index)


def test_scoring_goes_through_all_tasks_whatever_their_size(getkey):
    assert np.array_equal(draw(unequal(1.0), 4, ls.Split.TEST, getkey()).index, range(4))


def test_an_error_names_the_power():
    with pytest.raises(ls.InputError, match="FiniteTasks: `size_power=-1.0`"):
        unequal(-1.0)


def test_labels_that_are_nan_are_absent(getkey):
    y = np.ones((12, 2))
    y[0, 1], y[1] = np.nan, np.nan
    x, task = np.arange(12.0)[:, None], np.repeat([0, 1], 6)
    tasks = ls.FiniteTasks.from_arrays(x, y, task, shots=2, queries=2)
    expected = [[[1, 0], [0, 0], [1, 1]], np.ones((3, 2))]
    assert np.array_equal(np.asarray(tasks.points.weight), expected)
    query = draw(tasks, 2, ls.Split.TRAIN, getkey()).query
    assert np.isfinite(jax.vmap(lambda points: ls.mse(lambda x: x.repeat(2), points))(query)).all()
