"""Tasks of different kinds, widths and losses in one model: each is learnt as if it were alone."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from scipy import stats

import learnset as ls

KEY = jr.key(0)
KINDS = (
    ls.models.Kind.REGRESSION,
    ls.models.Kind.BINARY,
    ls.models.Kind.CLASSES,
    ls.models.Kind.COUNTS,
)
IN, OUT = (3, 2, 3, 1), (2, 2, 4, 1)
WIDEST_IN, WIDEST_OUT, POINTS = 3, 4, 6


def alone(task):
    """Inputs and targets of one task in its own width; some labels are absent."""
    random = np.random.default_rng(task)
    x = random.normal(size=(POINTS, IN[task]))
    y = {
        ls.models.Kind.REGRESSION: random.normal(size=(POINTS, OUT[task])),
        ls.models.Kind.BINARY: random.integers(0, 2, size=(POINTS, OUT[task])),
        ls.models.Kind.CLASSES: np.eye(4)[random.integers(0, 4, size=POINTS)],
        ls.models.Kind.COUNTS: random.poisson(2.0, size=(POINTS, OUT[task])),
    }[KINDS[task]].astype(float)
    y[0] = np.nan  # a point without labels
    if KINDS[task] is not ls.models.Kind.CLASSES:
        y[1, 0] = np.nan
    return x, y


def padded(task, garbage=0.0):
    x, y = alone(task)
    wide = np.full((POINTS, WIDEST_IN), garbage), np.full((POINTS, WIDEST_OUT), garbage)
    wide[0][:, : x.shape[1]], wide[1][:, : y.shape[1]] = x, y
    return ls.Batch(*(jnp.asarray(a, jnp.float32) for a in (*wide, ~np.isnan(wide[1]))))


def model(scale=1.0):
    net = ls.SharedBody(
        ls.MLP(WIDEST_IN, WIDEST_OUT, width=5, depth=1, key=KEY), num_tasks=4, key=jr.key(1)
    )
    net = eqx.tree_at(lambda m: m.heads.bias, net, replace_fn=lambda bias: scale * bias)
    return ls.models.Kinds(net, KINDS, in_sizes=IN, out_sizes=OUT)


score = eqx.filter_jit(
    lambda model, index, batch: (
        eqx.filter_value_and_grad(lambda m: ls.models.by_kind(m.for_task(index), batch))(model),
        ls.models.error_by_kind(model.for_task(index), batch),
        ls.predict(model.for_task(index), batch.x),
    )
)


@functools.cache
def scored(task, garbage=0.0, scale=1.0):
    return score(model(scale), jnp.asarray(task), padded(task, garbage))


@pytest.mark.parametrize("task", range(4), ids=[kind.name for kind in KINDS])
def test_losses_are_the_likelihoods_of_scipy(task):
    (loss, _), error, outputs = scored(task)
    _, y = alone(task)
    z = np.asarray(outputs, np.float64)[:, : y.shape[1]]
    one = 1 / (1 + np.exp(-z))
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    present = ~np.isnan(y)
    y = np.where(present, y, 0)
    expected, wrong = {
        ls.models.Kind.REGRESSION: lambda: ((z - y) ** 2, (z - y) ** 2),
        ls.models.Kind.BINARY: lambda: (-stats.bernoulli.logpmf(y, one), (one > 0.5) != y),
        ls.models.Kind.CLASSES: lambda: (-(y * log_p).sum(1), z.argmax(1) != y.argmax(1)),
        ls.models.Kind.COUNTS: lambda: (
            -stats.poisson.logpmf(y, np.exp(z)),
            deviance(y, np.exp(z)),
        ),
    }[KINDS[task]]()
    if KINDS[task] is ls.models.Kind.CLASSES:
        present = present[:, 0]
    assert np.isclose(loss, expected[present].mean(), rtol=1e-5)
    assert np.isclose(error, wrong[present].mean(), rtol=1e-5)


def deviance(count, rate):
    return 2 * (count * np.log(np.where(count > 0, count / rate, 1)) - (count - rate))


@pytest.mark.parametrize("task", range(4), ids=[kind.name for kind in KINDS])
def test_the_values_of_the_padding_change_nothing(task):
    zeros, sevens = (jax.tree.leaves(scored(task, garbage)[:2]) for garbage in (0.0, 7.0))
    assert all(np.array_equal(*pair) for pair in zip(zeros, sevens, strict=True))


@pytest.mark.parametrize("task", range(4), ids=[kind.name for kind in KINDS])
def test_the_gradient_of_a_padded_task_is_that_of_the_task_alone(task):
    """Against a network with as many inputs and outputs as the task, and the loss of the task."""
    (_, grads), _, _ = scored(task)
    net = model().model
    own = jax.tree.map(lambda leaf: leaf[task], net.heads)
    params = (
        net.model.layers[0].weight[: IN[task]],
        net.model.layers[0].bias,
        own.weight[:, : OUT[task]],
        own.bias[: OUT[task]],
    )
    x, y = (jnp.asarray(a, jnp.float32) for a in alone(task))

    @jax.jit
    @jax.grad
    def slope(params):
        inner, bias, outer, offset = params
        z = jax.nn.relu(x @ inner + bias[None]) @ outer + offset[None]
        present = ~jnp.isnan(y)
        safe = jnp.where(present, y, 0)
        each = {
            ls.models.Kind.REGRESSION: (z - safe) ** 2,
            ls.models.Kind.BINARY: -jax.nn.log_sigmoid(jnp.where(safe == 1, z, -z)),
            ls.models.Kind.CLASSES: -safe * jax.nn.log_softmax(z) * OUT[task],
            ls.models.Kind.COUNTS: jnp.exp(z) - safe * z,
        }[KINDS[task]]
        return jnp.where(present, each, 0).sum() / present.astype(z.dtype).sum()

    body = grads.model.model.layers[0]
    head = jax.tree.map(lambda leaf: leaf[task], grads.model.heads)
    own = body.weight[: IN[task]], body.bias, head.weight[:, : OUT[task]], head.bias[: OUT[task]]
    for left, right in zip(own, slope(params), strict=True):
        assert np.allclose(left, right, rtol=1e-4, atol=1e-6)
    assert np.abs(np.asarray(body.weight)[IN[task] :]).max(initial=0) == 0
    assert np.abs(np.asarray(head.weight)[:, OUT[task] :]).max(initial=0) == 0


@pytest.mark.parametrize("task", range(3), ids=[kind.name for kind in KINDS[:3]])
def test_large_outputs_that_are_no_counts_have_finite_gradients(task):
    """exp(1000) is infinite, and infinity times the zero of a branch that is not taken would be
    NaN."""
    (loss, grads), error, _ = scored(task, scale=1e4)
    assert np.isfinite(loss) and np.isfinite(error)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))


@pytest.mark.parametrize("task", range(4), ids=[kind.name for kind in KINDS])
def test_a_task_without_labels_has_no_loss_and_no_gradient(task):
    batch = eqx.tree_at(lambda b: b.weight, padded(task, 7.0), jnp.zeros((POINTS, WIDEST_OUT)))
    (loss, grads), error, _ = score(model(), jnp.asarray(task), batch)
    assert loss == error == 0
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(grads))


def test_padded_tasks_keep_rows_and_absent_labels():
    xs, ys = zip(*(alone(task) for task in range(4)), strict=True)
    tasks = ls.tasks.padded_tasks(xs, ys, shots=1, queries=2)
    assert tasks.points.x.shape == (4, 3, WIDEST_IN) and tasks.points.y.shape == (4, 3, WIDEST_OUT)
    for task in range(4):
        assert np.allclose(tasks.points.x[task, :, : IN[task]], xs[task][:3])
        labels = np.where(tasks.points.weight[task] > 0, tasks.points.y[task], np.nan)
        assert np.allclose(labels[:, : OUT[task]], ys[task][:3], equal_nan=True)


@pytest.mark.slow
def test_tasks_of_all_kinds_are_learnt_together():
    """Targets of four kinds and three widths that inputs determine: every error falls by half or
    more."""
    random = np.random.default_rng(0)
    xs = [random.normal(size=(60, size)) for size in IN]
    ys = [
        xs[0][:, :2] * [1.0, -2.0],
        (xs[1] > 0).astype(float),
        np.eye(4)[2 * (xs[2][:, 0] > 0) + (xs[2][:, 1] > 0)],
        np.round(np.exp(1 + xs[3][:, :1])),
    ]
    body = ls.SharedBody(ls.MLP(8, WIDEST_OUT, width=32, depth=1, key=KEY), num_tasks=4, key=KEY)
    mapped = ls.models.WithInputs(body, IN, size=8, key=KEY)
    start = ls.models.Kinds(mapped, KINDS, in_sizes=IN, out_sizes=OUT)
    tasks = ls.tasks.padded_tasks(xs, ys, shots=10, queries=20)
    method, adam = ls.Mean(ls.models.by_kind), optax.adam(1e-2)
    settings = {"steps": 200, "tasks_per_step": 4, "key": KEY, "progress": False}
    run = ls.train(method, start, tasks, adam, **settings)

    def errors(model):
        settings = {"num_tasks": 4, "metric": ls.models.error_by_kind, "key": KEY}
        return ls.evaluate(ls.transfer.AsIs(), model, tasks, **settings).errors[:, -1]

    assert (errors(run.model) < 0.5 * errors(start)).all()


BAD = {
    "`kinds`, `in_sizes` and `out_sizes` have 1, 2 and 1 entries": lambda: ls.models.Kinds(
        model().model, KINDS[:1], in_sizes=[1, 2], out_sizes=[1]
    ),
    "MLP has no kind. Wrap the model in `Kinds`": lambda: ls.models.by_kind(
        ls.MLP(1, 1, key=KEY), padded(0)
    ),
    r"`ys\[0\]` has the shape \(6,\), but it must be": lambda: ls.tasks.padded_tasks(
        ls.tasks.padded_tasks([np.ones((6, 1))], [np.ones(6)])
    ),
    "task 0 has 6 rows of inputs and 5 of targets": lambda: ls.tasks.padded_tasks(
        [np.ones((6, 1))], [np.ones((5, 1))]
    ),
    "1 arrays of inputs and 0 of targets": lambda: ls.tasks.padded_tasks([np.ones((6, 1))], []),
}


@pytest.mark.parametrize("message", BAD)
def test_an_error_says_what_is_wrong(message):
    with pytest.raises(ls.InputError, match=message):
        BAD[message]()
