"""Balancers that validate on fresh points: their slopes are derivatives through the whole step."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize

import learnset as ls
from learnset.multitask._forum import validation_weights

KEY = jr.key(0)
NUM, LR, INNER = 4, 0.05, 0.1
gradient = eqx.filter_jit(
    lambda method, model, batch, state: method.gradient(model, batch, state, key=KEY)
)


@pytest.fixture(scope="module", autouse=True)
def double():
    """So that another way of differentiation gives the same number to many digits."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def batch():
    @jax.jit
    def draw(key):
        tasks = ls.FiniteTasks.from_family(ls.Sinusoids(4, 5), num_tasks=NUM, points=12, key=key)
        return tasks.draw(NUM, ls.Split.TRAIN, key=key)

    return draw(KEY)


@pytest.fixture(scope="module")
def model():
    return eqx.filter_jit(ls.MLP)(1, 1, width=3, depth=1, activation=jnp.tanh, key=KEY)


@eqx.filter_jit
def losses(model, points):
    return jax.vmap(lambda batch: ls.mse(model, batch))(points)


def after_a_step(model, weights, support, lr=INNER):
    slope = jax.grad(lambda model: (weights * losses(model, support)).sum())(model)
    return jax.tree.map(lambda p, g: p - lr * g, model, slope)


def flat(tree):
    return np.asarray(ravel_pytree(tree)[0])


def shortest(gramian):
    """The weights of the shortest convex combination, by SciPy."""
    num = len(gramian)
    constraint = {"type": "eq", "fun": lambda w: w.sum() - 1}
    options = {"ftol": 1e-15, "maxiter": 500}
    start, bounds = np.full(num, 1 / num), [(0, 1)] * num
    best = minimize(
        lambda w: w @ gramian @ w, start, bounds=bounds, constraints=constraint, options=options
    )
    return best.x


def test_auto_lambda_follows_the_slope_through_the_trial_step(batch, model):
    primary = jnp.array([1.0, 0.0, 1.0, 0.5])
    method = ls.multitask.AutoLambda(
        num_tasks=NUM, lr=LR, inner_lr=INNER, begin=0.3, primary=primary
    )
    grads, state, metrics = gradient(method, model, batch, method.init(model))

    def fresh(weights):
        return (primary * losses(after_a_step(model, weights, batch.support), batch.query)).sum()

    slope = jax.jit(jax.grad(fresh))(jnp.full(NUM, 0.3))
    assert np.allclose(state.mean, 0.1 * slope, rtol=1e-8)
    assert np.allclose(state.value, 0.3 - LR * np.sign(slope), atol=1e-5)  # Adam's first step

    @jax.jit
    @jax.grad
    def weighted(model):
        return (state.value * losses(model, batch.support)).sum()

    assert np.allclose(flat(grads), flat(weighted(model)), rtol=1e-8)
    assert np.isclose(metrics["loss"], losses(model, batch.support).mean())


class Slope(eqx.Module):
    """A line through the origin."""

    slope: jax.Array

    def __call__(self, x):
        return self.slope * x


def test_auto_lambda_turns_from_a_task_that_harms_the_primary_one():
    """Task 0 is primary; task 1 wants the same and task 2 the opposite."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 1)))
    points = ls.Batch(x, x * jnp.array([1.0, 1.0, -1.0])[:, None, None], jnp.ones((3, 6)))
    tasks = ls.Task(points, points, jnp.arange(3), jnp.zeros((3, 0)))
    model = Slope(jnp.zeros(1))
    method = ls.multitask.AutoLambda(num_tasks=3, primary=jnp.array([1.0, 0.0, 0.0]))
    _, state, _ = gradient(method, model, tasks, method.init(model))
    assert state.value[1] > 0.1 > state.value[2]


def test_moml_follows_the_shortest_of_the_slopes_through_the_trial_step(batch, model):
    method = ls.multitask.MOML(num_tasks=NUM, lr=LR, inner_lr=INNER)
    logits = jnp.array([0.1, -0.3, 0.5, 0.0])
    state = eqx.tree_at(lambda s: s.value, method.init(model), logits)
    grads, state, _ = gradient(method, model, batch, state)

    def fresh(logits):
        return losses(after_a_step(model, jax.nn.softmax(logits), batch.support), batch.query)

    slopes = np.array(jax.jit(jax.jacrev(fresh))(logits))
    slopes /= np.linalg.norm(slopes, axis=1, keepdims=True)
    combined = shortest(slopes @ slopes.T) @ slopes
    assert np.allclose(state.mean, 0.1 * combined, atol=1e-6)
    shares = jax.nn.softmax(state.value)
    weighted = jax.jit(jax.grad(lambda model: (shares * losses(model, batch.support)).sum()))(model)
    assert np.allclose(flat(grads), flat(weighted), rtol=1e-8)


solve = jax.jit(validation_weights)


def random_problem(seed, num=5, params=8):
    """Directions of length one, and a constraint."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(num, params))
    constraint = rng.normal(size=params) * rng.choice([0.1, 1.0, 5.0])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    size = constraint @ constraint
    return directions, constraint, size, 0.1 - directions @ constraint / size


@pytest.mark.parametrize("seed", range(6))
def test_forum_solves_its_quadratic_problem(seed):
    """`max_i (g_i · d) + |d|² / 2` is least among all `d` with `q · d <= -phi |q|²`, by SciPy."""
    directions, constraint, size, pull = random_problem(seed)
    arrays = directions @ directions.T, np.ones(5, bool), pull, np.asarray(size)
    weights = np.asarray(solve(*map(jnp.asarray, arrays)))
    ours = -(weights @ directions + max(weights @ pull, 0) * constraint)
    limits = [
        {"type": "ineq", "fun": lambda d: -0.1 * size - constraint @ d[1:]},
        {"type": "ineq", "fun": lambda d: d[0] - directions @ d[1:]},
    ]
    start = np.concatenate([[1.0], -constraint])
    options = {"ftol": 1e-14, "maxiter": 1000}
    theirs = minimize(
        lambda d: d[0] + d[1:] @ d[1:] / 2, start, constraints=limits, options=options
    )
    assert np.allclose(ours, theirs.x[1:], atol=1e-4)


