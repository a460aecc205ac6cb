"""Parameters as PyTrees: what moves, and the algebra of gradients."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core._tree import (
    all_finite,
    describe,
    head,
    inner,
    mix,
    nbytes,
    rows,
    stack,
    traced,
    trainable,
)


class Mixed(eqx.Module):
    """A model with one leaf of every kind that a model may hold."""

    weight: jax.Array
    table: jax.Array
    rate: float
    name: str = eqx.field(static=True, default="mixed")


def mixed(value=1.0, rate=0.1, name="mixed"):
    return Mixed(jnp.full((2, 3), value), jnp.arange(4), rate, name)


def test_what_moves_and_what_stays_make_the_model_again(model):
    moves, stays = trainable(model)
    assert eqx.tree_equal(eqx.combine(moves, stays), model)


def test_only_floating_point_arrays_move():
    moves, stays = trainable(mixed())
    assert moves.weight is not None and moves.table is None and moves.rate is None
    assert stays.weight is None and stays.table is not None and stays.rate == 0.1


def test_where_moves_its_part_and_no_other(model):
    moves, stays = trainable(model, head)
    assert jax.tree.leaves(moves) == jax.tree.leaves(model.head)
    assert jax.tree.leaves(stays) == jax.tree.leaves(model.layers)
    several = trainable(model, lambda m: (m.layers[0].bias, m.head.weight))[0]
    assert jax.tree.leaves(several) == [model.layers[0].bias, model.head.weight]


def test_where_leaves_integer_arrays_of_its_part_alone():
    moves, _ = trainable(mixed(), lambda m: (m.weight, m.table))
    assert moves.weight is not None and moves.table is None


def test_the_error_for_a_model_without_a_head_says_what_a_head_is():
    with pytest.raises(ls.InputError, match="Mixed has no `head`.*`features\\(x\\)`"):
        head(mixed())


def test_stacked_objects_are_the_objects():
    both = stack([mixed(1.0, 0.1), mixed(2.0, 0.2)])
    for i, one in enumerate((mixed(1.0, 0.1), mixed(2.0, 0.2))):
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], both), traced(one), rtol=0, atol=0)
    assert both.name == "mixed"


@pytest.mark.parametrize(
    "other", (mixed(name="other"), {"weight": 1.0}), ids=("static field", "structure")
)
def test_objects_that_differ_in_more_than_numbers_are_not_stacked(other):
    with pytest.raises(ls.InputError, match="cannot be stacked"):
        stack([mixed(), other])


def test_the_error_of_stack_shows_what_differs():
    with pytest.raises(ls.InputError, match="1 and 2 differ"):
        stack([{"steps": 1}, {"steps": 2}, {"steps": 1}])


def gradients(tasks):
    """Trees with a leading `tasks` axis, and the same as a NumPy matrix made the slow way."""
    a, b = (
        np.random.default_rng(0).normal(size=(tasks, *shape)).astype(np.float32)
        for shape in ((2, 2), (3,))
    )
    matrix = np.array([[*np.ravel(a[i]), *np.ravel(b[i])] for i in range(tasks)])
    return {"b": jnp.asarray(b), "a": jnp.asarray(a), "c": None}, matrix


def test_rows_are_the_trees_flattened_one_by_one():
    tree, matrix = gradients(4)
    assert np.array_equal(rows(tree), matrix)


def test_mix_is_a_vector_times_the_matrix_of_rows():
    tree, matrix = gradients(4)
    weights = np.array([0.5, -1.0, 2.0, 0.0], np.float32)
    mixture = mix(jnp.asarray(weights), tree)
    assert np.allclose(
        rows(jax.tree.map(lambda leaf: leaf[None], mixture))[0], weights @ matrix, rtol=1e-5
    )


def test_inner_products_make_the_gramian_of_rows():
    tree, matrix = gradients(3)
    one = [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(3)]
    assert np.allclose([[inner(a, b) for b in one] for a in one], matrix @ matrix.T, rtol=1e-5)


def test_nbytes_counts_arrays_alone():
    assert nbytes(mixed()) == 2 * 3 * 4 + 4 * 4


def test_describe_names_each_array_with_type_and_shape():
    assert describe(mixed()) == [".weight float32(2, 3)", ".table int32(4,)"]


@pytest.mark.parametrize("bad", (jnp.nan, jnp.inf, -jnp.inf))
def test_one_bad_number_anywhere_is_found(model, bad):
    assert all_finite(model)
    assert not all_finite(
        eqx.tree_at(lambda m: m.layers[1].weight, model, replace_fn=lambda w: w.at[3, 5].set(bad))
    )


def test_what_holds_no_floating_point_array_is_finite():
    assert all_finite({"table": jnp.arange(3), "name": "none"})
