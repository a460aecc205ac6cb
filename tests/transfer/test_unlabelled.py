"""Training and adaptation with inputs of the target, whose labels are never read."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.transfer import CDAN, DAN, DANN, MCC, Tent
from learnset.transfer._dan import kernel_discrepancy, WIDTHS
from learnset.transfer._dann import discrimination
from learnset.transfer._mcc import confusion
from learnset.transfer._tent import entropy

RANDOM = np.random.default_rng(0)
METHODS = {"dan": DAN(), "mcc": MCC(), "dann": DANN(width=4), "cdan": CDAN(width=4)}


def batch(seed, shift=0.0):
    random = np.random.default_rng(seed)
    labels = np.arange(8) % 2
    x = random.normal(size=(1, 8, 2)) + 2 * labels[None, :, None] + shift
    y = np.eye(2)[labels][None]
    return ls.Batch(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), jnp.ones((1, 8)))


TASKS = ls.Task(batch(0), batch(1, 1.5), jnp.zeros(1, int), jnp.zeros((1, 0)))
NET = ls.MLP(2, 2, width=4, depth=1, activation=jnp.tanh, key=jr.key(0))


@eqx.filter_jit
def gradient(method, model, tasks):
    return method.gradient(model, tasks, None, key=jr.key(1))


def model_of(method):
    return method.prepare(NET, key=jr.key(2))


@pytest.mark.parametrize("name", METHODS)
def test_labels_of_the_target_are_not_read_and_absent_points_change_nothing(name):
    method, model = METHODS[name], model_of(METHODS[name])
    expected = gradient(method, model, TASKS)[0]
    blind = eqx.tree_at(lambda t: t.query.y, TASKS, jnp.full_like(TASKS.query.y, jnp.nan))
    assert eqx.tree_equal(gradient(method, model, blind)[0], expected)
    padded = jax.tree.map(lambda leaf: leaf, TASKS)
    for part in ("support", "query"):
        old = getattr(padded, part)
        more = ls.Batch(
            jnp.concatenate([old.x, jnp.full((1, 1, 2), 9.0)], 1),
            jnp.concatenate([old.y, jnp.full((1, 1, 2), 9.0)], 1),
            jnp.concatenate([old.weight, jnp.zeros((1, 1))], 1),
        )
        padded = eqx.tree_at(lambda t, part=part: getattr(t, part), padded, more)
    found = gradient(method, model, padded)[0]
    for one, two in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert jnp.allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_without_strength_it_is_training_on_the_source(name):
    method = eqx.tree_at(lambda m: m.strength, METHODS[name], 0.0)
    grads = gradient(method, model_of(method), TASKS)[0]
    own = grads.classifier if hasattr(grads, "classifier") else grads
    source = jax.tree.map(lambda leaf: leaf[0], TASKS.support)
    expected = eqx.filter_grad(lambda m: ls.cross_entropy(m, source))(NET)
    for one, two in zip(jax.tree.leaves(own), jax.tree.leaves(expected), strict=True):
        assert jnp.allclose(one, two, atol=1e-6)


def test_the_kernel_discrepancy_is_its_double_sum_and_zero_for_the_same_points():
    left, right = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(4, 3)) + 1
    points, share = np.concatenate([left, right]), np.repeat([1 / 5, -1 / 4], [5, 4])
    distance = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    pairs = np.abs(np.outer(share, share)) * (1 - np.eye(9))
    width = (pairs * distance).sum() / pairs.sum()
    kernel = sum(np.exp(-distance / (wide * width)) for wide in WIDTHS)
    ours = kernel_discrepancy(*map(jnp.asarray, (left, right)), jnp.ones(5), jnp.ones(4))
    assert ours == pytest.approx(share @ kernel @ share, rel=1e-4)
    same = kernel_discrepancy(jnp.asarray(left), jnp.asarray(left), jnp.ones(5), jnp.ones(5))
    assert abs(float(same)) < 1e-5


def test_class_confusion_is_its_formula():
    logits = RANDOM.normal(size=(6, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    weight = 1 + np.exp((p * np.log(p)).sum(axis=1))
    weight = 6 * weight / weight.sum()
    between = np.einsum("n,ni,nj->ij", weight, p, p)
    share = between / between.sum(axis=1, keepdims=True)
    expected = (share.sum() - np.trace(share)) / 3
    assert confusion(jnp.asarray(logits), jnp.ones(6)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_the_discriminator_descends_where_the_features_ascend():
    net = ls.MLP(2, 1, width=4, key=jr.key(3))
    values = [jnp.asarray(RANDOM.normal(size=(n, 2)), jnp.float32) for n in (3, 5)]
    weights = (jnp.ones(3), jnp.ones(5))
    plain = discrimination(net, values, weights, -1.0)  # of which the gradient is not reversed
    expected = jax.grad(lambda v: discrimination(net, v, weights, -1.0))(values)
    reversed_ = jax.grad(lambda v: discrimination(net, v, weights, 0.5))(values)
    assert discrimination(net, values, weights, 0.5) == pytest.approx(float(plain))
    for one, two in zip(reversed_, expected, strict=True):
        assert jnp.allclose(one, -0.5 * two, atol=1e-6)
    own = eqx.filter_grad(lambda n: discrimination(n, values, weights, 0.5))(net)
    same = eqx.filter_grad(lambda n: discrimination(n, values, weights, -1.0))(net)
    for one, two in zip(jax.tree.leaves(own), jax.tree.leaves(same), strict=True):
        assert jnp.allclose(one, two, atol=1e-6)


def images(seed, shift):
    random = np.random.default_rng(seed)
    return jnp.asarray(random.normal(size=(6, 8, 8, 1)) + shift, jnp.float32)


@pytest.fixture(scope="module")
def network():
    body_key, head_key = jr.split(jr.key(4))
    encoder = ls.Conv4((8, 8, 1), filters=4, blocks=2, key=body_key)
    return ls.models.Headed(encoder, ls.models.Linear(encoder.size, 3, key=head_key))


@eqx.filter_jit
def answers(steps, model, xs, weight, lr=0.05):
    support = ls.Batch(xs, jnp.full((len(xs), 3), jnp.nan))
    return ls.predict(Tent(lr, steps).adapt(model, support), xs, weight)


@pytest.mark.slow
def test_tent_makes_predictions_more_certain_and_reads_no_label(network):
    xs, weight = images(0, 1.0), jnp.ones(6)
    before, after = (answers(steps, network, xs, weight) for steps in (0, 10))
    assert entropy(after, weight) < entropy(before, weight) - 1e-3
    assert jnp.allclose(before, ls.predict(network, xs, weight), atol=1e-5)


def test_tent_does_not_see_the_order_of_queries_or_absent_ones(network):
    xs, weight = images(1, 0.0), jnp.ones(6)
    expected, order = answers(3, network, xs, weight), jnp.arange(6)[::-1]
    assert jnp.allclose(answers(3, network, xs[order], weight)[order], expected, atol=1e-4)
    more = jnp.concatenate([xs, jnp.full((1, 8, 8, 1), 9.0)])
    padded = answers(3, network, more, jnp.append(weight, 0.0))
    assert jnp.allclose(padded[:6], expected, atol=1e-4)


def test_tent_moves_only_scales_and_shifts(network):
    moving = ls.core.trainable(network, Tent().where)[0]
    assert [leaf.ndim for leaf in jax.tree.leaves(moving)] == [1] * 4
    assert moving.head.weight is None


@pytest.mark.parametrize(
    "make, message",
    ((lambda: Tent(lr=0.0), "Tent: `lr=0.0`"), (lambda: Tent(steps=-1), "`steps=-1`")),
)
def test_wrong_settings_of_tent_are_one_line(make, message):
    with pytest.raises(ls.InputError, match=message):
        make()
