"""Weights from inner products of gradients, layer by layer or at the representation."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls

pytestmark = pytest.mark.long

NUM, KEY = 5, jr.key(0)  # tasks


class Norms(ls.AbstractGramian):
    """Weights that make every task's gradient equally long."""

    loss: ls.core.Loss = ls.mse

    def weights(self, gramian, present, *, key):
        inverse = jnp.where(present, 1 / jnp.sqrt(jnp.where(present, jnp.diagonal(gramian), 1)), 0)
        return inverse / inverse.sum()


class Recorded(ls.multitask.AbstractWeighting):
    """Equal weights; its state is the Gramian."""

    loss: ls.core.Loss = ls.mse

    def init(self, model):
        return jnp.zeros((NUM, NUM))

    def weigh(self, gramian, stats, state, *, key):
        return jnp.ones(NUM) / NUM, gramian


class RecordedNorms(Recorded):
    """The weights of `Norms`; its state is the Gramian."""

    def weigh(self, gramian, stats, state, *, key):
        return Norms().weights(gramian, stats.present, key=key), gramian


def task(x, y, weight=None, same=False):
    """Tasks with the first half of the points as support sets."""
    weight = np.ones(x.shape[:2], np.float32) if weight is None else weight
    half = x.shape[1] // 2
    parts = (
        ls.Batch(*(jnp.asarray(a[:, part]) for a in (x, y, weight)))
        for part in (slice(half), slice(half, None))
    )
    return ls.Task(*parts, jnp.arange(len(x)), jnp.zeros((len(x), 0)), same_inputs=same)


def arrays(seed=0, points=6, inputs=3):
    random = np.random.default_rng(seed)
    shapes = (NUM, points, inputs), (NUM, points, 2)
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def body(activation=jnp.tanh):
    return ls.MLP(3, 2, width=4, depth=2, activation=activation, key=KEY)


@functools.cache
def shared():
    return eqx.filter_jit(lambda: ls.SharedBody(body(), num_tasks=NUM, key=jr.key(1)))()


# Halves of two do not divide five tasks.
CHUNKS = (None, 2, 4)


@pytest.mark.parametrize("absent", (False, True), ids=("all present", "one absent"))
def test_layerwise_gradients_are_those_of_the_method(absent):
    x, y = arrays()
    weight = np.ones(y.shape, np.float32)
    weight[0, 1, 0] = 0.0  # a label that is absent
    if absent:
        weight[3] = 0.0
    y[weight == 0] = np.nan

    expected, *layerwise = all_ways(shared(), task(x, y, weight))
    assert np.isfinite(expected[1]["loss"])
    for ours in layerwise:
        assert_close(ours, expected)


@eqx.filter_jit
def all_ways(model, batch):
    methods = Norms(), *(ls.multitask.Layerwise(Norms(), chunk) for chunk in CHUNKS)
    return [method.gradient(model, batch, None, key=KEY)[::2] for method in methods]


def temporary(method, model, batch):
    """The bytes that a step needs in addition to its arguments and its gradient."""
    program = eqx.filter_jit(lambda model, batch: method.gradient(model, batch, None, key=KEY)[0])
    return program.lower(model, batch).compile().compiled.memory_analysis().temp_size_in_bytes


def test_layerwise_gradients_are_never_held_together():
    """By XLA's account: a few times the gradients of one layer, instead of twice those of all
    layers."""
    model = ls.MLP(64, 2, width=64, depth=8, key=KEY)
    batch = task(*arrays(inputs=64))
    layer = NUM * 64 * 64 * 4
    assert temporary(Norms(), model, batch) > 8 * layer
    assert temporary(ls.multitask.Layerwise(Norms()), model, batch) < 4 * layer


def test_chunks_are_for_a_single_huge_layer():
    model = ls.MLP(512, 2, width=64, depth=1, key=KEY)
    x, y = (np.concatenate([a] * 4) for a in arrays(inputs=512))
    methods = (ls.multitask.Layerwise(Norms(), chunk) for chunk in (None, 4))
    whole, chunked = (temporary(method, model, task(x, y)) for method in methods)
    assert chunked < 0.4 * whole


