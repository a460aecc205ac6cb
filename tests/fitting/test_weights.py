"""Weights of rows are heeded by every recipe."""

import numpy as np
import pytest
from tables import frame

import learnset as ls

SOLVED = ["ridge per task", "pooled ridge", "ridge with offsets", "mixed model", "boosting + task"]
REGRESSION = [recipe.name for recipe in ls.recipes.rows.standard(4, 2)]
CLASSES = [recipe.name for recipe in ls.recipes.rows.standard(4, 2, classes=True)]


def rows(count):
    """Inputs that say nothing, tasks, and targets of which half are one."""
    random = np.random.default_rng(0)
    x, task = random.normal(size=(count, 2)), np.arange(count) % 4
    return x, (np.arange(count) // 4 % 2).astype(float), np.array([f"t{i}" for i in task])


def mean_of(recipe, classes=()):
    """The mean prediction where ones weigh nine times as much."""
    x, y, task = rows(320)
    table = ls.Table.from_arrays(x, y, task, **({"classes": classes} if classes else {}))
    weight = np.where(y == 1, 9.0, 1.0)
    model = ls.fit(table, recipe, divisions=1, steps=300, weight=weight)
    predicted = model.predict(frame(x, task))
    return float(predicted["probability of yes" if classes else "predicted"].mean())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SOLVED)
def test_a_mean_is_weighed_by_what_is_solved_or_grown(recipe):
    assert abs(mean_of(recipe) - 0.9) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["shared body"])
def test_a_mean_is_weighed_by_a_network(recipe):
    assert abs(mean_of(recipe) - 0.9) < 0.06


@pytest.mark.parametrize("recipe", ["logistic + task", "mixed model"])
def test_probabilities_are_those_of_weighed_rows(recipe):
    assert abs(mean_of(recipe, ("no", "yes")) - 0.9) < 0.06


@pytest.mark.long
@pytest.mark.parametrize("recipe", REGRESSION)
def test_every_recipe_of_numbers_heeds_weights(recipe):
    assert abs(mean_of(recipe) - 0.9) < 0.1


@pytest.mark.long
@pytest.mark.parametrize("recipe", CLASSES)
def test_every_recipe_of_classes_heeds_weights(recipe):
    assert abs(mean_of(recipe, ("no", "yes")) - 0.9) < 0.1
