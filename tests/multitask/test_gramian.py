"""The inner products of gradients, block by block, are those of the plain product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learnset.multitask._gramian import gramian_of, PIECE

# One block and several, whole pieces and a rest, no parameters.
SHAPES = ((1, 5), (8, 0), (9, 30), (33, 2 * (PIECE // 33) + 1), (130, PIECE // 130))


@pytest.mark.parametrize("shape", SHAPES)
def test_gramian_is_the_plain_product(shape):
    rows = np.random.default_rng(0).normal(size=shape)
    with jax.enable_x64(True):
        assert np.allclose(jax.jit(gramian_of)(rows), rows @ rows.T, rtol=0, atol=1e-12 * shape[1])


def test_gramian_is_symmetric_to_the_last_bit():
    gramian = gramian_of(jnp.asarray(np.random.default_rng(0).normal(size=(40, 500)), jnp.float32))
    assert (gramian == gramian.T).all()


def test_gramians_of_many_matrices_at_once_are_those_of_each():
    many = jnp.asarray(np.random.default_rng(0).normal(size=(3, 12, PIECE // 12 + 7)), jnp.float32)
    each = jnp.stack([gramian_of(one) for one in many])
    assert np.allclose(jax.vmap(gramian_of)(many), each, rtol=1e-5, atol=1e-6 * many.shape[2])