@pytest.mark.parametrize("chunk", (0, 1, 3, -2))
def test_an_error_names_the_chunk(chunk):
    with pytest.raises(ls.InputError, match=f"Layerwise: `chunk={chunk}`"):
        ls.multitask.Layerwise(Norms(), chunk)


# A regular simplex: all [x, 1] are orthogonal and equally long, so that the gradients of a linear
# layer have the inner products of the gradients at its output, up to a factor.
SIMPLEX = np.asarray([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)


def same_inputs(x, y):
    return task(np.tile(x[None], (NUM, 1, 1)), y, same=True)


def test_after_an_orthogonal_map_the_representation_gives_the_weights_of_the_parameters():
    net = ls.MLP(3, 2, width=4, depth=1, activation=lambda x: x, key=KEY)
    model = ls.SharedBody(net, num_tasks=NUM, key=jr.key(1))
    batch = same_inputs(SIMPLEX, arrays(points=4)[1])

    @eqx.filter_jit
    def both(model, batch):
        methods = Norms(), ls.multitask.AtRepresentation(Norms())
        return [method.gradient(model, batch, None, key=KEY)[::2] for method in methods]

    assert_close(*both(model, batch))


def test_the_norm_at_the_representation_bounds_that_at_the_parameters():
    """Sener & Koltun 2018, §3.3: |Σ a_t g_t| at the parameters is at most |∂Z/∂θ| times that at
    Z."""
    model, (x, y) = shared(), arrays()
    batch = same_inputs(x[0], y)

    @eqx.filter_jit
    def parts(model, batch):
        moving = eqx.filter(model.model.layers, eqx.is_inexact_array)
        flat, unflatten = jax.flatten_util.ravel_pytree(moving)

        def z(flat):
            layers = eqx.combine(unflatten(flat), model.model.layers)
            changed = eqx.tree_at(lambda m: m.layers, model.model, layers)
            return jax.vmap(changed.features)(x[0]).ravel()

        methods = Recorded(), ls.multitask.AtRepresentation(Recorded())
        gramians = [method.gradient(model, batch, None, key=KEY)[1] for method in methods]
        return jax.jacrev(z)(flat), *gramians

    jacobian, at_parameters, at_z = parts(model, batch)
    largest = np.linalg.svd(np.asarray(jacobian), compute_uv=False)[0]
    for weights in np.random.default_rng(1).dirichlet(np.ones(NUM), size=20):
        left, right = (np.sqrt(weights @ np.asarray(g) @ weights) for g in (at_parameters, at_z))
        assert 0 < left <= largest * right * (1 + 1e-5)


def test_weights_at_the_representation_mix_the_gradients_of_tasks():
    x, y = arrays()
    batch = same_inputs(x[0], y)

    @eqx.filter_jit
    def both(model, batch):
        methods = ls.Mean(), ls.multitask.AtRepresentation(Recorded())
        return [method.gradient(model, batch, None, key=KEY)[::2] for method in methods]

    (mean, expected), (ours, metrics) = both(shared(), batch)
    assert_close(ours, mean)
    assert np.isclose(metrics["loss"], expected["loss"], rtol=1e-6)


def test_tasks_of_different_kinds_may_share_a_representation():
    x, y = arrays()
    kind = ls.models.Kind
    kinds = [kind.REGRESSION, kind.BINARY, kind.CLASSES, kind.COUNTS, kind.REGRESSION]
    model = ls.models.Kinds(shared(), kinds, in_sizes=[3] * NUM, out_sizes=[2, 2, 2, 1, 1])

    @eqx.filter_jit
    def both(model, batch):
        methods = (
            ls.Mean(ls.models.by_kind),
            ls.multitask.AtRepresentation(Recorded(ls.models.by_kind)),
            ls.multitask.Layerwise(Recorded(ls.models.by_kind)),
        )
        return [m.gradient(model, batch, None, key=KEY)[0] for m in methods]

    mean, *others = both(model, same_inputs(x[0], abs(y)))
    for ours in others:
        assert_close(ours, mean)


def test_tasks_with_different_inputs_are_refused_at_the_representation():
    with pytest.raises(ls.InputError, match="each task has inputs of its own"):
        ls.multitask.AtRepresentation(Norms()).gradient(shared(), task(*arrays()), None, key=KEY)


def test_features_of_common_inputs_are_computed_once():
    """The same gradient of the weighted loss, for far fewer multiplications."""
    x, y = arrays()
    same = same_inputs(x[0], y)
    separate = ls.Task(same.support, same.query, same.index, same.latents)

    def step(model, batch):
        return ls.Mean().gradient(model, batch, None, key=KEY)[::2]

    model = shared()
    batches = same, separate
    programs = [eqx.filter_jit(step).lower(model, batch).compile() for batch in batches]
    pairs = zip(programs, batches, strict=True)
    assert_close(*(program(model, batch) for program, batch in pairs))
    flops = [program.compiled.cost_analysis()["flops"] for program in programs]
    assert flops[0] < 0.6 * flops[1]


def test_a_model_without_a_common_representation_is_refused():
    mixture = ls.models.MMoE(3, 2, num_tasks=NUM, key=KEY)
    x, y = arrays()
    method, match = ls.multitask.AtRepresentation(Norms()), "MMoE, but tasks must share one"
    with pytest.raises(ls.InputError, match=match):
        method.gradient(mixture, same_inputs(x[0], y), None, key=KEY)


def architectures():
    settings = {"num_tasks": NUM, "width": 3, "key": KEY}
    return {
        "shared body": shared,
        "mmoe": lambda: ls.models.MMoE(3, 2, experts=2, **settings),
        "ple": lambda: ls.models.PLE(3, 2, experts=1, shared=1, **settings),
        "cross-stitch": lambda: ls.models.CrossStitch(3, 2, **settings),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", architectures())
def test_an_absent_task_changes_nothing(name):
    """Neither the gradient of the model nor the Gramian of the other tasks, whatever its points
    are."""
    x, y = arrays()
    weight = np.ones(x.shape[:2], np.float32)
    weight[1] = 0.0
    x[1], y[1] = 100.0, np.nan
    rest = [0, 2, 3, 4]

    @eqx.filter_jit
    def both(batch, without):
        model = architectures()[name]()
        ours, gramian, _ = RecordedNorms().gradient(model, batch, None, key=KEY)
        return ours, gramian, ls.multitask.task_gradients(ls.mse, model, without)[1]

    batch = task(x, y, weight)
    without = jax.tree.map(lambda leaf: leaf[np.asarray(rest)], batch)
    ours, gramian, grads = both(batch, without)
    gramian = np.asarray(gramian)
    assert np.abs(gramian[1]).max() == np.abs(gramian[:, 1]).max() == 0
    # Of the other tasks alone: shared parameters count in the Gramian and move by its weights, and
    # those that single tasks own move by the mean.
    own = {id(leaf) for leaf in jax.tree.leaves(grads.own)}
    leaves = [(np.asarray(g).reshape(4, -1), id(g) in own) for g in jax.tree.leaves(grads)]
    rows = np.concatenate([leaf for leaf, is_own in leaves if not is_own], axis=1)
    expected = rows @ rows.T
    assert np.allclose(gramian[np.ix_(rest, rest)], expected, rtol=1e-4, atol=1e-6)
    inverse = 1 / np.sqrt(np.diagonal(expected))
    weights = {False: inverse / inverse.sum(), True: np.full(4, 1 / 4)}
    for left, (leaf, is_own) in zip(jax.tree.leaves(ours), leaves, strict=True):
        assert np.allclose(np.ravel(left), weights[is_own] @ leaf, rtol=1e-4, atol=1e-6)
