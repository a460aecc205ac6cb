"""Trees of LightGBM as models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset.multitask import LightBoosting
from learnset.multitask._light_boosting import trees_of

lightgbm = pytest.importorskip("lightgbm")
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 3))
X[:, 0] = RANDOM.integers(0, 40, 400)
Y = X[:, 1] + X[:, 0] % 7


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_predictions_are_those_of_lightgbm_with_a_category_as_well(classes):
    label = Y if classes == 1 else np.digitize(Y, [3, 5][: classes - 1])
    options = {"objective": "regression" if classes == 1 else "multiclass", "num_class": classes}
    data = lightgbm.Dataset(X, label, categorical_feature=[0])
    model = lightgbm.train(options | {"verbose": -1, "num_threads": 1}, data, 20)
    trees = trees_of(model, 20, classes)
    predicted = jax.vmap(trees)(jnp.asarray(X, jnp.float32))
    expected = model.predict(X.astype(np.float32), raw_score=True).reshape(len(X), -1)
    np.testing.assert_allclose(predicted, expected, atol=1e-4)


def test_it_learns_what_each_task_has_of_its_own():
    x = jnp.linspace(0, 1, 60)[None, :, None].repeat(3, axis=0)
    y = jnp.where(x > 0.5, 1.0, 0.0) + jnp.array([0.0, 5.0, -5.0])[:, None, None]
    rows = ls.tasks.TaskRows.of_batch(ls.Batch(x, y, jnp.ones((3, 60))))
    model, rounds = LightBoosting().grown(rows, rows)
    again, _ = LightBoosting().grown(rows, rounds=rounds)
    for trees in (model, again):
        ends = [float(trees.for_task(jnp.asarray(i))(jnp.ones(1))[0]) for i in range(3)]
        assert ends == pytest.approx([1, 6, -4], abs=0.1)


def test_it_is_a_rival_in_comparisons_of_tables():
    names = [recipe.name for recipe in ls.recipes.rows.standard(5, 3)]
    assert "LightGBM + task" in names
