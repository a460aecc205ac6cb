"""Class means, and classification by the nearest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset.transfer._prototypes import class_means

RANDOM = np.random.default_rng(0)
VALUES = jnp.asarray(RANDOM.normal(size=(6, 4)), jnp.float32)
LABELS = jnp.eye(3)[jnp.array([0, 1, 1, 0, 1, 0])]  # no point of the last class
QUERIES = jnp.asarray(RANDOM.normal(size=(5, 4)), jnp.float32)
RAW = ls.models.Headed(ls.models.Raw(), None)


def test_means_are_those_of_the_points_that_count():
    weight = jnp.array([1.0, 1.0, 0.0, 3.0, 1.0, 0.0])
    means, present = class_means(VALUES, ls.Batch(VALUES, LABELS, weight))
    assert present.tolist() == [True, True, False]
    assert jnp.allclose(means[0], (VALUES[0] + 3 * VALUES[3]) / 4, atol=1e-6)
    assert jnp.allclose(means[1], (VALUES[1] + VALUES[4]) / 2, atol=1e-6)
    assert (means[2] == 0).all()


def test_means_of_one_hot_features_are_the_frequencies_of_the_labels():
    features = jnp.eye(3)[jnp.array([0, 0, 1, 2, 2, 2])]
    means, _ = class_means(features, ls.Batch(features, jnp.eye(2)[jnp.array([0, 0, 0, 1, 1, 1])]))
    assert jnp.allclose(means, jnp.array([[2 / 3, 1 / 3, 0.0], [0.0, 0.0, 1.0]]))


def test_squared_euclidean_is_minus_the_squared_distance():
    direct = -((VALUES - QUERIES[0][None]) ** 2).sum(axis=1)
    assert jnp.allclose(ls.transfer.SquaredEuclidean()(QUERIES[0], VALUES), direct, atol=1e-5)


def test_the_cosine_ignores_lengths():
    assert jnp.allclose(
        ls.transfer.Cosine(1.0)(7 * QUERIES[0], 3 * VALUES),
        ls.transfer.Cosine(1.0)(QUERIES[0], VALUES),
        atol=1e-6,
    )
    assert ls.transfer.Cosine(1.0)(VALUES[2], VALUES).argmax() == 2


def logits(adapter, support, queries=QUERIES, model=RAW):
    return ls.predict(adapter.adapt(model, support), queries)


def test_with_one_shot_it_is_the_nearest_neighbour():
    support = ls.Batch(VALUES, jnp.eye(6))
    distance = np.linalg.norm(np.asarray(QUERIES)[:, None] - np.asarray(VALUES)[None], axis=2)
    assert (logits(ls.Prototypes(), support).argmax(axis=1) == distance.argmin(axis=1)).all()


def test_a_class_without_points_is_never_predicted():
    predicted = logits(ls.Prototypes(), ls.Batch(VALUES, LABELS), 100 * QUERIES)
    assert jnp.isfinite(predicted).all() and (predicted.argmax(axis=1) < 2).all()


def test_the_prototype_head_classifies_as_prototypes_do():
    support = ls.Batch(VALUES, LABELS)
    linear = jax.vmap(ls.transfer.prototype_head(support))(QUERIES)
    nearest = logits(ls.Prototypes(), support)
    assert jnp.allclose(jax.nn.log_softmax(linear), jax.nn.log_softmax(nearest), atol=1e-5)


def test_simple_shot_is_prototypes_of_unit_features():
    def shortened(x):
        return x / jnp.linalg.norm(x, axis=1, keepdims=True)

    support = ls.Batch(VALUES, LABELS)
    prototypes = logits(ls.Prototypes(), ls.Batch(shortened(VALUES), LABELS), shortened(QUERIES))
    assert jnp.allclose(logits(ls.SimpleShot(), support), prototypes, atol=1e-6)
    assert jnp.allclose(
        logits(ls.SimpleShot(normalise=False), support), logits(ls.Prototypes(), support), atol=1e-6
    )


def test_a_shift_of_all_features_changes_nothing_once_they_are_centred():
    shift = jnp.full((1, 4), 50.0)
    support, shifted = (ls.Batch(values, LABELS) for values in (VALUES, VALUES + shift))
    model, shifted_model = (ls.transfer.centred(RAW, batch.x) for batch in (support, shifted))
    expected = logits(ls.SimpleShot(), support, model=model)
    centred = logits(ls.SimpleShot(), shifted, QUERIES + shift, shifted_model)
    assert jnp.allclose(centred, expected, atol=1e-4)
    raw = logits(ls.SimpleShot(), shifted, QUERIES + shift)
    assert not jnp.allclose(raw, expected, atol=1e-1)


@pytest.mark.parametrize("scale", (0.5, 4.0))
def test_simple_shot_ignores_lengths(scale):
    support = ls.Batch(VALUES, LABELS)
    assert jnp.allclose(
        logits(ls.SimpleShot(), support, scale * QUERIES),
        logits(ls.SimpleShot(), support),
        atol=1e-5,
    )
