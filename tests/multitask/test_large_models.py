"""Weights from inner products that are taken layer by layer, or at the representation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls

NUM, KEY = 5, jr.key(0)  # tasks


class Norms(ls.AbstractGramian):
    """Every task's gradient is made as long as one."""

    loss: ls.core.Loss = ls.mse

    def weights(self, gramian, present, *, key):
        inverse = jnp.where(present, 1 / jnp.sqrt(jnp.where(present, jnp.diagonal(gramian), 1)), 0)
        return inverse / inverse.sum()


class Recorded(ls.multitask.AbstractWeighting):
    """Even weights; the Gramian is what it remembers."""

    loss: ls.core.Loss = ls.mse

    def init(self, model):
        return jnp.zeros((NUM, NUM))

    def weigh(self, gramian, stats, state, *, key):
        return jnp.ones(NUM) / NUM, gramian


def task(x, y, weight=None, same=False):
    """Tasks that have the first half of the points as support."""
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


def shared():
    return ls.SharedBody(body(), num_tasks=NUM, key=jr.key(1))


METHODS = {
    "layerwise": ls.multitask.Layerwise(Norms()),
    "chunk of 2": ls.multitask.Layerwise(Norms(), chunk=2),
    "chunk of 4": ls.multitask.Layerwise(
        Norms(), chunk=4
    ),  # halves of two do not divide five tasks
}


@pytest.mark.parametrize("absent", (False, True), ids=("all there", "one absent"))
def test_layerwise_gradients_are_those_of_the_method(absent):
    x, y = arrays()
    weight = np.ones(y.shape, np.float32)
    weight[0, 1, 0] = 0.0  # a label that is absent
    if absent:
        weight[3] = 0.0
    y[weight == 0] = np.nan

    @eqx.filter_jit
    def all_ways(model, batch):
        return [m.gradient(model, batch, None, key=KEY)[::2] for m in (Norms(), *METHODS.values())]

    expected, *found = all_ways(shared(), task(x, y, weight))
    assert np.isfinite(expected[1]["loss"])
    for one in found:
        assert_close(one, expected)


def temporary(method, model, batch):
    """Bytes that a step needs beside its arguments and its gradient."""
    program = eqx.filter_jit(lambda model, batch: method.gradient(model, batch, None, key=KEY)[0])
    return program.lower(model, batch).compile().compiled.memory_analysis().temp_size_in_bytes


def test_layerwise_gradients_are_never_held_together():
    """By XLA's own account: a few times the gradients of one layer, where all layers' were held twice."""
    model = ls.MLP(64, 2, width=64, depth=8, key=KEY)
    batch = task(*arrays(inputs=64))
    layer = NUM * 64 * 64 * 4
    assert temporary(Norms(), model, batch) > 8 * layer
    assert temporary(ls.multitask.Layerwise(Norms()), model, batch) < 4 * layer


def test_chunks_are_for_a_single_huge_layer():
    model = ls.MLP(512, 2, width=64, depth=1, key=KEY)
    x, y = (np.concatenate([a] * 4) for a in arrays(inputs=512))
    whole, chunked = (
        temporary(ls.multitask.Layerwise(Norms(), chunk), model, task(x, y)) for chunk in (None, 4)
    )
    assert chunked < 0.4 * whole


@pytest.mark.parametrize("chunk", (0, 1, 3, -2))
def test_an_error_names_the_chunk(chunk):
    with pytest.raises(ls.InputError, match=f"Layerwise: `chunk={chunk}`"):
        ls.multitask.Layerwise(Norms(), chunk)


