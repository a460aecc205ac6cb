"""Measures of rows: each is defined wherever it means something, and nowhere else."""

import jax.random as jr
import numpy as np
import pytest
from sklearn import metrics

import learnset as ls
from learnset.comparison import (
    ExplainedVariance,
    InClosedForm,
    LogLoss,
    Recipe,
    RocAuc,
    RowLogLoss,
    Rows,
    SeenTasks,
    Setting,
)


def rows(y, one_target=True, classes=("no", "yes")):
    """One seed; tasks of as many rows each, none missing."""
    y = np.asarray(y, np.float64)
    y = np.eye(len(classes))[y.astype(int)] if classes else y[..., None]
    shape = y.shape[:2]
    row = np.arange(y[..., 0].size).reshape(shape)
    names = tuple(map(str, range(shape[0])))
    present, units = np.ones(shape, bool)[None], np.ones((1, shape[0]))
    return Rows(y[None], present, row[None], units, names, classes, one_target)


def test_the_roc_auc_of_one_target_is_that_of_all_rows_together():
    random = np.random.default_rng(0)
    y = (random.random((6, 20)) < 0.1).astype(int)
    score = random.normal(size=(6, 20)) + y
    predictions = np.stack([-score, score], axis=-1)[None]
    expected = metrics.roc_auc_score(y.ravel(), score.ravel())
    np.testing.assert_allclose(RocAuc().of_all(predictions, rows(y)), expected)


def test_a_task_has_a_roc_auc_of_its_own_only_with_five_rows_of_each_class():
    y = np.zeros((2, 20), int)
    y[0, :5], y[1, :4] = 1, 1
    predictions = np.random.default_rng(0).normal(size=(1, 2, 20, 2))
    of_tasks = RocAuc().of_rows(predictions, rows(y))
    assert np.isfinite(of_tasks[0, 0]) and np.isnan(of_tasks[0, 1])


@pytest.mark.parametrize("scale", (0.25, 1.0, 8.0))
def test_the_log_loss_is_that_of_scikit_learn_with_the_scale_of_validation_rows(scale):
    """Logits that are too sure, or not sure enough, by a factor are the same answer."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(1, 4, 300, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    y = (random.random(p.shape[:-1])[..., None] > p.cumsum(axis=-1)).sum(axis=-1)[0]
    asked, measure = rows(y, classes=("a", "b", "c")), RowLogLoss()
    observed = (logits / scale)[:, :, None]
    settled = measure.settled(observed, observed, asked)
    expected = metrics.log_loss(y.ravel(), p.reshape(-1, 3))
    np.testing.assert_allclose(measure.overall(settled, asked), expected, rtol=0.01)
    np.testing.assert_allclose(measure.choice(observed, asked), -expected, rtol=0.01)


def test_the_log_loss_of_queries_takes_its_scale_from_validation_tasks():
    losses = np.ones((1, 3, 1, 17))
    losses[..., 4] = 0.5  # of one scale
    assert LogLoss().settled(losses, losses, None).tolist() == [[[0.5]] * 3]
    assert LogLoss().overall(LogLoss().settled(losses, losses, None), None).tolist() == [[0.5]]
    assert LogLoss().overall(losses, None).tolist() == [[1.0]]  # logits as they are


@pytest.mark.parametrize("constant", (0.0, 3.0, 1e6))
def test_no_variance_is_explained_of_scored_rows_with_one_value(constant):
    """Explained variance is not defined there, whatever is predicted."""
    y = np.full((2, 10), constant)
    predictions = np.random.default_rng(0).normal(size=(1, 2, 10, 1))
    for one_target in (True, False):
        asked = rows(y, one_target, classes=())
        assert np.isnan(ExplainedVariance().of_all(predictions, asked)).all()
        assert np.isnan(ExplainedVariance().of_rows(predictions, asked)).all()


def test_a_target_with_one_value_among_others_counts_for_nothing():
    y = np.stack([np.full(10, 2.0), np.arange(10.0)])
    asked = rows(y, one_target=False, classes=())
    predictions = asked.y.copy()
    predictions[0, 0] += 1
    assert ExplainedVariance().of_all(predictions, asked).tolist() == [1.0]


def wards(events):
    """Six wards of twenty patients, with `events` of a rare kind."""
    random = np.random.default_rng(1)
    y = np.zeros(120)
    y[random.choice(120, events, replace=False)] = 1
    x = random.normal(size=(120, 2))
    return ls.Table.from_arrays(x, y, np.repeat(np.arange(6), 20), classes=("0", "1"))


def test_four_events_in_120_rows_have_results():
    """Each part has at least one event, so that ROC-AUC over all rows is defined."""
    made = wards(4)
    question = SeenTasks.of_table(made)
    learner = InClosedForm(ls.multitask.PooledRidge(10.0))
    recipes = [Recipe("pooled", Setting.POOLED, (learner,), baseline=True)]

    def network(key):
        return ls.MLP(*question.sizes, width=2, depth=1, key=key)

    comparison = ls.compare(recipes, network, question, key=jr.key(0), progress=False)
    assert comparison.failures == {} and comparison.measure.name == "ROC-AUC"
    assert np.isfinite(comparison["pooled"].overall_at(None)).all()
    assert np.isnan(comparison["pooled"].at(None)).all()  # no ward has enough of both


def test_two_events_are_too_few_and_are_counted():
    with pytest.raises(ls.InputError, match="2 of 120 rows of 'target' are '1'"):
        SeenTasks.of_table(wards(2))


def test_the_scale_of_logits_is_that_of_models_that_have_not_learnt_from_validation_rows():
    """Pure noise and a flexible model: learnt once more from validation rows, it would be sure of
    them, and the log loss of scored rows would be above that of an even chance."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(240, 40)), (random.random(240) < 0.5).astype(float)
    made = ls.Table.from_arrays(x, y, np.arange(240) % 2, classes=("no", "yes"))
    question = SeenTasks.of_table(made, seeds=range(4))
    learner = InClosedForm(ls.multitask.PooledRidge(1e-3))
    recipes = [Recipe("pooled", Setting.POOLED, (learner,), baseline=True)]

    def network(key):
        return ls.MLP(*question.sizes, width=2, depth=1, key=key)

    comparison = ls.compare(recipes, network, question, key=jr.key(0), progress=False)
    predictions = comparison["pooled"].predictions
    assert RowLogLoss().of_all(predictions, comparison.rows).mean() < np.log(2) + 0.03
