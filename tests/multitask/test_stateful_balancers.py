"""Balancers of gradients with a state: the formulas of their papers, computed plainly over several
steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import trim_mean

import learnset as ls

KEY = jr.key(0)
RNG = np.random.default_rng(0)
STEPS, TASKS, PARAMS = 4, 3, 5
GRADS = RNG.normal(size=(STEPS, TASKS, PARAMS)) * np.array([1.0, 10.0, 0.1])[:, None]
LOSSES = RNG.uniform(0.5, 4.0, size=(STEPS, TASKS))
balance = eqx.filter_jit(
    lambda method, jacobian, stats, state, key=KEY: method.balance(jacobian, stats, state, key=key)
)


def run(method, grads=GRADS, losses=LOSSES):
    """Directions at each step, and the last state."""
    grads, losses = (jnp.asarray(x, jnp.result_type(float)) for x in (grads, losses))
    state, directions = method.init(grads[0, 0]), []
    for matrix, line in zip(grads, losses, strict=True):
        stats = ls.multitask.TaskStats(line, jnp.ones(len(line), bool), jnp.arange(len(line)))
        direction, state = balance(method, matrix, stats, state)
        directions.append(np.asarray(direction))
    return np.array(directions), state


def test_grad_norm_is_the_published_algorithm():
    alpha, lr = 1.2, 0.1
    directions, state = run(ls.GradNorm(num_tasks=TASKS, alpha=alpha, lr=lr))
    weights, mean, square = np.ones(TASKS), np.zeros(TASKS), np.zeros(TASKS)
    for t in range(STEPS):
        assert np.allclose(directions[t], weights @ GRADS[t], rtol=1e-4, atol=1e-5)
        norms = np.linalg.norm(GRADS[t], axis=1)
        left = LOSSES[t] / LOSSES[0]
        target = (weights * norms).mean() * (left / left.mean()) ** alpha
        # Of the sum of absolute differences, with the target held fixed.
        slope = np.sign(weights * norms - target) * norms
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        adam = mean / (1 - 0.9 ** (t + 1)) / (np.sqrt(square / (1 - 0.999 ** (t + 1))) + 1e-8)
        weights = np.maximum(weights - lr * adam, 0)
        weights = TASKS * weights / weights.sum()
    assert np.allclose(state.weights.value, weights, rtol=1e-4)


def test_grad_norm_makes_gradients_equally_long_if_all_tasks_learn_at_one_rate():
    unequal = GRADS[0] / np.array([1.0, 5.0, 0.5])[:, None]
    grads, losses = np.tile(unequal, (400, 1, 1)), np.ones((400, TASKS))
    _, state = run(ls.GradNorm(num_tasks=TASKS, lr=0.01), grads, losses)
    weighted = state.weights.value * np.linalg.norm(grads[0], axis=1)
    assert np.allclose(weighted, weighted.mean(), rtol=0.1)


def test_grad_drop_keeps_one_sign_by_the_purity_of_signs():
    key, leak = jr.key(5), 0.3
    direction = ls.multitask.GradDrop(leak=leak).direction(jnp.asarray(GRADS[0]), key=key)
    drawn = np.asarray(jr.uniform(key, (PARAMS,)))
    purity = 0.5 * (1 + GRADS[0].sum(axis=0) / np.abs(GRADS[0]).sum(axis=0))
    expected = np.zeros(PARAMS)
    for row in GRADS[0]:
        kept = (purity > drawn) * (row > 0) + (purity < drawn) * (row < 0)
        expected += (leak + (1 - leak) * kept) * row
    assert np.allclose(direction, expected, rtol=1e-5)


def test_grad_drop_gives_sums_of_the_gradients_of_one_sign():
    matrix = jnp.asarray(GRADS[0])
    positive, negative = np.maximum(GRADS[0], 0).sum(axis=0), np.minimum(GRADS[0], 0).sum(axis=0)
    draw = jax.vmap(lambda key: ls.multitask.GradDrop().direction(matrix, key=key))
    directions = np.asarray(draw(jr.split(KEY, 50)))
    signs = [np.isclose(directions, total, rtol=1e-4) for total in (positive, negative)]
    assert np.all(signs[0] | signs[1])
    assert (directions.std(axis=0) > 0).any()  # both signs occur for some parameter


def test_grad_drop_that_leaks_everything_is_the_sum():
    matrix = jnp.asarray(GRADS[0])
    leaking, total = ls.multitask.GradDrop(leak=1.0), ls.multitask.Sum()
    assert np.allclose(leaking.direction(matrix), total.direction(matrix), rtol=1e-5)


def nearest_on_simplex(point):
    """By bisection on the amount that is subtracted from each."""
    low, high = point.min() - 1, point.max()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(point - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(point - low, 0)


def test_moco_is_the_published_algorithm():
    rates = {"beta": 0.6, "beta_decay": 0.3, "gamma": 0.02, "gamma_decay": 0.4, "rho": 0.5}
    directions, state = run(ls.multitask.MoCo(num_tasks=TASKS, **rates))
    tracked, weights = np.zeros((TASKS, PARAMS)), np.full(TASKS, 1 / TASKS)
    for t in range(STEPS):
        tracked = tracked - 0.6 / (t + 1) ** 0.3 * (tracked - GRADS[t])
        slope = (tracked @ tracked.T + 0.5 * np.eye(TASKS)) @ weights
        weights = nearest_on_simplex(weights - 0.02 / (t + 1) ** 0.4 * slope)
        assert np.allclose(directions[t], weights @ tracked, rtol=1e-4, atol=1e-5)
    assert np.allclose(state.weights, weights, rtol=1e-4, atol=1e-6)


def test_moco_on_constant_gradients_approaches_the_shortest_combination():
    one, two = np.array([2.0, 1.0, 0.0, 0.0, 0.0]), np.array([-1.0, 0.5, 0.0, 0.0, 0.0])
    grads = np.tile(np.stack([one, two]), (200, 1, 1))
    method = ls.multitask.MoCo(num_tasks=2, beta=1.0, beta_decay=0.0, gamma=0.05, gamma_decay=0.0)
    directions, _ = run(method, grads, np.ones((200, 2)))
    share = np.clip((two - one) @ two / ((one - two) @ (one - two)), 0, 1)
    assert np.allclose(directions[-1], share * one + (1 - share) * two, atol=1e-4)


def test_db_mtl_is_the_published_algorithm():
    directions, _ = run(ls.multitask.DBMTL(num_tasks=TASKS, beta=0.7, beta_decay=0.5))
    average = np.zeros((TASKS, PARAMS))
    for t in range(STEPS):
        of_logs, keeps = GRADS[t] / LOSSES[t][:, None], 0.7 / (t + 1) ** 0.5
        average = keeps * average + (1 - keeps) * of_logs
        norms = np.linalg.norm(average, axis=1)
        assert np.allclose(directions[t], (norms.max() / norms) @ average, rtol=1e-4, atol=1e-5)


def test_db_mtl_does_not_depend_on_units_of_losses():
    units = np.array([1e-4, 3.0, 1e5])
    method = ls.multitask.DBMTL(num_tasks=TASKS)
    scaled = run(method, GRADS * units[:, None], LOSSES * units)[0]
    assert np.allclose(scaled, run(method)[0], rtol=1e-4, atol=1e-5)


def test_excess_mtl_is_the_published_algorithm():
    lr = 0.3
    directions, _ = run(ls.multitask.ExcessMTL(num_tasks=TASKS, lr=lr))
    squares, weights, first = np.zeros((TASKS, PARAMS)), np.full(TASKS, 1 / TASKS), None
    for t in range(STEPS):
        squares += GRADS[t] ** 2
        excess = (GRADS[t] ** 2 / np.sqrt(squares + 1e-7)).sum(axis=1)
        first = excess if first is None else first
        weights = weights * np.exp(lr * excess / first)
        weights /= weights.sum()
        assert np.allclose(directions[t], weights @ GRADS[t], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trim", (0, 1, 2))
def test_trimmed_mean_is_that_of_scipy(trim):
    matrix = RNG.normal(size=(6, 9))
    ours = ls.multitask.TrimmedMean(trim=trim).direction(jnp.asarray(matrix))
    assert np.allclose(ours, trim_mean(matrix, trim / 6 + 1e-9, axis=0), atol=1e-6)


def test_trimmed_mean_withstands_as_many_liars_as_it_trims():
    honest = RNG.normal(size=(5, 9))
    lying = np.concatenate([honest, 1e12 * np.ones((1, 9)), -1e12 * np.ones((1, 9))])
    ours = ls.multitask.TrimmedMean(trim=1).direction(jnp.asarray(lying))
    assert np.allclose(ours, honest.mean(axis=0), atol=1e-5)


def test_trimmed_mean_of_too_few_present_tasks_is_the_median():
    matrix = jnp.asarray(RNG.normal(size=(6, 9)))
    present = jnp.array([True, False, True, True, False, False])
    expected = np.median(np.asarray(matrix)[np.asarray(present)], axis=0)
    ours = ls.multitask.TrimmedMean(trim=2).direction(matrix, present=present)
    assert np.allclose(ours, expected)


def test_meta_balance_is_the_published_algorithm():
    relax, beta, main = 0.6, 0.8, 1
    method = ls.multitask.MetaBalance(num_tasks=TASKS, main=main, relax=relax, beta=beta)
    directions, _ = run(method)
    lengths = np.zeros(TASKS)
    for t in range(STEPS):
        lengths = beta * lengths + (1 - beta) * np.linalg.norm(GRADS[t], axis=1)
        scale = relax * lengths[main] / lengths + 1 - relax
        assert np.allclose(directions[t], scale @ GRADS[t], rtol=1e-4, atol=1e-5)


def test_meta_balance_scales_each_array_of_parameters_separately():
    """With `relax=1` and without memory, each task's gradient is as long as that of the main task,
    in weights and in biases."""
    x, y = jnp.asarray(RNG.normal(size=(2, 3, 6, 1)), jnp.result_type(float))
    points = ls.Batch(x, y, jnp.ones((3, 6)))
    tasks = ls.Task(points, points, jnp.arange(3), jnp.zeros((3, 0)))
    method = ls.multitask.MetaBalance(num_tasks=3, main=2, relax=1.0, beta=0.0)

    @eqx.filter_jit
    def both():
        model = ls.MLP(1, 1, width=3, depth=1, activation=jnp.tanh, key=KEY)
        grads = ls.multitask.task_gradients(ls.mse, model, tasks)[1]
        return method.gradient(model, tasks, method.init(model), key=KEY)[0], grads

    for ours, rows in zip(*map(jax.tree.leaves, both()), strict=True):
        rows = np.asarray(rows)
        norms = np.linalg.norm(rows.reshape(3, -1), axis=1)
        assert np.allclose(ours, np.tensordot(norms[2] / norms, rows, 1), rtol=1e-4, atol=1e-6)


def test_meta_balance_does_not_take_a_late_task_for_a_weak_one():
    method = ls.multitask.MetaBalance(num_tasks=2, relax=1.0)
    matrix = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    state = method.init(matrix[0])
    for _ in range(20):
        stats = ls.multitask.TaskStats(jnp.ones(2), jnp.array([True, False]), jnp.arange(2))
        _, state = balance(method, matrix, stats, state)
    stats = ls.multitask.TaskStats(jnp.ones(2), jnp.array([True, True]), jnp.arange(2))
    direction, _ = balance(method, matrix, stats, state)
    assert np.allclose(direction, [1.0, 1.0], rtol=1e-5)


BAD = {
    "leak": (lambda: ls.multitask.GradDrop(leak=2.0), "GradDrop: `leak=2.0`"),
    "trim": (lambda: ls.multitask.TrimmedMean(trim=-1), "TrimmedMean: `trim=-1`"),
    "trims everything": (
        lambda: ls.multitask.TrimmedMean(trim=2).direction(jnp.ones((4, 2))),
        "leaves none of 4 tasks",
    ),
    "main": (lambda: ls.multitask.MetaBalance(num_tasks=2, main=2), "MetaBalance: `main=2`"),
    "relax": (lambda: ls.multitask.MetaBalance(num_tasks=2, relax=1.5), "MetaBalance: `relax=1.5`"),
    "beta": (lambda: ls.multitask.DBMTL(num_tasks=2, beta=1.0), "DBMTL: `beta=1.0`"),
    "rho": (lambda: ls.multitask.MoCo(num_tasks=2, rho=-1.0), "MoCo: `rho=-1.0`"),
    "alpha": (lambda: ls.GradNorm(num_tasks=2, alpha=-1.0), "GradNorm: `alpha=-1.0`"),
    "lr": (lambda: ls.multitask.ExcessMTL(num_tasks=2, lr=0.0), "ExcessMTL: `lr=0.0`"),
}


@pytest.mark.parametrize("make, words", BAD.values(), ids=BAD)
def test_an_error_says_what_is_wrong(make, words):
    with pytest.raises(ls.InputError, match=words):
        make()
