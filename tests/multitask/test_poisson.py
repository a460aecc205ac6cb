"""Poisson regression of many tasks, and what has its log link."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import PoissonRegressor

import learnset as ls
from learnset.core import poisson_nll
from learnset.multitask import Boosting, Given, LogLink, TaskPoisson
from learnset.tasks import TaskRows

RANDOM = np.random.default_rng(0)
TASK = np.repeat(np.arange(4), 50)
X = RANDOM.normal(size=(200, 2)).astype(np.float32)
Y = RANDOM.poisson(np.exp(0.5 * X[:, 0] + np.array([0.0, 1.0, -1.0, 2.0])[TASK])).astype(float)
ROWS = TaskRows(X, np.arange(200), Y[:, None], np.ones(200), TASK, 4)


def log_rates(model, task=TASK, x=X):
    ask = jax.jit(jax.vmap(lambda x, i: model.for_task(i)(x)))
    return np.asarray(ask(jnp.asarray(x), jnp.asarray(task)), np.float64)[:, 0]


def test_one_model_each_is_scikit_learns():
    model = TaskPoisson(2.0, Given.ALL).solve_rows(ROWS)
    for task in range(4):
        here = np.asarray(TASK == task)
        theirs = PoissonRegressor(alpha=2.0 / here.sum(), tol=1e-8).fit(X[here], Y[here])
        expected = np.log(theirs.predict(X[here]))
        np.testing.assert_allclose(log_rates(model)[here], expected, atol=1e-3)


@pytest.mark.parametrize("own", [None, 0.5])
def test_the_penalised_likelihood_has_no_slope_at_the_solution(own):
    model = TaskPoisson(3.0, own_l2=own).solve_rows(ROWS)
    left = Y - np.exp(log_rates(model))
    weight = np.asarray(model.weight[0, :, 0])
    offsets = np.asarray(model.bias[:, 0])
    assert left.sum() == pytest.approx(0, abs=0.3)  # the common offset is free
    np.testing.assert_allclose(X.T @ left, 3.0 * weight, atol=0.3)
    own_part = offsets - offsets.mean()  # those of tasks sum to zero, as their penalty wants
    of_tasks = np.bincount(TASK, left)
    np.testing.assert_allclose(of_tasks, (own or 3.0) * own_part, atol=0.3)


def test_a_task_without_any_count_has_a_small_rate_and_a_new_one_that_of_all():
    y = np.where(TASK == 2, 0, Y)
    model = TaskPoisson(1.0, Given.ALL).solve_rows(ROWS.with_y(y[:, None]))
    rates = np.exp(log_rates(model))
    assert np.isfinite(rates).all() and rates[TASK == 2].max() < 0.02 * y.mean()


def test_trees_with_a_poisson_likelihood_are_scikit_learns():
    model, count = Boosting(poisson=True, task=False).grown(ROWS, rounds=15)
    options: Any = {"loss": "poisson", "max_iter": 15, "early_stopping": False}
    theirs = HistGradientBoostingRegressor(**options)
    expected = theirs.fit(X.astype(np.float64), Y).predict(X.astype(np.float64))
    np.testing.assert_allclose(np.exp(log_rates(model)), expected, rtol=1e-4)
    nothing, _ = Boosting(poisson=True).grown(ROWS, rounds=0)
    np.testing.assert_allclose(np.exp(log_rates(nothing)), Y.mean(), rtol=1e-5)
    assert count == 15


def test_the_loss_is_least_at_the_mean_and_the_link_gives_scaled_counts():
    points = ls.Batch(jnp.zeros((200, 1)), jnp.asarray(Y, jnp.float32)[:, None])
    slope = jax.grad(lambda at: poisson_nll(lambda x: at[None], points))
    assert float(slope(jnp.log(Y.mean()))) == pytest.approx(0, abs=1e-5)
    linear = ls.multitask.LinearTasks(jnp.zeros((2, 1, 1)), jnp.log(jnp.array([[2.0], [5.0]])))
    model = LogLink.of(linear, np.array([-1.0, -1.0]))
    answers = [float(model.for_task(jnp.asarray(i))(jnp.ones(1))[0]) for i in (0, 1)]
    assert answers == pytest.approx([1.0, 4.0])
