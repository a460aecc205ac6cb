"""Sums over tasks that are taken in parts: the same gradient, whoever takes which."""

import jax.numpy as jnp
import jax.random as jr
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core import in_shards, shards
from learnset.core._shards import sum_in_parts


@pytest.mark.parametrize("method", [ls.MAML(ls.mse), ls.Reptile(ls.mse)])
def test_parts_change_a_gradient_by_rounding(method, model, tasks, getkey):
    batch, key = tasks.draw(12, ls.Split.TRAIN, key=getkey()), getkey()
    whole = method.gradient(model, batch, method.init(model), key=key)[0]
    with in_shards(parts=3):
        parts = method.gradient(model, batch, method.init(model), key=key)[0]
    assert_close(parts, whole)


def test_parts_are_added_in_their_order():
    big = jnp.asarray([1e8, 1.0, -1e8, 1.0])
    with in_shards(parts=4):
        assert sum_in_parts(jnp.sum, big).item() == 1.0  # zero, in pairs
    assert shards().parts is None


@pytest.mark.parametrize("parts", [1, 2])
def test_arrays_of_any_type_and_size_are_summed(parts):
    """Also arrays without numbers, as tasks without latents have them."""

    def function(x, empty):
        return {"count": (x > 1).sum(), "sum": x.sum(axis=0), "empty": empty.sum(axis=0)}

    with in_shards(parts=parts):
        total = sum_in_parts(function, jnp.arange(8.0).reshape(4, 2), jnp.zeros((4, 0)))
    assert total["count"] == 6 and jnp.issubdtype(total["count"].dtype, jnp.integer)
    assert total["sum"].tolist() == [12, 16] and total["empty"].shape == (0,)


def test_tasks_have_to_be_divisible(model, tasks):
    options = {"steps": 1, "key": jr.key(0)}
    with pytest.raises(ls.InputError, match="5 equal parts are taken of them. Take 10 or 15."):
        ls.train(ls.Pooled(), model, tasks, optax.sgd(0.1), tasks_per_step=12, parts=5, **options)
