"""Which parts of a model move, how fast, and what stands still."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.models._stored_norm import Step
from learnset.transfer import (
    bitfit,
    depth,
    Gradual,
    LayerwiseRates,
    LPFT,
    moved,
    norms_only,
    Surgical,
)

adapt = eqx.filter_jit(lambda adapter, model, support: adapter.adapt(model, support))


@pytest.fixture(scope="module")
def support():
    x = jnp.linspace(-1.0, 1.0, 6)[:, None]
    return ls.Batch(x, jnp.sin(3 * x))


@pytest.fixture(scope="module")
def model():
    return ls.MLP(1, 1, width=4, depth=2, key=jr.key(0))


class Backwards(eqx.Module):
    """A model whose fields are in another order than its calls, with a loop and a branch."""

    last: eqx.nn.Linear
    unused: jax.Array
    loop: eqx.nn.GRUCell
    first: eqx.nn.MultiheadAttention

    def __call__(self, x):
        x = self.first(x, x, x)
        state = jax.lax.scan(lambda h, x: (self.loop(x, h), None), jnp.zeros(4), x)[0]
        return jax.lax.cond(state[0] > 0, lambda h: self.last(h), lambda h: 2 * self.last(h), state)


def test_depth_is_the_order_of_calls_not_of_fields():
    model = Backwards(
        eqx.nn.Linear(4, 1, key=jr.key(0)),
        jnp.zeros(3),
        eqx.nn.GRUCell(4, 4, key=jr.key(1)),
        eqx.nn.MultiheadAttention(2, 4, key=jr.key(2)),
    )
    layers = depth(model, jnp.ones((5, 4)))
    projections = tuple(f".first.{name}_proj" for name in ("query", "key", "value", "output"))
    assert layers.names == (*projections, ".loop", ".last")
    assert layers.number.unused == -1
    assert (layers.number.first.output_proj.weight, layers.number.last.bias) == (3, 5)


def test_a_block_is_one_layer():
    model = ls.models.classifier(
        ls.Conv4((8, 8, 1), filters=2, blocks=2, key=jr.key(0)), 3, key=jr.key(1)
    )
    names = depth(model, jnp.ones((8, 8, 1))).names
    assert names == (".encoder.blocks[0]", ".encoder.blocks[1]", ".head")


def test_frozen_parts_are_equal_bit_for_bit_after_100_steps_of_adamw(model, support):
    adapter = ls.FineTune(lr=0.01, steps=100, optimiser=optax.adamw, where=ls.core.head)
    result = moved(model, adapt(adapter, model, support))
    assert result.moved == (".head.weight", ".head.bias")
    surgical = ls.FineTune(lr=0.01, steps=100, optimiser=optax.adamw, pace=Surgical(1))
    result = moved(model, adapt(surgical, model, support))
    assert result.moved == (".layers[1].weight", ".layers[1].bias")


@pytest.mark.slow
def test_stored_statistics_of_normalisation_are_no_parameters():
    images = jr.normal(jr.key(3), (6, 8, 8, 1))
    model = ls.models.classifier(
        ls.Conv4((8, 8, 1), filters=2, blocks=2, key=jr.key(0)), 2, key=jr.key(1)
    )
    kept = model.settle(images, jnp.ones(6))
    few = ls.Batch(2 * images[:4], jnp.eye(2)[jnp.arange(4) % 2])
    for optimiser in (optax.sgd, optax.adamw):
        adapter = ls.FineTune(ls.cross_entropy, 0.01, 3, optimiser=optimiser)
        still = moved(kept, adapt(adapter, kept, few)).still
        assert len(still) == 4 and all(".settled[" in path for path in still)


def test_layerwise_rates_scale_the_step_of_each_layer(model, support):
    plain, paced = (
        adapt(ls.FineTune(lr=0.01, steps=1, optimiser=optax.adam, pace=pace), model, support)
        for pace in (None, LayerwiseRates(0.5))
    )
    for part, factor in (((0,), 0.25), ((1,), 0.5)):
        of_plain, of_paced, before = (m.layers[part[0]].weight for m in (plain, paced, model))
        assert_close(of_paced - before, factor * (of_plain - before), atol=1e-7)
    assert_close(paced.head, plain.head)


def test_gradual_unfreezing_wakes_one_layer_after_the_other_from_the_last(model, support):
    adapter = ls.FineTune(lr=0.1, steps=6, pace=Gradual())
    trace = eqx.filter_jit(adapter.trace)(model, support, lambda predictor: predictor)
    weights = [np.asarray(part.weight) for part in (*trace.layers, trace.head)]
    steps = [[(w[i + 1] != w[i]).any() for i in range(6)] for w in weights]
    assert steps == [[i >= 4 for i in range(6)], [i >= 2 for i in range(6)], [True] * 6]


def test_a_layer_that_is_not_there_is_an_error(model, support):
    with pytest.raises(ls.InputError, match="Surgical: `layer=3`, but the model has 3 layers"):
        ls.FineTune(pace=Surgical(3)).adapt(model, support)


def test_bitfit_moves_biases_and_the_head_alone(model, support):
    after = adapt(ls.FineTune(steps=2, where=bitfit), model, support)
    assert moved(model, after).still == (".layers[0].weight", ".layers[1].weight")


def test_steps_of_a_batch_see_no_point_without_weight(model, support):
    weight = jnp.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    few, other = (ls.Batch(support.x, y, weight) for y in (support.y, support.y.at[3:].set(9.0)))
    tune = ls.FineTune(ls.mse, 0.1, 30, batch=2)
    after, same = (adapt(tune, model, points) for points in (few, other))
    assert not moved(after, same).moved and moved(model, after).moved
    assert ls.mse(after, few) < 0.5 * ls.mse(model, few)
    twice = adapt(ls.FineTune(ls.mse, 0.1, 1, batch=64), model, few).head.bias - model.head.bias
    whole = adapt(ls.FineTune(ls.mse, 0.1, 1), model, few).head.bias - model.head.bias
    np.testing.assert_allclose(twice, whole, rtol=0.3)  # the same step, but for which are drawn
    with pytest.raises(ls.InputError, match="batch=0"):
        ls.FineTune(batch=0)


def test_norms_only_finds_normalisation_with_stored_statistics():
    ones = jnp.ones(2)
    step = Step(jnp.ones((3, 3, 1, 2)), ones, 0 * ones, 0 * ones, ones, 1)
    first, second = norms_only(step)
    assert first is step.scale and second is step.shift


def test_norms_only_finds_the_normalisation_of_other_frameworks():
    params = {"dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    params["norm"] = {"scale": jnp.ones(2), "bias": jnp.zeros(2)}
    model = ls.models.Function(lambda p, x: x, params)
    moving = ls.core.trainable(model, norms_only)[0]
    assert None not in moving.params["norm"].values() and moving.params["dense"]["bias"] is None
    with pytest.raises(ls.InputError, match="MLP has no normalisation"):
        norms_only(eqx.nn.MLP(1, 1, 2, 1, key=jr.key(0)))


def test_probing_then_tuning_with_no_steps_is_the_probe(model, support):
    adapter = LPFT(ls.Ridge(0.1), ls.FineTune(steps=0))
    assert_close(adapt(adapter, model, support), adapt(ls.Ridge(0.1), model, support))


# Lee et al. 2023, proposition 1: two layers with ReLUs between them. If the inputs are turned, some
# first layer answers as before, and no last layer does; if the outputs are turned, it is reversed.


@pytest.fixture(scope="module")
def source():
    """A network of two layers, its head without negative weights, and points to answer."""
    network = eqx.nn.MLP(4, 1, 6, 1, use_bias=False, use_final_bias=False, key=jr.key(3))
    network = eqx.tree_at(lambda m: m.layers[1].weight, network, replace_fn=jnp.abs)
    return network, jr.normal(jr.key(4), (300, 4))


def tuned_in(network, layer, points, steps=600):
    descent = ls.FineTune(ls.mse, 0.02, steps, optimiser=optax.adam, pace=Surgical(layer))
    return eqx.filter_jit(descent.adapt)(network, points)


def test_turned_inputs_are_repaired_by_the_first_layer_and_by_no_last_one(source):
    network, x = source
    y = jax.vmap(network)(x)
    turn = jax.scipy.linalg.expm(0.7 * (lambda a: a - a.T)(jr.normal(jr.key(5), (4, 4))))
    shifted = ls.Batch(x @ turn.T, y)
    seen, unseen = (ls.Batch(shifted.x[part], y[part]) for part in (slice(200), slice(200, 300)))
    first = tuned_in(network, 0, seen)
    assert ls.mse(first, unseen) < 0.02 * y.var()
    features = jax.nn.relu(shifted.x @ network.layers[0].weight.T)
    best = features @ jnp.linalg.lstsq(features, y)[0]
    assert ((best - y) ** 2).mean() > 0.1 * y.var()


def test_turned_outputs_are_repaired_by_the_last_layer_and_by_no_first_one(source):
    network, x = source
    points = ls.Batch(x, -jax.vmap(network)(x))
    last, first = (tuned_in(network, layer, points) for layer in (-1, 0))
    assert ls.mse(last, points) < 1e-3 * points.y.var()
    # A head without negative weights answers 0 at least, whatever the first layer is.
    assert ls.mse(first, points) > 0.999 * (points.y**2).mean()
