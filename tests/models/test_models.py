"""Models: the promises that they keep beyond being callable."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from conftest import assert_close

import learnset as ls
from learnset.models._linear import Linear, truncated_normal

XS = np.linspace(-2, 2, 6, dtype=np.float32)[:, None]
predict = eqx.filter_jit(ls.predict)
view_of = eqx.filter_jit(lambda model, index: model.for_task(index))


def pick(tree, index):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[index]), tree)


def test_a_linear_layer_is_a_matrix_and_a_bias(getkey):
    layer = Linear(3, 2, key=getkey())
    x = np.array([1.0, -2.0, 0.5], np.float32)
    assert np.allclose(
        layer(jnp.asarray(x)), x @ np.asarray(layer.weight) + np.asarray(layer.bias), rtol=1e-6
    )
    assert (abs(layer.weight) <= 3**-0.5).all() and (abs(layer.bias) <= 3**-0.5).all()


def test_a_perceptron_is_its_head_on_its_features(model):
    x = jnp.array([0.3])
    by_hand = np.asarray(x)
    for layer in model.layers:
        by_hand = np.tanh(by_hand @ np.asarray(layer.weight) + np.asarray(layer.bias))
    assert np.allclose(model.features(x), by_hand, rtol=1e-5)
    assert_close(model(x), model.head(model.features(x)))


@pytest.mark.parametrize("bad", ({"width": 0}, {"depth": 0}), ids=str)
def test_a_perceptron_without_units_or_layers_is_refused(bad, getkey):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"MLP: `{name}={value}`"):
        ls.MLP(1, 1, **bad, key=getkey())


def test_additional_inputs_change_the_function_only_where_they_are_not_zero(model, getkey):
    longer = eqx.filter_jit(model.extend_inputs)(3, key=getkey())
    old, new = predict(model, XS), predict(longer, np.pad(XS, [(0, 0), (0, 3)]))
    assert_close(new, old)
    assert not np.allclose(predict(longer, np.pad(XS, [(0, 0), (0, 3)], constant_values=1.0)), old)


def test_a_truncated_normal_has_the_moments_of_scipy():
    num = 200_000
    weights = np.asarray(truncated_normal(0.01)(jr.key(0), (num,), jnp.float32), np.float64)
    truncated = scipy.stats.truncnorm(-2, 2)
    variance_error = np.sqrt((truncated.moment(4) - truncated.moment(2) ** 2) / num)
    assert abs(weights.std() / 0.01 - truncated.std()) < 3 * variance_error / (2 * truncated.std())
    assert abs(weights.mean() / 0.01) < 3 * truncated.std() / np.sqrt(num)
    assert 0.0199 < abs(weights).max() <= 0.02 * (1 + 1e-6)


def test_an_initialiser_leaves_biases_at_zero(getkey):
    net = eqx.filter_jit(
        lambda key: ls.MLP(1, 1, width=4, initialiser=truncated_normal(0.01), key=key)
    )(getkey())
    for layer in (*net.layers, net.head):
        assert not np.any(layer.bias) and np.all(layer.weight)


@pytest.fixture
def shared(model, getkey):
    return ls.SharedBody(model, num_tasks=4, key=getkey())


@pytest.mark.parametrize("index", range(4))
def test_a_task_sees_the_body_with_the_head_of_its_number(index, shared):
    view = view_of(shared, jnp.asarray(index))
    assert eqx.tree_equal(view.layers, shared.model.layers)
    assert eqx.tree_equal(view.head, pick(shared.heads, index))


def test_a_new_task_sees_the_body_with_the_head_that_no_task_trained(shared, model):
    assert eqx.tree_equal(view_of(shared, jnp.asarray(-1)), model)


def test_heads_differ_and_stay_in_the_range_of_the_head_of_the_model(shared, model):
    for many, one in zip(jax.tree.leaves(shared.heads), jax.tree.leaves(model.head), strict=True):
        assert len(np.unique(many)) == many.size
        assert np.abs(many).max() <= np.abs(one).max()


def test_a_head_of_one_task_gets_no_gradient_from_another(shared):
    gradient = eqx.filter_grad(lambda m: (m.for_task(jnp.asarray(2))(XS[0]) ** 2).sum())
    grads = eqx.filter_jit(gradient)(shared)
    moved = [np.abs(leaf).reshape(4, -1).sum(axis=1) > 0 for leaf in jax.tree.leaves(grads.heads)]
    assert all(rows.tolist() == [False, False, True, False] for rows in moved)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(grads.model.head))


make = eqx.filter_jit(lambda key: ls.MLP(1, 1, width=5, depth=1, key=key))


def test_separate_models_are_made_from_their_own_keys(getkey):
    key = getkey()
    models, alone = ls.models.separate(make, 3, key=key), [make(one) for one in jr.split(key, 3)]
    for index, one in enumerate(alone):
        assert_close(view_of(models, jnp.asarray(index)), one)
    average = jax.tree.map(lambda *leaves: jnp.asarray(np.mean(leaves, axis=0)), *alone)
    assert_close(view_of(models, jnp.asarray(-1)), average)


def test_the_average_of_equal_models_is_the_model(model):
    models = ls.models.Separate(jax.tree.map(lambda leaf: jnp.asarray(np.stack([leaf] * 4)), model))
    assert_close(view_of(models, jnp.asarray(-1)), model, rtol=1e-6)


def test_separate_models_of_equinox_may_hold_functions(getkey):
    key, make = getkey(), eqx.filter_jit(lambda key: eqx.nn.MLP(1, 1, 4, 1, key=key))
    models, alone = ls.models.separate(make, 3, key=key), make(jr.split(key, 3)[1])
    assert_close(predict(view_of(models, jnp.asarray(1)), XS), predict(alone, XS))


@pytest.fixture(scope="module")
def process():
    make = eqx.filter_jit(lambda key: ls.models.ConditionalNeuralProcess(1, 2, width=8, key=key))
    return make(jr.key(0))


@pytest.fixture(scope="module")
def support():
    random = np.random.default_rng(0)
    return ls.Batch(
        *(random.normal(size=shape).astype(np.float32) for shape in ((6, 1), (6, 2))),
        np.ones(6, np.float32),
    )


@eqx.filter_jit
def gaussian(process, support):
    return jax.vmap(process.condition(support).gaussian)(XS)


def test_a_neural_process_ignores_the_order_of_points(process, support):
    assert_close(gaussian(process, pick(support, [3, 0, 5, 1, 4, 2])), gaussian(process, support))


def test_a_neural_process_depends_on_the_targets_of_the_points(process, support):
    other = ls.Batch(support.x, -support.y, support.weight)
    assert not np.allclose(gaussian(process, other)[0], gaussian(process, support)[0], atol=1e-3)


def test_a_neural_process_leaves_out_points_of_weight_zero(process, support):
    present = np.arange(6) != 2
    poisoned = np.where(present[:, None], support.y, np.float32(np.nan))
    weighted = ls.Batch(support.x, poisoned, present.astype(np.float32))
    assert_close(gaussian(process, weighted), gaussian(process, pick(support, present)))


def test_a_neural_process_is_not_poisoned_by_a_single_absent_label(process, support):
    weight = np.ones((6, 2), np.float32)
    weight[2, 1] = 0
    poisoned = np.where(weight > 0, support.y, np.float32(np.nan))
    parts = gaussian(process, ls.Batch(support.x, poisoned, weight))
    assert all(np.isfinite(part).all() for part in parts)


def test_a_neural_process_without_points_still_predicts(process, support):
    mean, std = gaussian(process, ls.Batch(support.x, support.y, 0 * support.weight))
    assert np.isfinite(mean).all() and (std > 0.1).all()


def test_a_function_with_parameters_is_a_model(getkey):
    model = ls.models.Function(
        lambda params, x: params["slope"] * x + params["bias"],
        {"slope": jnp.ones(1), "bias": jnp.ones(1)},
    )
    grads = eqx.filter_grad(lambda m: m(jnp.array([3.0])).sum())(model)
    assert (float(grads.params["slope"][0]), float(grads.params["bias"][0])) == (3.0, 1.0)
