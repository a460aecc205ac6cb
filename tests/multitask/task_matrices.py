"""Gradients of every kind for tests of balancers, and their weights, compiled once for each
size."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from hypothesis import settings, strategies as st

import learnset as ls

SHAPES = ((1, 4), (2, 3), (5, 9), (5, 3))  # tasks, parameters; the last has dependent gradients
KINDS = ("any", "opposed", "stationary", "dependent", "unequal", "one zero", "all zero")
SCALES = (1e-10, 1e-5, 1.0, 1e5, 1e15)
EPS = float(np.finfo(np.float32).eps)


@eqx.filter_jit
def weigh(method, gramian, present, key):
    """Compiled once for each method and number of tasks."""
    tasks = len(gramian)
    stats = ls.multitask.TaskStats(jnp.ones(tasks, gramian.dtype), present, jnp.arange(tasks))
    return method.weigh(gramian, stats, method.init(jnp.ones(3, gramian.dtype)), key=key)[0]


def weights_of(method, jacobian, seed=0, present=None, dtype=np.float32):
    jacobian = np.asarray(jacobian, dtype)
    present = np.ones(len(jacobian), bool) if present is None else present
    jacobian = np.where(present[:, None], jacobian, 0)
    weights = weigh(method, jnp.asarray(jacobian @ jacobian.T), jnp.asarray(present), jr.key(seed))
    assert weights.dtype == dtype
    return np.where(present, np.asarray(weights, np.float64), 0)


def direction(method, jacobian, seed=0, present=None, dtype=np.float32):
    """The direction, in the given precision up to the weights."""
    return weights_of(method, jacobian, seed, present, dtype) @ jacobian


def gradients(kind, shape, seed):
    """A gradient for each task, exact in single precision."""
    random, (tasks, params) = np.random.default_rng(seed), shape
    jacobian = random.normal(size=shape)
    if kind == "opposed":  # little helps all tasks
        jacobian -= 0.98 * jacobian.mean(axis=0)
    if kind == "stationary":  # a sum with positive weights is zero
        others = max(tasks - 1, 1)
        jacobian[-1] = -random.uniform(0.5, 2, others) @ jacobian[:others] * (tasks > 1)
    if kind == "dependent":
        jacobian = random.normal(size=(tasks, 1)) @ random.normal(size=(1, params))
    if kind == "unequal":
        jacobian *= 10.0 ** random.uniform(-8, 0, size=(tasks, 1))
    if kind == "one zero":
        jacobian[0] = 0
    if kind == "all zero":
        jacobian[:] = 0
    return jacobian.astype(np.float32).astype(np.float64)


any_gradients = st.builds(
    gradients,
    st.sampled_from(KINDS),
    st.sampled_from(SHAPES),
    st.integers(0, 10_000),
)
good_gradients = st.builds(
    lambda shape, seed: gradients("any", shape, seed),
    st.sampled_from(SHAPES[:3]),
    st.integers(0, 10_000),
)
quick = settings(max_examples=15, deadline=None)
