"""Tasks that share nothing: no learner beats the best constant."""

import jax
import jax.random as jr
import numpy as np
import pytest

import learnset as ls

TASKS = ls.Unrelated(shots=6, queries=10, in_size=2, mean=3.0, std=2.0)
NUM = 3000


@pytest.fixture(scope="module")
def batch():
    return jax.jit(lambda key: TASKS.draw(NUM, ls.Split.TEST, key=key))(jr.key(0))


def error(batch, prediction):
    """Mean over tasks, and its standard error."""
    errors = ((np.asarray(batch.query.y, np.float64) - prediction) ** 2).mean(axis=(1, 2))
    return errors.mean(), errors.std() / np.sqrt(NUM)


def test_the_best_constant_costs_the_floor(batch):
    mean, spread = error(batch, TASKS.mean)
    assert TASKS.floor == 4.0
    assert abs(mean - TASKS.floor) < 3 * spread


@pytest.mark.parametrize("constant", (0.0, 2.5, 3.5))
def test_another_constant_costs_its_squared_distance_more(batch, constant):
    mean, spread = error(batch, constant)
    assert abs(mean - TASKS.floor - (constant - 3.0) ** 2) < 3 * spread


@pytest.mark.parametrize("l2", (1e-6, 1.0, 100.0))
def test_no_linear_regression_on_the_support_beats_the_floor(batch, l2):
    def features(x):
        return np.concatenate([np.asarray(x, np.float64), np.ones((*x.shape[:2], 1))], axis=-1)

    f, y = features(batch.support.x), np.asarray(batch.support.y, np.float64)
    gram = np.swapaxes(f, 1, 2) @ f + l2 * np.diag([1.0, 1.0, 0.0])
    solution = np.linalg.solve(gram, np.swapaxes(f, 1, 2) @ y)
    mean, spread = error(batch, features(batch.query.x) @ solution)
    assert mean - TASKS.floor > 3 * spread


def test_support_targets_say_nothing_of_query_targets(batch):
    support, query = (
        np.asarray(points.y).mean(axis=(1, 2)) for points in (batch.support, batch.query)
    )
    assert abs(np.corrcoef(support, query)[0, 1]) < 4 / np.sqrt(NUM)


@pytest.mark.parametrize("bad", ({"std": 0.0}, {"in_size": 0}, {"queries": 0}), ids=str)
def test_an_error_names_the_argument_and_its_value(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"`{name}={value}`"):
        ls.Unrelated(**bad)
