"""Chains of boosting for several targets."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import PredefinedSplit
from sklearn.multioutput import RegressorChain

import learnset as ls
from learnset.multitask._chains import _folds, orders_of
from learnset.tasks import TaskRows

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(180, 2)).astype(np.float32)
Y = np.stack([X[:, 0] * X[:, 1], X[:, 0] * X[:, 1] + X[:, 1]], axis=1)
Y = (Y + 0.3 * RANDOM.normal(size=Y.shape)).astype(np.float32)
ROUNDS = 12


def rows_of(x, y, weight=None):
    row, task = np.nonzero(np.isfinite(y))
    order = np.argsort(task, kind="stable")
    row, task = row[order], task[order]
    weight = np.ones(len(row)) if weight is None else weight[row]
    return TaskRows(x, row, y[row, task][:, None], weight, task, y.shape[1])


def answers(model, x, tasks=2):
    ask = jax.jit(jax.vmap(lambda x, i: model.for_task(i)(x), (0, None)))
    return np.stack([ask(x, jnp.asarray(i))[:, 0] for i in range(tasks)], axis=1)


@pytest.mark.slow
def test_the_answer_is_the_mean_of_regressor_chains_of_scikit_learn():
    grower = ls.multitask.ChainedBoosting(ls.multitask.Boosting(rounds=ROUNDS, leaves=4))
    counts = {link: ROUNDS for link in [(0,), (0, 1), (1,), (1, 0)]}
    model, same = grower.grown(rows_of(X, Y), rounds=counts)
    assert same == counts
    options: Any = {"max_iter": ROUNDS, "max_leaf_nodes": 4, "early_stopping": False}
    one = HistGradientBoostingRegressor(**options, min_samples_leaf=12)
    whole = HistGradientBoostingRegressor(**one.get_params()).set_params(min_samples_leaf=18)
    split = PredefinedSplit(_folds(len(X), 3))
    chains = []
    for order in ([0, 1], [1, 0]):
        # `RegressorChain` has one setting for all; ours takes a tenth of the rows for a leaf.
        chain = RegressorChain(one, order=order, cv=split).fit(X, Y)
        chain.estimators_ = [
            HistGradientBoostingRegressor(**whole.get_params()).fit(x, Y[:, target])
            for x, target in zip(_inputs(chain, one, split, order), order, strict=True)
        ]
        chains.append(chain.predict(X))
    np.testing.assert_allclose(answers(model, X), np.mean(chains, axis=0), atol=1e-4)


def _inputs(chain, one, split, order):
    from sklearn.model_selection import cross_val_predict

    before = cross_val_predict(one, X, Y[:, order[0]], cv=split)
    return X, np.column_stack([X, np.asarray(before)])


def test_few_targets_are_learnt_in_all_orders_and_many_in_different_ones():
    assert orders_of(2, 10) == [(0, 1), (1, 0)] and len(set(orders_of(3, 10))) == 6
    assert len(set(orders_of(7, 10))) == 10 == len(orders_of(7, 10))
    assert all(sorted(order) == list(range(7)) for order in orders_of(7, 10))


@pytest.mark.slow
def test_a_target_with_few_labels_gains_from_another_that_has_many():
    y = Y.copy()
    y[:, 1] = Y[:, 0]
    y[40:, 1] = np.nan
    rows = rows_of(X[:120], y[:120])
    grower = ls.multitask.ChainedBoosting(ls.multitask.Boosting(rounds=40, leaves=4))
    model, counts = grower.grown(rows, rows)
    assert set(counts) == {(0,), (0, 1), (1,), (1, 0)}
    alone, _ = ls.multitask.BoostingPerTask(grower.boosting, enough=1).grown(rows, rows)
    truth = X[120:, 0] * X[120:, 1]
    errors = [((answers(m, X[120:])[:, 1] - truth) ** 2).mean() for m in (model, alone)]
    assert errors[0] < 0.9 * errors[1]


@pytest.mark.slow
def test_rows_with_next_to_no_weight_change_nothing():
    weight = np.where(np.arange(len(X)) < 120, 1.0, 1e-9)
    y = np.where(weight[:, None] < 1, 1000.0, Y)
    grower = ls.multitask.StackedBoosting(ls.multitask.Boosting(leaves=4))
    model, _ = grower.grown(rows_of(X, y, weight), rounds=((5, 5), (5, 5)))
    assert np.abs(answers(model, X)).max() < 10


def test_it_is_a_rival_where_a_table_has_several_targets():
    def names(**options):
        return [recipe.name for recipe in ls.recipes.rows.standard(3, 4, **options)]

    assert "chained boosting" in names(targets=True)
    assert "chained boosting" not in names(targets=True, num_rows=10**6)
    assert "chains" in ls.recipes.rows.too_slow(3, 4, 10**6, targets=True)
    assert "chained boosting" not in names() + names(targets=True, classes=True)
