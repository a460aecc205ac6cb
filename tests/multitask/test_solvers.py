"""Linear models of many tasks, against plain ways to compute the same."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from sklearn import linear_model

import learnset as ls

SIZES = (9, 14, 6, 20, 11, 8)
IN = 3


def solve(solver, points):
    return solver.solve(points)


adapt = eqx.filter_jit(ls.multitask.BLUP().adapt)


def long_table(seed=0, slopes=False):
    """Rows of six tasks with their own offsets, and optionally slopes."""
    random = np.random.default_rng(seed)
    task = np.repeat(np.arange(len(SIZES)), SIZES)
    x = random.normal(size=(len(task), IN))
    offset = random.normal(size=len(SIZES))
    slope = 0.7 * slopes * random.normal(size=(len(SIZES), IN))
    common = 0.5 + x @ [1.0, -2.0, 0.3]
    noise = 0.5 * random.normal(size=len(task))
    return x, common + offset[task] + (x * slope[task]).sum(axis=1) + noise, task


def padded(x, y, task, garbage=0.0):
    """The rows as points of tasks, padded with garbage of weight zero."""
    length = max(SIZES) + 2
    px, py = np.full((len(SIZES), length, IN), garbage), np.full((len(SIZES), length, 1), garbage)
    weight = np.zeros((len(SIZES), length))
    for t, size in enumerate(SIZES):
        px[t, :size], py[t, :size, 0], weight[t, :size] = x[task == t], y[task == t], 1
    return ls.Batch(*(jnp.asarray(leaf, jnp.result_type(float)) for leaf in (px, py, weight)))


def normal_equations(x, y, penalty):
    """Weights of `|y - x w|² + sum_j penalty_j w_j²`."""
    return np.linalg.solve(x.T @ x + np.diag(penalty), x.T @ y)


@pytest.fixture
def table():
    return long_table()


def test_ridge_per_task_is_the_ridge_regression_of_each_task(table):
    x, y, task = table
    model = solve(ls.multitask.RidgePerTask(l2=0.7), padded(*table))
    for t in range(len(SIZES)):
        own = np.c_[np.ones((task == t).sum()), x[task == t]]
        expected = normal_equations(own, y[task == t], [0, 0.7, 0.7, 0.7])
        np.testing.assert_allclose(model.bias[t, 0], expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.weight[t, :, 0], expected[1:], rtol=1e-4, atol=1e-5)


def test_pooled_ridge_ignores_tasks(table):
    x, y, _ = table
    model = solve(ls.multitask.PooledRidge(l2=0.7), padded(*table))
    expected = normal_equations(np.c_[np.ones(len(x)), x], y, [0, 0.7, 0.7, 0.7])
    for t in range(len(SIZES)):
        ours = [model.bias[t, 0], *model.weight[t, :, 0]]
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_ridge_with_offsets_is_ridge_with_a_column_for_each_task(table):
    x, y, task = table
    dummies = (task[:, None] == np.arange(len(SIZES))).astype(float)
    expected = normal_equations(np.c_[dummies, x], y, [0] * len(SIZES) + [0.7] * IN)
    model = solve(ls.multitask.OffsetRidge(l2=0.7), padded(*table))
    np.testing.assert_allclose(model.bias[:, 0], expected[: len(SIZES)], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.weight[2, :, 0], expected[len(SIZES) :], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("slopes", (False, True), ids=("offsets", "slopes"))
def test_ridge_with_the_task_is_ridge_with_a_column_for_each_task_and_their_products(table, slopes):
    x, y, task = table
    dummies = (task[:, None] == np.arange(len(SIZES))).astype(float)
    products = (dummies[:, :, None] * x[:, None]).reshape(len(x), -1)
    columns = [np.ones((len(x), 1)), x, dummies, *([products] if slopes else [])]
    design = np.concatenate(columns, axis=1)
    expected = normal_equations(design, y, [0] + [0.7] * (design.shape[1] - 1))
    model = solve(ls.multitask.TaskRidge(0.7, slopes), padded(*table))
    ours = [model.for_task(jnp.asarray(t))(jnp.asarray(r))[0] for t, r in zip(task, x, strict=True)]
    np.testing.assert_allclose(ours, design @ expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("given", ls.multitask.Given, ids=lambda given: given.name)
def test_logistic_regression_is_that_of_scikit_learn(table, given):
    x, y, task = table
    y = (y > np.median(y)).astype(int)
    dummies = (task[:, None] == np.arange(len(SIZES))).astype(float)
    products = (dummies[:, :, None] * x[:, None]).reshape(len(x), -1)
    extra = {"NOTHING": [], "OFFSETS": [dummies], "SLOPES": [dummies, products]}
    points = padded(x, y, task)
    points = eqx.tree_at(lambda b: b.y, points, jnp.eye(2)[points.y[..., 0].astype(int)])
    model = solve(ls.multitask.TaskLogistic(2.0, given), points)
    ours = jnp.stack(
        [model.for_task(jnp.asarray(t))(jnp.asarray(r)) for t, r in zip(task, x, strict=True)]
    )
    if given is ls.multitask.Given.ALL:
        design, groups = x, [task == t for t in range(len(SIZES))]
    else:
        design, groups = np.concatenate([x, *extra[given.name]], axis=1), [np.ones(len(x), bool)]
    for group in groups:
        theirs = linear_model.LogisticRegression(C=0.5, tol=1e-6).fit(design[group], y[group])
        logits = theirs.decision_function(design[group])
        np.testing.assert_allclose((ours[:, 1] - ours[:, 0])[group], logits, atol=2e-2)


@pytest.mark.parametrize(("alpha", "num_rows"), ((0.003, 60), (0.05, 60), (0.4, 60), (0.4, 5)))
def test_multi_task_lasso_on_common_rows_is_that_of_scikit_learn(alpha, num_rows):
    random = np.random.default_rng(1)
    x = random.normal(size=(num_rows, 12)) @ (np.eye(12) + 0.3 * random.normal(size=(12, 12)))
    true = random.normal(size=(12, 4)) * (np.arange(12) < 5)[:, None]
    y = 3.0 + x @ true + 0.3 * random.normal(size=(num_rows, 4))
    reference = linear_model.MultiTaskLasso(alpha=alpha, tol=1e-10, max_iter=100_000).fit(x, y)
    shared = np.broadcast_to(x, (4, *x.shape))
    arrays = (
        jnp.asarray(a, jnp.float32) for a in (shared, y.T[..., None], np.ones(shared.shape[:2]))
    )
    points = ls.Batch(*arrays)
    model = solve(ls.multitask.MultiTaskLasso(alpha), points)
    np.testing.assert_allclose(model.weight[..., 0], reference.coef_, atol=1e-4)
    np.testing.assert_allclose(model.bias[:, 0], reference.intercept_, atol=1e-4)
    ours, theirs = (np.abs(w).max(axis=0) == 0 for w in (model.weight[..., 0], reference.coef_))
    assert np.array_equal(ours, theirs)


def test_multi_task_lasso_on_different_rows_is_stationary(table):
    """Inputs that are used have a slope as long as the penalty, along their weights; others a
    shorter one."""
    x, y, task = table
    x = np.c_[x, np.random.default_rng(7).normal(size=(len(x), 1))][:, [0, 1, 2]]
    alpha, count = 0.25, len(x) / len(SIZES)
    model = solve(ls.multitask.MultiTaskLasso(alpha), padded(x, y, task))
    weight = np.asarray(model.weight[..., 0], np.float64)
    bias = np.asarray(model.bias[:, 0], np.float64)
    left = y - (x * weight[task]).sum(axis=1) - bias[task]
    slope = np.stack([x[task == t].T @ left[task == t] for t in range(len(SIZES))]) / count
    for j in range(IN):
        length = np.linalg.norm(weight[:, j])
        if length > 0:
            np.testing.assert_allclose(slope[:, j], alpha * weight[:, j] / length, atol=1e-4)
        else:
            assert np.linalg.norm(slope[:, j]) <= alpha + 1e-4


def minus_log_likelihood(logs, x, y, task, slopes):
    """Minus the log-likelihood of a mixed model at its best fixed effects, and these, by one dense
    covariance matrix."""
    f = np.c_[np.ones(len(x)), x]
    z = f if slopes else f[:, :1]
    noise, spread = np.exp(logs[0]), np.exp(logs[1:])
    cov = noise * np.eye(len(y)) + (z * spread) @ z.T * (task[:, None] == task)
    factor = scipy.linalg.cho_factor(cov)
    fixed = np.linalg.solve(
        f.T @ scipy.linalg.cho_solve(factor, f), f.T @ scipy.linalg.cho_solve(factor, y)
    )
    left = y - f @ fixed
    logdet = 2 * np.log(np.diag(factor[0])).sum()
    return 0.5 * (logdet + left @ scipy.linalg.cho_solve(factor, left)), fixed


@pytest.mark.parametrize("slopes", (False, True), ids=("offsets", "slopes"))
def test_the_mixed_model_has_the_highest_likelihood(slopes):
    table = long_table(seed=3, slopes=slopes)
    logs = 2 + IN * slopes  # of the variances
    best = scipy.optimize.minimize(
        lambda logs: minus_log_likelihood(logs, *table, slopes)[0],
        np.zeros(logs),
        method="L-BFGS-B",
        bounds=[(-12, 6)] * logs,
        options={"ftol": 1e-14, "gtol": 1e-8},
    )
    with jax.enable_x64(True):
        model = solve(ls.MixedModel(slopes, l2=1e-9, steps=2000), padded(*table))
        noise, spread = float(model.noise[0]), np.asarray(model.spread[:, 0])
        fixed = np.asarray(model.fixed[:, 0])
    ours = minus_log_likelihood(np.log([noise, *spread]), *table, slopes)[0]
    assert ours - best.fun < 1e-3
    np.testing.assert_allclose(fixed, minus_log_likelihood(best.x, *table, slopes)[1], atol=5e-3)
    np.testing.assert_allclose(noise, np.exp(best.x[0]), rtol=5e-3)
    np.testing.assert_allclose(spread, np.exp(best.x[1:]), rtol=2e-2, atol=2e-3)


def test_slopes_that_do_not_differ_delay_no_others():
    """Of twelve inputs two have slopes that differ. The variances of the others have no maximum
    above zero; steps towards it are few, and keep those of the first two from nothing."""
    random = np.random.default_rng(3)
    task = np.repeat(np.arange(60), 40)
    x = random.normal(size=(len(task), 12))
    y = (random.normal(size=(60, 2))[task] * x[:, :2]).sum(axis=1) + random.normal(size=len(task))
    points = ls.Batch(
        jnp.asarray(x.reshape(60, 40, 12)), jnp.asarray(y.reshape(60, 40, 1)), jnp.ones((60, 40))
    )
    few, many = (solve(ls.MixedModel(slopes=True, steps=steps), points) for steps in (15, 1000))
    np.testing.assert_allclose(few.spread, many.spread, rtol=1e-3, atol=1e-6)
    assert (np.asarray(few.spread)[3:] < 1e-6).sum() >= 3
    np.testing.assert_allclose(np.asarray(few.spread)[1:3, 0], 1.0, rtol=0.4)


@pytest.mark.parametrize("slopes", (False, True), ids=("offsets", "slopes"))
def test_a_year_as_input_is_worth_as_much_as_the_same_year_counted_from_its_mean(slopes):
    """In single precision, and with slopes too, whose effects are on the year itself."""
    random = np.random.default_rng(0)
    year, group = np.tile(np.linspace(1990, 2020, 10), 30), np.repeat(np.arange(30), 10)
    u = (year - year.mean()) / year.std()
    y = 5 + 2 * u + random.normal(size=30)[group]
    if slopes:
        y = y + 0.5 * random.normal(size=30)[group] * u
    y = y + random.normal(size=300)

    def fitted(x, slopes):
        points = (a.reshape(30, 10, 1).astype(np.float32) for a in (x, y))
        batch = ls.Batch(*map(jnp.asarray, points), jnp.ones((30, 10)))
        model = ls.MixedModel(slopes).solve(batch)
        answers = jax.jit(jax.vmap(lambda i, x: jax.vmap(model.for_task(i))(x)))(
            jnp.arange(30), batch.x
        )
        left = y - np.asarray(answers).ravel()
        return 1 - (left**2).mean() / y.var(), float(model.noise[0])

    found, noise = fitted(year, slopes)
    if slopes:  # the likelihood at its maximum, by a dense covariance matrix
        best = scipy.optimize.minimize(
            lambda logs: minus_log_likelihood(logs, year[:, None], y, group, True)[0],
            np.array([0.2, 0.0, -14.0]),
            method="Nelder-Mead",
            options={"fatol": 1e-6, "xatol": 1e-3},
        )
        np.testing.assert_allclose(noise, np.exp(best.x[0]), rtol=1e-2)
        assert found > 0.8
    else:
        centred = fitted(u, slopes)
        np.testing.assert_allclose((found, noise), centred, rtol=1e-3)
        np.testing.assert_allclose(found, 0.837, atol=1e-3)


def test_effects_of_tasks_are_those_that_blup_finds_from_their_points(table):
    points = padded(*table)
    model = solve(ls.MixedModel(slopes=True), points)
    new = model.for_task(jnp.asarray(-1))
    for t in range(len(SIZES)):
        task = jax.tree.map(lambda leaf, t=t: leaf[t], points)
        ours, theirs = adapt(new, task).fixed, model.for_task(jnp.asarray(t)).fixed
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_blup_without_points_is_the_fixed_effects(table):
    new = solve(ls.MixedModel(), padded(*table)).for_task(jnp.asarray(-1))
    nothing = ls.Batch(jnp.ones((2, IN)), jnp.full((2, 1), jnp.nan), jnp.zeros(2))
    np.testing.assert_allclose(adapt(new, nothing).fixed, new.fixed)


def test_effects_that_vary_without_bound_are_plain_offsets():
    """Offsets that differ by a hundred times the noise are not pulled towards each other."""
    x, y, task = long_table(seed=5)
    y = y + 100.0 * np.random.default_rng(5).normal(size=len(SIZES))[task]
    with jax.enable_x64(True):
        points = padded(x, y, task)
        solvers = ls.MixedModel(), ls.multitask.OffsetRidge(l2=1e-6)
        models = [solve(solver, points) for solver in solvers]
        for t in range(len(SIZES)):
            mixed, plain = (model.for_task(jnp.asarray(t))(jnp.ones(IN))[0] for model in models)
            np.testing.assert_allclose(mixed, plain, rtol=1e-3, atol=1e-2)


SOLVERS = (
    ls.multitask.RidgePerTask(),
    ls.multitask.PooledRidge(),
    ls.multitask.OffsetRidge(),
    ls.multitask.TaskRidge(slopes=True),
    ls.multitask.MultiTaskLasso(0.1),
    ls.MixedModel(slopes=True),
)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)
def test_points_without_weight_change_nothing(solver, table):
    points = padded(*table)
    missing = eqx.tree_at(lambda b: b.y, points, padded(*table, garbage=np.nan).y)
    clean = solve(solver, points)
    for other in (solve(solver, padded(*table, garbage=1e3)), solve(solver, missing)):
        for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


BAD = (
    (lambda: ls.multitask.RidgePerTask(l2=0.0), "RidgePerTask: `l2=0.0`"),
    (lambda: ls.multitask.PooledRidge(l2=-1.0), "PooledRidge: `l2=-1.0`"),
    (lambda: ls.multitask.OffsetRidge(l2=float("nan")), "OffsetRidge: `l2=nan`"),
    (lambda: ls.multitask.MultiTaskLasso(0.0), "MultiTaskLasso: `alpha=0.0`"),
    (lambda: ls.MixedModel(steps=0), "MixedModel: `steps=0`"),
)


@pytest.mark.parametrize("make, words", BAD, ids=[words for _, words in BAD])
def test_a_meaningless_penalty_is_refused(make, words):
    with pytest.raises(ls.InputError, match=words):
        make()
