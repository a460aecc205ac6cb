"""Predictions that are not finite: a value that the table shows, and never what is chosen."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import (
    Accuracy,
    ExplainedVariance,
    MeanSquaredError,
    NewTasks,
    RocAuc,
    RowAccuracy,
    Rows,
)
from learnset.core import interval
from learnset.report import Numbers

QUESTION = NewTasks(
    ls.Sinusoids(), seeds=2, shots=(3,), queries=5, validation_tasks=10, test_tasks=20
)


def compare(*recipes):
    def network(key):
        return ls.MLP(1, 1, width=2, depth=1, key=key)

    return ls.compare(recipes, network, QUESTION, key=jr.key(0), progress=False)


def constants(name, *values):
    adapters = tuple(map(ls.transfer.Constant, values))
    return ls.Recipe(name, ls.Setting.BOUND, adapters=adapters)


def test_a_recipe_whose_predictions_are_not_finite_is_a_failure_and_the_others_go_on():
    result = compare(constants("bad", float("nan"), float("inf")), constants("good", 0.0))
    assert [outcome.name for outcome in result] == ["good"]
    assert list(result.failures) == ["bad"]
    assert "bad: its predictions are not finite" in result.failures["bad"]


def test_a_candidate_whose_predictions_are_not_finite_is_never_chosen():
    (outcome,) = compare(constants("constant", float("nan"), 0.0, float("inf")))
    assert {choice.adapter for choice in outcome.chosen[0]} == {1}
    assert np.isfinite(outcome.of_tasks).all()


class NowAndThen(ls.AbstractAdapter):
    """Perfect on average, and NaN on the tasks whose first target is above `limit`."""

    limit: float

    def adapt(self, model, support):
        mean = support.y[:1].sum(axis=0)
        return ls.transfer.Always(jnp.where(mean > self.limit, jnp.nan, mean))


def test_a_candidate_that_fails_on_some_tasks_only_is_not_chosen_either():
    """The tasks that it fails on are no easier without it: leaving them out would reward it."""
    adapters = (NowAndThen(0.0), NowAndThen(100.0))
    (outcome,) = compare(ls.Recipe("sometimes", ls.Setting.BOUND, adapters=adapters))
    assert {choice.adapter for choice in outcome.chosen[0]} == {1}


def rows(classes=()):
    """Two seeds, two tasks of four rows, of which the last of the second task is not there."""
    y = np.eye(2)[np.array([0, 1, 0, 1])] if classes else np.arange(4.0)[:, None]
    present = np.ones((2, 2, 4), bool)
    present[:, 1, 3] = False
    row = np.broadcast_to(np.arange(8).reshape(2, 4), (2, 2, 4))
    names = ("a", "b")
    y = np.broadcast_to(y, (2, 2, *y.shape))
    return Rows(y, present, row, np.ones((2, 2)), names, classes, one_target=True)


@pytest.mark.parametrize(
    "measure, classes",
    ((ExplainedVariance(), ()), (RocAuc(), ("no", "yes")), (RowAccuracy(), ("no", "yes"))),
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("bad", (np.nan, np.inf))
def test_rows_with_a_prediction_that_is_not_finite_are_infinitely_bad(measure, classes, bad):
    asked = rows(classes)
    observed = np.array(asked.y)[:, :, None]  # perfect, after one step
    np.testing.assert_allclose(measure.overall(observed, asked), 1)
    observed[0, 0, 0, 1, 0] = bad
    observed[1, 1, 0, 3, 0] = bad  # of a row that is not there
    assert measure.overall(observed, asked).tolist() == [[-np.inf], [1]]
    good = np.nan if isinstance(measure, RocAuc) else 1  # four rows are too few for a ROC-AUC
    of_tasks = measure.of_tasks(observed, asked)[..., 0]
    np.testing.assert_array_equal(of_tasks, [[-np.inf, good], [good, good]])


def test_so_are_tasks_of_queries():
    errors = np.array([[[1.0], [np.nan]], [[1.0], [3.0]]])
    assert MeanSquaredError().overall(errors, None).tolist() == [[np.inf], [2]]
    sure, right = np.array([0.9, np.nan, np.nan]), np.array([1.0, 0.0, np.nan])
    observed = np.stack([sure, right])[None, None, None]  # NaN in both: a query that is not there
    assert Accuracy().of_tasks(observed, None).tolist() == [[[-np.inf]]]
    observed[..., 0, 1] = 0.8
    assert Accuracy().of_tasks(observed, None).tolist() == [[[0.5]]]


@pytest.mark.parametrize("seeds", (1, 2))
def test_a_mean_over_tasks_does_not_hide_them(seeds):
    values = np.ones((seeds, 3))
    values[0, 0] = np.inf
    assert interval(values)[0] == np.inf


def test_they_are_shown_as_diverged():
    for measure, value in ((MeanSquaredError(), np.inf), (Accuracy(), -np.inf)):
        numbers = Numbers(measure)
        shown = (numbers.one(value), numbers.text(value, np.nan), numbers.difference(value, np.nan))
        assert shown == ("diverged",) * 3
