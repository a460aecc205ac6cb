"""Balancers as recipes of a comparison."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

import learnset as ls

NUM = 6  # tasks


@pytest.fixture(scope="module")
def learnt():
    """Heads and body of each recipe after the same few steps, in one program."""
    recipes = {recipe.name: recipe for recipe in ls.recipes.regression.balancers(num_tasks=NUM)}
    mean = ls.recipes.regression.balanced("mean", ls.Mean(), source="", num_tasks=NUM)
    learners = {name: recipe.learners[0] for name, recipe in (recipes | {"mean": mean}).items()}
    past = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=NUM, points=8, key=jr.key(1))
    model = ls.MLP(1, 1, width=4, depth=1, activation=jnp.tanh, key=jr.key(2))
    budget = ls.Budget(steps=5, tasks_per_step=NUM, lr=0.01)

    @eqx.filter_jit
    def learn(model, past, key):
        return {name: one.learn(model, past, budget, key=key) for name, one in learners.items()}

    jax.config.update("jax_disable_most_optimizations", True)
    models = learn(model, past, jr.key(0))
    jax.config.update("jax_disable_most_optimizations", False)
    return {name: jax.flatten_util.ravel_pytree(tree)[0] for name, tree in models.items()}


@pytest.mark.slow
def test_the_mean_of_losses_is_multi_task_learning(learnt):
    assert jnp.allclose(learnt["mean"], learnt["multi-task"], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_every_balancer_learns_something_else_from_the_same_budget(learnt):
    names = [name for name in learnt if name != "mean"]
    assert len(names) == 6
    for i, name in enumerate(names):
        assert jnp.isfinite(learnt[name]).all()
        assert not any(jnp.allclose(learnt[name], learnt[other]) for other in names[:i])


def test_balancers_are_not_among_the_standard_recipes():
    names = {recipe.name for recipe in ls.recipes.regression.standard()}
    assert not {recipe.name for recipe in ls.recipes.regression.balancers()} & names


def test_only_the_method_of_the_learner_differs():
    first, *others = ls.recipes.regression.balancers(num_tasks=NUM)
    for other in others:
        assert (other.setting, other.adapters) == (first.setting, first.adapters)
        ((one,), (two,)) = first.learners, other.learners
        assert {**vars(one), "method": None} == {**vars(two), "method": None}
