"""GPBoost as a model of tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset.multitask import GPBoosting

gpboost = pytest.importorskip("gpboost")
RANDOM = np.random.default_rng(0)
TASKS = np.repeat(np.arange(5), 60)
X = RANDOM.normal(size=(300, 2))
Y = np.where(X[:, 0] > 0, 1.0, 0.0) + 3.0 * TASKS + RANDOM.normal(0, 0.1, 300)
ROWS = ls.tasks.TaskRows.of_batch(
    ls.Batch(
        jnp.asarray(X.reshape(5, 60, 2), jnp.float32),
        jnp.asarray(Y.reshape(5, 60, 1), jnp.float32),
        jnp.ones((5, 60)),
    )
)


def test_predictions_are_those_of_gpboost():
    model, count = GPBoosting().grown(ROWS, rounds=20)
    effects = gpboost.GPModel(group_data=TASKS[:, None], likelihood="gaussian")
    options = {"objective": "regression_l2", "learning_rate": 0.1, "num_leaves": 31}
    options |= {"min_data_in_leaf": 20, "verbose": -1, "num_threads": 1}
    data = gpboost.Dataset(X.astype(np.float32).astype(np.float64), Y.astype(np.float32))
    rival = gpboost.train(options, data, 20, gp_model=effects, verbose_eval=False)
    expected = rival.predict(X.astype(np.float32), group_data_pred=TASKS[:, None])
    for task in range(5):
        rows = task == TASKS
        asked = jax.vmap(model.for_task(jnp.asarray(task)))(jnp.asarray(X[rows], jnp.float32))
        np.testing.assert_allclose(asked[:, 0], expected["response_mean"][rows], atol=1e-3)
    assert count == 20


def test_the_number_of_rounds_is_chosen_and_a_new_task_has_the_mean_of_all():
    model, count = GPBoosting().grown(ROWS, ROWS)
    assert 0 < count <= 500
    new = float(model.for_task(jnp.asarray(-1))(jnp.array([1.0, 0.0]))[0])
    known = [float(model.for_task(jnp.asarray(i))(jnp.array([1.0, 0.0]))[0]) for i in range(5)]
    assert known == pytest.approx([1, 4, 7, 10, 13], abs=0.5)
    assert new == pytest.approx(np.mean(known), abs=1)


def test_it_is_a_rival_in_comparisons_of_tables():
    names = [recipe.name for recipe in ls.recipes.rows.standard(5, 3)]
    assert "GPBoost" in names
