"""Heads made from a support set: what all of them promise, and closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.core._tree import head
from learnset.transfer._logistic import logistic
from learnset.transfer._support_vectors import project, svm_dual

RANDOM = np.random.default_rng(1)
CENTRES = RANDOM.normal(size=(3, 4))
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 0])  # the last two points are absent
SUPPORT = ls.Batch(
    jnp.asarray(CENTRES[LABELS] + 0.5 * RANDOM.normal(size=(8, 4)), jnp.float32),
    jnp.eye(3)[LABELS],
    jnp.array([1.0] * 6 + [0.0] * 2),
)
QUERIES = jnp.asarray(RANDOM.normal(size=(5, 4)), jnp.float32)
MODEL = ls.models.Headed(ls.MLP(4, 1, width=6, depth=1, activation=jnp.tanh, key=jr.key(0)), None)

HEADS = {
    "prototypes": ls.Prototypes(),
    "prototypes, cosine": ls.Prototypes(ls.transfer.Cosine()),
    "simple shot": ls.SimpleShot(),
    "logistic": ls.transfer.Logistic(l2=0.1),
    "support vectors": ls.transfer.SupportVectors(cost=1.0),
    "baseline": ls.transfer.Baseline(lr=0.5, steps=20),
    "baseline++": ls.transfer.BaselinePlusPlus(lr=0.5, steps=20),
    "fresh head": ls.transfer.FreshHead(ls.FineTune(ls.cross_entropy, lr=0.5, steps=3)),
    "fresh head from prototypes": ls.transfer.FreshHead(
        ls.FineTune(ls.cross_entropy, steps=3), ls.transfer.prototype_head
    ),
}


@eqx.filter_jit
def logits(adapter, support, queries=QUERIES):
    return ls.predict(adapter.adapt(MODEL, support), queries)


def close(left, right, atol=2e-4):
    return jnp.allclose(left, right, rtol=1e-3, atol=atol)


@pytest.mark.parametrize("adapter", HEADS.values(), ids=HEADS)
def test_permuting_the_classes_permutes_the_predictions(adapter):
    order = jnp.array([2, 0, 1])
    permuted = eqx.tree_at(lambda b: b.y, SUPPORT, SUPPORT.y[:, order])
    assert close(logits(adapter, permuted), logits(adapter, SUPPORT)[:, order])


@pytest.mark.parametrize("adapter", HEADS.values(), ids=HEADS)
def test_the_values_of_absent_points_change_nothing(adapter):
    other = eqx.tree_at(
        lambda b: (b.x, b.y),
        SUPPORT,
        (SUPPORT.x.at[6:].set(7), SUPPORT.y.at[6:].set(jnp.array([0.0, 7.0, 0.0]))),
    )
    assert close(logits(adapter, other), logits(adapter, SUPPORT))


@pytest.mark.parametrize("adapter", HEADS.values(), ids=HEADS)
def test_a_class_without_points_is_never_predicted_and_changes_nothing(adapter):
    without = eqx.tree_at(
        lambda b: b.weight, SUPPORT, jnp.where(SUPPORT.y[:, 1] > 0, 0.0, SUPPORT.weight)
    )
    predicted = logits(adapter, without)
    assert (predicted.argmax(axis=1) != 1).all() and jnp.isfinite(predicted).all()
    two = eqx.tree_at(lambda b: b.y, without, without.y[:, jnp.array([0, 2])])
    assert close(
        jax.nn.log_softmax(predicted[:, jnp.array([0, 2])]),
        jax.nn.log_softmax(logits(adapter, two)),
    )


@pytest.mark.parametrize("adapter", HEADS.values(), ids=HEADS)
def test_no_query_influences_another(adapter):
    assert not adapter.transductive
    changed = logits(adapter, SUPPORT, QUERIES.at[1:].multiply(-3))
    assert close(changed[0], logits(adapter, SUPPORT)[0], atol=1e-6)


def test_with_statistics_of_the_support_set_no_query_influences_another():
    def first(normalisation, queries):
        encoder = ls.Conv4(
            (8, 8, 1), filters=4, blocks=2, normalisation=normalisation, key=jr.key(0)
        )
        support = ls.Batch(jr.normal(jr.key(1), (4, 8, 8, 1)), jnp.eye(2)[jnp.array([0, 1, 0, 1])])
        predictor = ls.Prototypes().adapt(ls.models.Headed(encoder, None), support)
        return ls.predict(predictor, queries)[0]

    queries = jr.normal(jr.key(2), (3, 8, 8, 1))
    answer = jax.jit(first, static_argnums=0)
    assert close(
        answer(ls.models.SupportNorm, queries),
        answer(ls.models.SupportNorm, queries.at[1:].multiply(3)),
        atol=1e-5,
    )
    assert not close(
        answer(ls.models.BatchNorm, queries),
        answer(ls.models.BatchNorm, queries.at[1:].multiply(3)),
        atol=1e-2,
    )


def points(shots=4, features=6, *, seed=0, scale=1.0):
    """Three classes that overlap, in double precision."""
    random = np.random.default_rng(seed)
    x = np.repeat(random.normal(size=(3, features)), shots, axis=0) + random.normal(
        size=(3 * shots, features)
    )
    return ls.Batch(
        jnp.asarray(scale * x), jnp.repeat(jnp.eye(3), shots, axis=0), jnp.ones(3 * shots)
    )


@pytest.mark.parametrize("features, l2", ((3, 0.01), (40, 0.01), (6, 1.0)))
def test_the_gradient_at_the_logistic_solution_is_zero(features, l2):
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), points(features=features))
    weight, bias = jax.jit(lambda batch: logistic(batch, l2))(batch)
    wrong = jax.nn.softmax(batch.x @ weight + bias[None]) - batch.y
    assert jnp.abs(batch.x.T @ wrong + l2 * weight).max() < 1e-4
    assert jnp.abs(wrong.sum(axis=0)).max() < 1e-4


def test_the_derivative_of_the_logistic_solution_is_that_of_finite_differences():
    with jax.enable_x64(True):
        batch = points()
        direction = jnp.asarray(np.random.default_rng(2).normal(size=batch.x.shape))

        @jax.jit
        def moved(size):
            weight, bias = logistic(
                ls.Batch(batch.x + size * direction, batch.y, batch.weight), 0.5
            )
            return (weight**2).sum() + (bias * jnp.arange(3.0)).sum()

        slope = (moved(1e-4) - moved(-1e-4)) / 2e-4
        assert np.isclose(jax.jit(jax.grad(moved))(0.0), slope, rtol=1e-5)


def hinge(weight, batch, cost):
    """The objective that the support vector machine minimises."""
    scores = batch.x @ weight
    margin = (scores + 1 - batch.y).max(axis=1) - (scores * batch.y).sum(axis=1)
    return 0.5 * (weight**2).sum() + cost * (batch.weight * margin).sum()


@pytest.mark.parametrize("features, scale", ((3, 1.0), (40, 1.0), (6, 0.2)))
def test_the_support_vector_machine_has_no_duality_gap(features, scale):
    """A feasible dual solution with the value of its primal one is optimal: the Karush-Kuhn-Tucker
    conditions in one number."""
    with jax.enable_x64(True):
        batch, cost = points(features=features, scale=scale), 0.1
        dual = jax.jit(lambda batch: svm_dual(batch.x @ batch.x.T, batch, cost, 1000))(batch)
        weight = batch.x.T @ dual
        assert (
            np.allclose(dual.sum(axis=1), 0, atol=1e-12) and (dual <= cost * batch.y + 1e-12).all()
        )
        value = (dual * batch.y).sum() - 0.5 * (weight**2).sum()
        assert np.isclose(hinge(weight, batch, cost), value, rtol=1e-6)


def test_the_default_number_of_steps_of_the_support_vector_machine_is_enough():
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), points(shots=5, features=40))
    few, many = (
        jax.jit(lambda b, n=n: b.x.T @ svm_dual(b.x @ b.x.T, b, 0.1, n))(batch) for n in (100, 3000)
    )
    assert jnp.abs(few - many).max() < 1e-3 * jnp.abs(many).max()


def test_no_direction_leads_down_from_the_support_vector_machine():
    with jax.enable_x64(True):
        batch = points()
        weight = batch.x.T @ jax.jit(lambda b: svm_dual(b.x @ b.x.T, b, 0.1, 1000))(batch)
        around = weight[None] + 1e-2 * np.random.default_rng(3).normal(size=(50, *weight.shape))
        assert (jax.vmap(lambda w: hinge(w, batch, 0.1))(around) >= hinge(weight, batch, 0.1)).all()


def test_the_projection_is_the_nearest_point():
    """Against a bisection for the threshold, row by row."""
    random = np.random.default_rng(4)
    x, most = random.normal(size=(20, 5)), 0.3 * np.eye(5)[random.integers(0, 5, 20)]
    low, high = x.min(axis=1) - 1, x.max(axis=1) + 1
    for _ in range(60):
        middle = (low + high) / 2
        above = np.minimum(x - middle[:, None], most).sum(axis=1) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    expected = np.minimum(x - low[:, None], most)
    assert np.allclose(
        project(jnp.asarray(x), jnp.asarray(most), jnp.ones(5, bool)), expected, atol=1e-5
    )


def test_the_baseline_ends_where_its_gradient_balances_decay():
    decay = 1e-2
    predictor = eqx.filter_jit(
        lambda: ls.transfer.Baseline(lr=1.0, steps=1000, decay=decay).adapt(MODEL, SUPPORT)
    )()
    points = ls.Batch(ls.predict(MODEL.encoder.features, SUPPORT.x), SUPPORT.y, SUPPORT.weight)
    weight, bias = predictor.head.weight, predictor.head.bias
    wrong = points.weight[:, None] * (jax.nn.softmax(points.x @ weight + bias[None]) - points.y) / 6
    assert jnp.allclose(points.x.T @ wrong, -decay * weight, atol=1e-4)
    assert jnp.allclose(wrong.sum(axis=0), -decay * bias, atol=1e-4)


def test_a_fresh_head_without_steps_answers_zero_or_as_prototypes_do():
    nothing, same = (
        ls.transfer.FreshHead(ls.FineTune(ls.cross_entropy, steps=0), start)
        for start in (ls.transfer.zero_head, ls.transfer.prototype_head)
    )
    assert (logits(nothing, SUPPORT) == 0).all()
    prototypes = jax.nn.log_softmax(logits(ls.Prototypes(), SUPPORT))
    assert close(jax.nn.log_softmax(logits(same, SUPPORT)), prototypes)


def test_fine_tuning_only_a_fresh_head_leaves_the_encoder():
    alone = ls.transfer.FreshHead(ls.FineTune(ls.cross_entropy, lr=0.5, steps=3, where=head))
    everything = ls.transfer.FreshHead(ls.FineTune(ls.cross_entropy, lr=0.5, steps=3))
    encoders = [adapter.adapt(MODEL, SUPPORT).encoder for adapter in (alone, everything)]
    assert [bool(eqx.tree_equal(encoder, MODEL.encoder)) for encoder in encoders] == [True, False]


@pytest.mark.parametrize(
    "make, message",
    (
        (lambda: ls.transfer.Logistic(l2=0.0), "Logistic: `l2=0.0`"),
        (lambda: ls.transfer.SupportVectors(cost=-1.0), "SupportVectors: `cost=-1.0`"),
        (lambda: ls.transfer.Baseline(steps=-1), "Baseline: `steps=-1`"),
    ),
)
def test_an_error_names_the_adapter_and_the_argument(make, message):
    with pytest.raises(ls.InputError, match=message):
        make()