@pytest.mark.slow
def test_forum_lowers_the_gap_of_training_at_the_required_rate(batch, model):
    """The first direction keeps the constraint, with the slope of the gap by its definition."""
    method = ls.multitask.FORUM(num_tasks=NUM, lr=LR, inner_lr=INNER, steps=3, phi=0.2)
    logits = jnp.array([0.1, -0.3, 0.5, 0.0])
    state = eqx.tree_at(lambda s: s.logits.value, method.init(model), logits)
    grads, state, _ = gradient(method, model, batch, state)

    @jax.jit
    def slopes(logits, model):
        solved = model
        for _ in range(3):
            solved = after_a_step(solved, jax.nn.softmax(logits), batch.support)

        def gap(logits, model):
            shares = jax.nn.softmax(logits)
            here, there = (losses(m, batch.support) for m in (model, jax.lax.stop_gradient(solved)))
            return (shares * (here - there)).sum()

        return jax.grad(gap, argnums=(0, 1))(logits, model)

    of_logits, of_model = slopes(logits, model)
    q, fresh = flat(of_model), eqx.filter_jit(fresh_gradients)(model, batch)
    rows = np.stack([flat(g) for g in unstacked(fresh)])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    size = q @ q + of_logits @ of_logits
    pull = 0.2 - rows @ q / size
    weights = np.asarray(state.mixture)
    multiplier = max(weights @ pull, 0)
    assert np.isclose(weights.sum(), 1) and (weights >= 0).all()
    assert np.allclose(flat(grads), weights @ rows + multiplier * q, rtol=1e-6, atol=1e-9)
    assert np.allclose(state.logits.mean, 0.1 * multiplier * of_logits, rtol=1e-6, atol=1e-12)
    falls = q @ flat(grads) + multiplier * of_logits @ of_logits
    assert falls >= 0.2 * size * (1 - 1e-6)


def test_forum_does_not_follow_a_descent_that_leads_away(batch, model):
    """Then there is no gap that the logits could change."""
    method = ls.multitask.FORUM(num_tasks=NUM, inner_lr=1e9)
    grads, state, _ = gradient(method, model, batch, method.init(model))
    assert np.isfinite(flat(grads)).all() and np.all(state.logits.mean == 0)


def fresh_gradients(model, batch):
    return jax.vmap(lambda points: jax.grad(lambda model: ls.mse(model, points))(model))(
        batch.query
    )


def unstacked(tree):
    return [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(NUM)]


METHODS = {
    "auto-lambda": ls.multitask.AutoLambda(num_tasks=NUM),
    "moml": ls.multitask.MOML(num_tasks=NUM),
    "forum": ls.multitask.FORUM(num_tasks=NUM),
    "famo": ls.FAMO(num_tasks=NUM),
    "metabalance": ls.multitask.MetaBalance(num_tasks=NUM),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_absent_tasks_change_nothing_and_keep_their_memory(name, batch, model):
    """Two steps, so that the state is used."""
    method, present = METHODS[name], np.array([0, 1, 3])
    mask = jnp.array([1.0, 1.0, 0.0, 1.0])[:, None]
    weights = (batch.support.weight * mask, batch.query.weight * mask)
    padded = eqx.tree_at(lambda t: (t.support.weight, t.query.weight), batch, weights)
    without = jax.tree.map(lambda leaf: leaf[present], batch)
    state = other = begin = method.init(model)
    for _ in range(2):
        grads, state, _ = gradient(method, model, padded, state)
        expected, other, _ = gradient(method, model, without, other)
        assert np.allclose(flat(grads), flat(expected), rtol=1e-6, atol=1e-9)
    for first, last, same in zip(*map(jax.tree.leaves, (begin, state, other)), strict=True):
        assert np.allclose(last, same, rtol=1e-6, atol=1e-9)
        if first.shape == (NUM,):
            assert first[2] == last[2]


def test_a_single_task_is_plain_training_on_its_support_set(batch, model):
    one = jax.tree.map(lambda leaf: leaf[:1], batch)
    plain = flat(jax.jit(jax.grad(lambda model: losses(model, one.support).sum()))(model))
    auto = ls.multitask.AutoLambda(num_tasks=NUM, lr=1e-12)
    for method, factor in ((METHODS["moml"], 1.0), (auto, 0.1)):
        ours = gradient(method, model, one, method.init(model))[0]
        assert np.allclose(flat(ours), factor * plain, rtol=1e-8)


BAD = {
    "steps": (lambda: ls.multitask.FORUM(num_tasks=2, steps=0), "FORUM: `steps=0`"),
    "phi": (lambda: ls.multitask.FORUM(num_tasks=2, phi=0.0), "FORUM: `phi=0.0`"),
    "inner_lr": (lambda: ls.multitask.MOML(num_tasks=2, inner_lr=-1.0), "MOML: `inner_lr=-1.0`"),
    "no tasks": (lambda: ls.multitask.AutoLambda(num_tasks=0), "AutoLambda: `num_tasks=0`"),
}


@pytest.mark.parametrize("make, words", BAD.values(), ids=BAD)
def test_an_error_says_what_is_wrong(make, words):
    with pytest.raises(ls.InputError, match=words):
        make()
