"""Merging of task vectors, on vectors made by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from conftest import assert_close

import learnset as ls
from learnset.models import Arithmetic, DARE, TaskVectors, TIES


def test_ties_trims_elects_signs_and_takes_the_mean_of_those_that_agree():
    vectors = jnp.array([[6.0, -1.0, 3.0, 0.1], [-2.0, 4.0, 0.2, 5.0], [4.0, 0.3, 8.0, -7.0]])
    # Kept, two of each row: 6 and 3; 4 and 5; 8 and -7. Signs: +, +, +, - (5 - 7 < 0).
    assert_close(TIES(keep=0.5).merge(vectors), jnp.array([6.0, 4.0, 5.5, -7.0]))
    assert_close(TIES(2.0, keep=0.5).merge(vectors), 2 * TIES(keep=0.5).merge(vectors))


def test_opposite_vectors_leave_the_start_as_it_is():
    vectors = jnp.array([[1.0, -2.0], [-1.0, 2.0]])
    for way in (TIES(keep=1.0), Arithmetic(1.0)):
        assert_close(way.merge(vectors), jnp.zeros(2))


def test_dare_keeps_the_mean_and_without_dropping_it_is_the_other_way():
    vectors = jnp.ones((1, 100_000))
    merged = DARE(Arithmetic(1.0), drop=0.9).merge(vectors)
    assert set(merged.round(4).tolist()) == {0.0, 10.0}
    assert float(merged.mean()) == pytest.approx(1.0, abs=0.03)
    some = jnp.array([[1.0, 2.0], [3.0, -1.0]])
    assert_close(DARE(TIES(), drop=0.0).merge(some), TIES().merge(some))


def grown(base, *added):
    """Task vectors of networks, all of whose numbers are larger than those of the base."""
    models = [jax.tree.map(lambda leaf, k=k: leaf + k, base) for k in added]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    start = TaskVectors(base, num_tasks=len(added))
    return eqx.tree_at(lambda vectors: vectors.models, start, stacked), models


def test_merging_adds_to_the_base_and_keeps_the_heads_of_tasks():
    base = ls.MLP(2, 1, width=3, depth=1, key=jr.key(0))
    assert eqx.tree_equal(TaskVectors(base, num_tasks=2).merged(Arithmetic()).model, base)
    vectors, models = grown(base, 1.0, 2.0)
    merged = vectors.merged(Arithmetic(1.0))
    assert eqx.tree_equal(merged.model.head, base.head)
    for number, own in enumerate(models):
        view = merged.for_task(jnp.asarray(number))
        assert_close(view.layers[0].weight, base.layers[0].weight + 3, atol=1e-6)
        assert_close(view.head, own.head)


def test_heads_are_in_no_vector_and_take_no_place_among_the_largest_entries():
    vectors, _ = grown(ls.MLP(2, 1, width=3, depth=1, key=jr.key(0)), 1.0, 2.0)
    other = eqx.tree_at(lambda v: v.models.head.weight, vectors, replace_fn=lambda w: w + 100)
    bodies = [v.merged(TIES(keep=0.5)).model.layers for v in (vectors, other)]
    assert eqx.tree_equal(*bodies)
    assert not eqx.tree_equal(bodies[0], vectors.base.layers)


@pytest.mark.slow
def test_the_recipe_makes_one_body_that_has_moved():
    recipes = {recipe.name: recipe for recipe in ls.recipes.regression.merged(num_tasks=3)}
    learner = recipes["task vectors"].learners[0]
    past = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=3, points=8, key=jr.key(1))
    model = ls.MLP(1, 1, width=4, depth=1, key=jr.key(2))
    learn = eqx.filter_jit(learner.learn)
    shared = learn(model, past, ls.Budget(steps=3, tasks_per_step=3), key=jr.key(0))
    assert isinstance(shared, ls.SharedBody)
    assert not eqx.tree_equal(shared.model.layers, model.layers)


def test_wrong_shares_are_errors():
    for make in (lambda: TIES(keep=0.0), lambda: DARE(drop=1.0)):
        with pytest.raises(ls.InputError, match="but it must be"):
            make()
