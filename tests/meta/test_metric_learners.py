"""Few-shot classifiers that learn through their head or metric."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls

RANDOM = np.random.default_rng(8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 1])  # the last point is absent
SUPPORT = ls.Batch(
    jnp.asarray(RANDOM.normal(size=(7, 4)), jnp.float32),
    jnp.eye(3)[LABELS],
    jnp.array([1.0] * 6 + [0.0]),
)
QUERIES = jnp.asarray(RANDOM.normal(size=(5, 4)), jnp.float32)
QUERY = ls.Batch(QUERIES, jnp.eye(3)[np.array([0, 1, 2, 0, 1])])
SIZE = 6


def net():
    return ls.MLP(4, 3, width=SIZE, depth=1, activation=jnp.tanh, key=jr.key(0))


def related():
    return ls.meta.WithRelation(
        net(), ls.MLP(2 * SIZE, 1, width=5, depth=1, activation=jnp.tanh, key=jr.key(1))
    )


LEARNERS = {
    "protonet": (ls.ProtoNet(), net),
    "matching network": (ls.MatchingNetwork(), net),
    "full context": (
        ls.MatchingNetwork(),
        lambda: ls.meta.WithFullContext(net(), SIZE, reads=2, key=jr.key(1)),
    ),
    "relation network": (ls.meta.RelationNetwork(), related),
    "r2d2": (ls.R2D2(ls.cross_entropy), lambda: ls.meta.WithRidge(net(), scale=2.0)),
    "lr-d2": (ls.meta.LRD2(), net),
    "metaoptnet": (ls.meta.MetaOptNet(steps=200), lambda: ls.meta.WithScale(net(), 3.0)),
}
EACH = pytest.mark.parametrize("name", LEARNERS)


@eqx.filter_jit
def _logits(learner, model, support, queries):
    return ls.predict(learner.adapt(model, support), queries)


def logits(name, support=SUPPORT, queries=QUERIES):
    learner, model = LEARNERS[name]
    return _logits(learner, model(), support, queries)


def close(left, right, atol=1e-4):
    return jnp.allclose(left, right, rtol=1e-3, atol=atol)


@EACH
def test_permuting_the_classes_permutes_the_predictions(name):
    order = jnp.array([2, 0, 1])
    permuted = eqx.tree_at(lambda b: b.y, SUPPORT, SUPPORT.y[:, order])
    assert close(logits(name, permuted), logits(name)[:, order])


@EACH
def test_the_values_of_absent_points_change_nothing(name):
    other = eqx.tree_at(
        lambda b: (b.x, b.y),
        SUPPORT,
        (SUPPORT.x.at[6].set(7), SUPPORT.y.at[6].set(jnp.array([7.0, 0.0, 7.0]))),
    )
    assert close(logits(name, other), logits(name))


@EACH
def test_a_class_without_points_is_never_predicted(name):
    without = eqx.tree_at(
        lambda b: b.weight, SUPPORT, jnp.where(SUPPORT.y[:, 1] > 0, 0.0, SUPPORT.weight)
    )
    predicted = logits(name, without)
    assert jnp.isfinite(predicted).all() and (predicted.argmax(axis=1) != 1).all()


@EACH
def test_no_query_influences_another(name):
    assert close(logits(name, queries=QUERIES.at[1:].multiply(-3))[0], logits(name)[0], atol=1e-6)


@pytest.mark.slow
@EACH
def test_its_gradient_is_that_of_finite_differences(name):
    learner, model = LEARNERS[name]
    with jax.enable_x64(True):
        support, query = (
            jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), b) for b in (SUPPORT, QUERY)
        )
        moving, fixed = eqx.partition(model(), eqx.is_inexact_array)
        leaves, structure = jax.tree.flatten(moving)
        directions = [jr.normal(jr.key(i), leaf.shape, leaf.dtype) for i, leaf in enumerate(leaves)]

        def loss(size):
            moved = jax.tree.unflatten(
                structure, [p + size * d for p, d in zip(leaves, directions, strict=True)]
            )
            return learner.loss(learner.adapt(eqx.combine(moved, fixed), support), query)

        value_and_slope = jax.jit(jax.value_and_grad(loss))
        difference = (value_and_slope(1e-5)[0] - value_and_slope(-1e-5)[0]) / 2e-5
        assert np.isclose(value_and_slope(0.0)[1], difference, rtol=1e-4, atol=1e-7)


def test_a_matching_network_with_one_shot_is_the_nearest_neighbour_by_angle():
    support = ls.Batch(jnp.asarray(RANDOM.normal(size=(5, 4)), jnp.float32), jnp.eye(5))
    predicted = ls.predict(
        ls.MatchingNetwork().adapt(ls.models.Headed(ls.models.Raw(), None), support), QUERIES
    )
    x, s = (
        np.asarray(part) / np.linalg.norm(part, axis=1, keepdims=True)
        for part in (QUERIES, support.x)
    )
    assert (predicted.argmax(axis=1) == (x @ s.T).argmax(axis=1)).all()


def test_predictions_of_a_matching_network_are_averages_of_labels_by_attention():
    predicted = ls.predict(
        ls.MatchingNetwork().adapt(ls.models.Headed(ls.models.Raw(), None), SUPPORT), QUERIES
    )
    x, s = (
        np.asarray(part) / np.linalg.norm(part, axis=1, keepdims=True)
        for part in (QUERIES, SUPPORT.x[:6])
    )
    attention = np.exp(x @ s.T)
    expected = attention / attention.sum(axis=1, keepdims=True) @ np.asarray(SUPPORT.y[:6])
    assert close(jnp.exp(predicted), expected, atol=1e-5)


def test_only_full_context_depends_on_the_order_of_the_support_set():
    turned = jax.tree.map(lambda leaf: leaf[::-1], SUPPORT)
    assert close(logits("matching network", turned), logits("matching network"))
    assert not close(logits("full context", turned), logits("full context"))


def test_a_relation_network_sums_the_points_of_a_class():
    """Two points are equivalent to a single one that is their sum."""
    raw = ls.meta.WithRelation(
        ls.models.Headed(ls.models.Raw(), None), ls.MLP(8, 1, width=5, key=jr.key(1))
    )
    two = ls.meta.RelationNetwork().adapt(raw, SUPPORT)
    one = ls.meta.RelationNetwork().adapt(raw, ls.Batch(SUPPORT.x[:3] + SUPPORT.x[3:6], jnp.eye(3)))
    assert close(ls.predict(two, QUERIES), ls.predict(one, QUERIES))


@pytest.mark.slow
def test_a_relation_between_maps_of_images_compares_each_query_separately():
    encoder = ls.Conv4((8, 8, 1), filters=3, blocks=1, key=jr.key(0))
    model = ls.meta.WithRelation(
        ls.models.Headed(encoder, None), ls.meta.MapRelation((4, 4, 3), key=jr.key(1))
    )
    images = jr.normal(jr.key(2), (4, 8, 8, 1))
    support = ls.Batch(images, jnp.eye(2)[jnp.array([0, 1, 0, 1])])
    queries = jr.normal(jr.key(3), (3, 8, 8, 1))

    @jax.jit
    def answer(queries):
        return ls.predict(ls.meta.RelationNetwork().adapt(model, support), queries)

    assert answer(queries).shape == (3, 2)
    assert close(answer(queries)[0], answer(queries.at[1:].multiply(3))[0], atol=1e-5)


def test_a_model_with_a_relation_is_trained_as_it_is():
    model = related()
    assert ls.meta.RelationNetwork().prepare(model, key=jr.key(3)) is model


def test_the_relation_loss_is_the_squared_difference_of_scores():
    predictor = ls.meta.RelationNetwork().adapt(related(), SUPPORT)
    score = 1 / (1 + np.exp(-np.asarray(ls.predict(predictor, QUERIES))))
    assert np.isclose(
        ls.meta.relation_loss(predictor, QUERY),
        ((score - np.asarray(QUERY.y)) ** 2).mean(),
        rtol=1e-5,
    )


def test_r2d2_for_classes_is_scaled_ridge_regression():
    plain = ls.predict(ls.R2D2().adapt(ls.meta.WithRidge(net()), SUPPORT), QUERIES)
    assert close(logits("r2d2"), 2 * plain)


def test_the_scale_of_metaoptnet_multiplies_its_logits():
    one = _logits(ls.meta.MetaOptNet(steps=200), ls.meta.WithScale(net()), SUPPORT, QUERIES)
    assert close(logits("metaoptnet"), 3 * one)


@pytest.mark.parametrize(
    "learner, wrapper",
    (
        (ls.meta.MetaOptNet(), "WithScale"),
        (ls.meta.RelationNetwork(), "WithRelation"),
        (ls.R2D2(), "WithRidge"),
    ),
    ids=("metaoptnet", "relation network", "r2d2"),
)
def test_the_error_for_a_model_without_its_wrapper_names_the_wrapper(learner, wrapper):
    with pytest.raises(ls.InputError, match=f"give `{wrapper}\\(.*not MLP"):
        learner.adapt(net(), SUPPORT)
