"""Attention to several contexts: what it gives, its gradient, and both of its forms."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from conftest import assert_close

from learnset.models import _attended
from learnset.models._attended import attended, each

QUERIES, OWN, OTHERS = (
    jr.normal(jr.key(i), shape) for i, shape in enumerate([(7, 4), (2, 3, 4)] + [(2, 9, 4)])
)
THERE = (jnp.ones(3, bool), jnp.arange(9) % 2 == 0)


def parts(queries, own, others):
    return attended(queries, (own[0], others[0]), (own[1], others[1]), THERE)


def plain(queries, own, others):
    """Softmax attention to the tokens that are there, put together."""
    keys, values = jnp.concatenate([own, others[:, ::2]], axis=1)
    return jax.nn.softmax(queries @ keys.T / 2) @ values


def test_several_contexts_are_read_as_one_with_the_same_gradient():
    arrays = (QUERIES, OWN, OTHERS)
    assert_close(parts(*arrays), plain(*arrays), rtol=1e-5, atol=1e-6)
    ours, theirs = (
        jax.grad(lambda *a, f=f: (f(*a) ** 3).sum(), (0, 1, 2))(*arrays) for f in (parts, plain)
    )
    assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_large_scores_and_empty_contexts_are_no_trouble():
    large = parts(1e4 * QUERIES, OWN, OTHERS)
    assert_close(large, plain(1e4 * QUERIES, OWN, OTHERS), rtol=1e-4, atol=1e-5)
    none = jnp.zeros((0, 4))
    alone = attended(QUERIES, (OWN[0], none), (OWN[1], none), (THERE[0], jnp.zeros(0, bool)))
    assert_close(alone, attended(QUERIES, OWN[:1], OWN[1:], THERE[:1]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_entries_are_taken_one_by_one_on_a_processor_and_together_elsewhere(backend, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    program = jax.make_jaxpr(lambda x: each(jnp.sin, x))(QUERIES)
    assert ("scan" in str(program)) == (backend == "cpu")
    assert_close(_attended.each(jnp.sin, QUERIES), jnp.sin(QUERIES), rtol=1e-6, atol=1e-6)
