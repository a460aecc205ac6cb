"""Balancers as recipes of a comparison."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import learnset as ls

BUDGET = ls.Budget(steps=20, seeds=2, shots=(4,), validation_tasks=4, test_tasks=8, queries=6)


def network(key):
    return ls.MLP(1, 1, width=4, depth=1, activation=jnp.tanh, key=key)


def test_balancers_are_compared_under_one_budget():
    recipes = ls.recipes.regression.balancers(num_tasks=6, points=8)
    recipes.append(
        ls.recipes.regression.balanced("mean again", ls.Mean(), source="", num_tasks=6, points=8)
    )
    comparison = ls.compare(
        recipes, network, ls.Sinusoids(shots=4), key=jr.key(0), budget=BUDGET, progress=False
    )
    errors = {recipe.name: comparison[recipe.name].errors for recipe in recipes}
    assert all(np.isfinite(error).all() for error in errors.values())
    assert np.allclose(
        errors["mean again"], errors["multi-task"], rtol=1e-3
    )  # the mean of losses, in another way
    balanced = [error for name, error in errors.items() if name not in ("mean again", "multi-task")]
    assert len(balanced) == len({error.tobytes() for error in balanced}) == 5


def test_balancers_are_not_among_the_standard_recipes():
    names = {recipe.name for recipe in ls.recipes.regression.standard()}
    assert {recipe.name for recipe in ls.recipes.regression.balancers()} & names == {"multi-task"}


def test_only_the_method_differs():
    first, *others = ls.recipes.regression.balancers(num_tasks=6, points=8)
    for other in others:
        assert (other.setting, other.on_seen) == (first.setting, first.on_seen)
        same = [(r.candidates, r.model, r.training_tasks, r.view) for r in (first, other)]
        assert jax.tree.structure(same[0]) == jax.tree.structure(same[1])