# A regular simplex: [x, 1] are orthogonal and of one length, so that a linear layer's gradients have the inner products of
# those at what it gives, up to a factor.
SIMPLEX = np.asarray([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)


def same_inputs(x, y):
    return task(np.tile(x[None], (NUM, 1, 1)), y, same=True)


def test_behind_an_orthogonal_map_the_representation_tells_what_parameters_do():
    net = ls.MLP(3, 2, width=4, depth=1, activation=lambda x: x, key=KEY)
    model = ls.SharedBody(net, num_tasks=NUM, key=jr.key(1))
    batch = same_inputs(SIMPLEX, arrays(points=4)[1])

    @eqx.filter_jit
    def both(model, batch):
        return [
            m.gradient(model, batch, None, key=KEY)[::2]
            for m in (Norms(), ls.multitask.AtRepresentation(Norms()))
        ]

    assert_close(*both(model, batch))


def test_the_norm_at_the_representation_bounds_that_at_the_parameters():
    """Sener & Koltun 2018, §3.3: |Σ a_t g_t| at the parameters is at most |∂Z/∂θ| times that at Z."""
    model, (x, y) = shared(), arrays()
    batch = same_inputs(x[0], y)

    @eqx.filter_jit
    def parts(model, batch):
        flat, unflatten = jax.flatten_util.ravel_pytree(
            eqx.filter(model.model.layers, eqx.is_inexact_array)
        )

        def z(flat):
            layers = eqx.combine(unflatten(flat), model.model.layers)
            return jax.vmap(eqx.tree_at(lambda m: m.layers, model.model, layers).features)(
                x[0]
            ).ravel()

        gramians = [
            m.gradient(model, batch, None, key=KEY)[1]
            for m in (Recorded(), ls.multitask.AtRepresentation(Recorded()))
        ]
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
        return [
            m.gradient(model, batch, None, key=KEY)[::2]
            for m in (ls.Mean(), ls.multitask.AtRepresentation(Recorded()))
        ]

    (mean, expected), (found, metrics) = both(shared(), batch)
    assert_close(found, mean)
    assert np.isclose(metrics["loss"], expected["loss"], rtol=1e-6)


def test_tasks_of_different_kinds_may_share_a_representation():
    x, y = arrays()
    kinds = [
        ls.models.Kind.REGRESSION,
        ls.models.Kind.BINARY,
        ls.models.Kind.CLASSES,
        ls.models.Kind.COUNTS,
        ls.models.Kind.REGRESSION,
    ]
    model = ls.models.Kinds(shared(), kinds, in_sizes=[3] * NUM, out_sizes=[2, 2, 2, 1, 1])

    @eqx.filter_jit
    def both(model, batch):
        methods = (
            ls.Mean(ls.models.by_kind),
            ls.multitask.AtRepresentation(Recorded(ls.models.by_kind)),
            ls.multitask.Layerwise(Recorded(ls.models.by_kind)),
        )
        return [m.gradient(model, batch, None, key=KEY)[0] for m in methods]

    mean, *found = both(model, same_inputs(x[0], abs(y)))
    for one in found:
        assert_close(one, mean)


def test_tasks_with_other_inputs_are_refused_at_the_representation():
    with pytest.raises(ls.InputError, match="each task has inputs of its own"):
        ls.multitask.AtRepresentation(Norms()).gradient(shared(), task(*arrays()), None, key=KEY)


def test_inputs_that_are_the_same_are_computed_once():
    """The same gradient of the weighted loss, for far fewer multiplications."""
    x, y = arrays()
    same = same_inputs(x[0], y)
    apart = ls.Task(same.support, same.query, same.index, same.latents)

    def step(model, batch):
        return ls.Mean().gradient(model, batch, None, key=KEY)[::2]

    model = shared()
    programs = [eqx.filter_jit(step).lower(model, batch).compile() for batch in (same, apart)]
    assert_close(
        *(program(model, batch) for program, batch in zip(programs, (same, apart), strict=True))
    )
    flops = [program.compiled.cost_analysis()["flops"] for program in programs]
    assert flops[0] < 0.6 * flops[1]


def test_a_model_without_a_common_representation_is_refused():
    mixture = ls.models.MMoE(3, 2, num_tasks=NUM, key=KEY)
    with pytest.raises(
        ls.InputError, match="the model is a MMoE, but tasks need one representation"
    ):
        ls.multitask.AtRepresentation(Norms()).gradient(
            mixture, same_inputs(arrays()[0][0], arrays()[1]), None, key=KEY
        )


def architectures():
    settings = {"num_tasks": NUM, "width": 3, "key": KEY}
    return {
        "shared body": shared,
        "mmoe": lambda: ls.models.MMoE(3, 2, experts=2, **settings),
        "ple": lambda: ls.models.PLE(3, 2, experts=1, shared=1, **settings),
        "cross-stitch": lambda: ls.models.CrossStitch(3, 2, **settings),
    }


@pytest.mark.parametrize("name", architectures())
def test_an_absent_task_is_as_if_it_were_not_in_the_batch(name):
    """Neither the model's gradient nor what the other tasks have in the Gramian changes, whatever it holds."""
    x, y = arrays()
    weight = np.ones(x.shape[:2], np.float32)
    weight[1] = 0.0
    x[1], y[1] = 100.0, np.nan
    rest = [0, 2, 3, 4]

    @eqx.filter_jit
    def both(batch, without):
        model = architectures()[name]()
        found = (
            Norms().gradient(model, batch, None, key=KEY)[0],
            Recorded().gradient(model, batch, None, key=KEY)[1],
        )
        grads = ls.multitask.task_gradients(ls.mse, model, without)[1]
        return *found, Norms().gradient(model, without, None, key=KEY)[0], grads

    batch = task(x, y, weight)
    without = jax.tree.map(lambda leaf: leaf[np.asarray(rest)], batch)
    found, gramian, expected, grads = both(batch, without)
    assert_close(found, expected)
    gramian = np.asarray(gramian)
    assert np.abs(gramian[1]).max() == np.abs(gramian[:, 1]).max() == 0
    own = {id(leaf) for leaf in jax.tree.leaves(grads.own)}
    rows = np.concatenate(
        [np.asarray(g).reshape(4, -1) for g in jax.tree.leaves(grads) if id(g) not in own], axis=1
    )
    assert np.allclose(gramian[np.ix_(rest, rest)], rows @ rows.T, rtol=1e-4, atol=1e-6)
