"""A new task from a few rows."""

import numpy as np
import polars as pl
import pytest
from tables import fitted, frame, noisy

import learnset as ls
from learnset.fitting._correction import of_classes, of_numbers, Penalty


def error(model, rows, y):
    return float(np.sqrt(((model.predict(rows)["predicted"].to_numpy() - y) ** 2).mean()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*task is unknown")
@pytest.mark.filterwarnings("ignore:The mean of tasks")
@pytest.mark.parametrize("recipe", ["mixed model", "ridge with offsets"])
def test_a_few_rows_of_a_new_task_make_it_known(recipe):
    model = fitted(recipe, tasks=12)
    x, y, task = noisy(1, 300, first=13, seed=5)
    y = y + 3
    few, rest = frame(x[:10], task[:10], y[:10]), frame(x[10:], task[10:])
    adapted = model.adapt(few)
    assert error(adapted, rest, y[10:]) < 1.25 < 2.5 < error(model, rest, y[10:])
    predicted = adapted.predict(rest)
    assert set(predicted["basis"]) == {"few rows"}
    lower, upper = (predicted[name].to_numpy() for name in ("lower", "upper"))
    assert ((lower < y[10:]) & (y[10:] < upper)).mean() > 0.85
    wide = model.predict(rest)
    assert (wide["upper"] - wide["lower"])[0] > (predicted["upper"] - predicted["lower"])[0]
    assert model.added == ()  # it is as it was


def test_a_correction_of_numbers_is_a_ridge_regression_of_the_residual():
    random = np.random.default_rng(0)
    x, left, penalty = random.normal(size=(7, 3)), random.normal(size=(7, 1)), Penalty(2.0, 5.0)
    ours = of_numbers(x, left, penalty)
    design = np.concatenate([np.ones((7, 1)), x], axis=1)
    normal = design.T @ design + np.diag([2.0, 5.0, 5.0, 5.0])
    theirs = np.linalg.solve(normal, design.T @ left)
    assert np.allclose(np.concatenate([ours.bias[None], ours.weight]), theirs)


def test_a_correction_without_slopes_is_a_shrunken_mean():
    left = np.array([[3.0], [5.0]])
    ours = of_numbers(np.ones((2, 4)), left, Penalty(2.0, float("inf")))
    assert ours.bias == pytest.approx(8 / (2 + 2)) and not ours.weight.any()


def test_a_correction_of_classes_is_where_its_gradient_is_zero():
    random = np.random.default_rng(0)
    x, logits = random.normal(size=(9, 2)), random.normal(size=(9, 3))
    y = np.eye(3)[random.integers(0, 3, 9)]
    ours = of_classes(x, logits, y, Penalty(1.0, 2.0))
    chance = np.exp(logits + ours(x))
    left = chance / chance.sum(axis=1, keepdims=True) - y
    assert np.abs(left.sum(axis=0) + ours.bias).max() < 1e-3
    assert np.abs(x.T @ left + 2 * ours.weight).max() < 1e-3


@pytest.mark.slow
def test_rows_far_from_all_others_do_not_make_it_diverge():
    model = fitted("mixed model")
    x, y, task = noisy(1, 2, first=9)
    with pytest.warns(UserWarning, match="2 of 2 rows of a new task have an input more than 1000"):
        adapted = model.adapt(frame(1e6 * x, task, y))
    near = adapted.predict(frame(x, task))["predicted"].to_numpy()
    assert np.abs(near).max() < 100


def test_a_task_that_was_added_is_learnt_anew_from_other_rows():
    model = fitted()
    x, y, task = noisy(1, 30, first=9)
    once = model.adapt(frame(x[:5], task[:5], y[:5]))
    twice = once.adapt(frame(x, task, y))
    assert [one.rows for one in twice.added] == [30]


def test_rows_of_known_tasks_and_rows_without_labels_are_refused():
    model = fitted()
    x, y, task = noisy(6, 2)
    with pytest.raises(ls.InputError, match="Task 't00' is known already"):
        model.adapt(frame(x, task, y))
    with pytest.raises(ls.InputError, match="needs the column 'target'"):
        model.adapt(frame(x, np.full(12, "new")))
    with pytest.raises(ls.InputError, match="no task"):
        model.adapt(pl.DataFrame({"task": [None], "x1": [0.0], "x2": [0.0], "target": [1.0]}))
