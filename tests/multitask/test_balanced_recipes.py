"""Balancers as recipes of a comparison."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import learnset as ls
from learnset.comparison import SeenTasks


def network(key):
    return ls.MLP(1, 1, width=4, depth=1, activation=jnp.tanh, key=key)


def test_a_balancer_changes_what_the_same_budget_learns():
    recipes = [
        ls.recipes.regression.balanced(name, method, source="", num_tasks=6)
        for name, method in (("pooled", ls.Pooled()), ("mean", ls.Mean()), ("UPGrad", ls.UPGrad()))
    ]
    question = SeenTasks.of_family(ls.Sinusoids(shots=4), num_tasks=6, seeds=1, key=jr.key(1))
    options = {"budget": ls.Budget(steps=10, tasks_per_step=6), "progress": False}
    comparison = ls.compare(recipes, network, question, key=jr.key(0), **options)
    pooled, mean, balanced = (outcome.of_tasks for outcome in comparison)
    assert np.isfinite(balanced).all()
    assert np.allclose(mean, pooled, rtol=1e-3)  # the mean of losses, computed in another way
    assert not np.allclose(balanced, pooled, rtol=1e-3)


def test_balancers_are_not_among_the_standard_recipes():
    names = {recipe.name for recipe in ls.recipes.regression.standard()}
    assert not {recipe.name for recipe in ls.recipes.regression.balancers()} & names


def test_only_the_method_of_the_learner_differs():
    first, *others = ls.recipes.regression.balancers(num_tasks=6)
    for other in others:
        assert (other.setting, other.adapters) == (first.setting, first.adapters)
        ((one,), (two,)) = first.learners, other.learners
        assert {**vars(one), "method": None} == {**vars(two), "method": None}
