"""The solvers of the balancers: conditions of optimality on matrices of every kind, in both
precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings, strategies as st

from learnset.multitask._cosines import cosines
from learnset.multitask._fairness import fair_weights
from learnset.multitask._mgda import shortest
from learnset.multitask._quadratic import nonnegative_minimum

KINDS = ("any", "dependent", "nearly dependent", "ill-conditioned", "opposed", "absent")
SIZE = 12
minimum = jax.jit(nonnegative_minimum)
fair = jax.jit(fair_weights)
quick = settings(max_examples=30, deadline=None)


def units(kind, seed):
    """Rows of length one."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(SIZE, 40))
    if kind in ("dependent", "nearly dependent"):
        dependent = random.normal(size=(SIZE, 3)) @ random.normal(size=(3, 40))
        rows = dependent + (kind != "dependent") * 1e-3 * rows
    if kind == "ill-conditioned":  # singular values down to 1e-4
        left, right = (np.linalg.qr(m)[0] for m in (random.normal(size=(SIZE, SIZE)), rows.T))
        rows = left * np.logspace(0, -4, SIZE) @ right.T
    if kind == "opposed":
        rows -= 0.999 * rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if kind == "absent":
        rows[::3] = 0
    return rows


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@quick
@given(st.sampled_from(KINDS), st.integers(0, 10_000))
def test_conditions_of_optimality_hold_to_rounding_error(dtype, kind, seed):
    rows = units(kind, seed)
    start = np.random.default_rng(seed).uniform(size=SIZE)
    with jax.enable_x64(dtype == np.float64):
        matrix = jnp.asarray((rows @ rows.T).astype(dtype))
        exact = np.asarray(matrix, np.float64)
        linear = exact @ start
        terms = jnp.asarray(start.sum().astype(dtype))
        solution = minimum(matrix, jnp.asarray(linear.astype(dtype)), terms)
        assert solution.dtype == dtype
    x = np.asarray(solution, np.float64)
    gradient = exact @ x + linear
    rounding = 20 * np.finfo(dtype).eps * (start.sum() + x.sum())
    assert (x >= 0).all()
    assert (gradient >= -rounding).all()
    assert (np.abs(gradient[x > 0]) <= rounding).all()


@quick
@given(st.sampled_from(("any", "dependent", "opposed")), st.integers(0, 10_000))
def test_the_minimum_is_that_of_scipy(kind, seed):
    rows = units(kind, seed)
    gradient = np.random.default_rng(seed).uniform(size=SIZE) @ rows
    added, _ = scipy.optimize.nnls(rows.T, -gradient)
    with jax.enable_x64(True):
        arrays = rows @ rows.T, rows @ gradient, float(SIZE)
        solution = minimum(*map(jnp.asarray, arrays))
    assert np.allclose(np.asarray(solution) @ rows, added @ rows, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_the_shortest_mixture_of_128_nearly_dependent_gradients_is_optimal(dtype):
    random = np.random.default_rng(0)
    right, left = (np.linalg.qr(random.normal(size=(size, 128)))[0] for size in (300, 128))
    rows = left * np.logspace(0, -4, 128) @ right.T
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with jax.enable_x64(dtype == np.float64):
        gramian = jnp.asarray((rows @ rows.T).astype(dtype))
        weights = np.asarray(jax.jit(shortest)(gramian, jnp.ones(128, bool)), np.float64)
        gains = np.asarray(gramian, np.float64) @ weights
    assert weights.min() >= 0 and np.isclose(weights.sum(), 1, rtol=1e-5)
    assert weights @ gains - gains.min() <= 20 * np.finfo(dtype).eps  # the duality gap


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@quick
@given(st.integers(0, 10_000), st.sampled_from((0.2, 0.5, 1.0, 2.0, 4.0)))
def test_fair_weights_solve_their_equation(dtype, seed, power):
    rows = units("any", seed)
    with jax.enable_x64(dtype == np.float64):
        gramian = jnp.asarray((rows @ rows.T).astype(dtype))
        weights = np.asarray(fair(gramian, jnp.asarray(power, dtype)), np.float64)
        exact = np.asarray(gramian, np.float64)
    assert np.allclose(weights**power * (exact @ weights), 1, atol=2e3 * np.finfo(dtype).eps)


@quick
@given(st.integers(0, 10_000))
def test_nearly_contradictory_gradients_still_have_fair_weights(seed):
    rows = units("opposed", seed)
    with jax.enable_x64(True):
        weights = np.asarray(fair(jnp.asarray(rows @ rows.T), jnp.asarray(1.0)))
    assert np.allclose(weights * (rows @ rows.T @ weights), 1, atol=1e-6)


@quick
@given(st.integers(0, 10_000), st.sampled_from((1e-10, 1.0, 1e15)))
def test_cosines_do_not_depend_on_lengths(seed, scale):
    rows = units("any", seed)
    lengths = scale * 10.0 ** np.random.default_rng(seed).uniform(-3, 3, size=(SIZE, 1))
    gramian = (lengths * rows) @ (lengths * rows).T
    between, norms = jax.jit(cosines)(jnp.asarray(gramian, jnp.float32))
    assert np.allclose(between, rows @ rows.T, atol=1e-6)
    assert np.allclose(norms, lengths[:, 0], rtol=1e-6)
