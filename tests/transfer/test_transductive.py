"""Classifiers that see all queries at once, against plain loops over the papers' formulas."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset.transfer._laplacian_shot import affinity
from learnset.transfer._pt_map import transport
from learnset.transfer._transductive import squared_distances

RANDOM = np.random.default_rng(5)
WAYS, SHOTS, QUERIES, SIZE = 3, 2, 12, 6
RAW = ls.models.Headed(ls.models.Raw(), None)


def episode(random, spread=1.0):
    """Support set, query points and their classes: features above zero, as after a ReLU."""
    centres = spread * np.abs(random.normal(size=(WAYS, SIZE)))
    labels = np.tile(np.arange(WAYS), SHOTS + QUERIES // WAYS)
    x = np.maximum(centres[labels] + 0.4 * random.normal(size=(len(labels), SIZE)), 0)
    x = x.astype(np.float32) + 0.01
    shots = WAYS * SHOTS
    return (
        ls.Batch(jnp.asarray(x[:shots]), jnp.eye(WAYS)[labels[:shots]]),
        jnp.asarray(x[shots:]),
        labels[shots:],
    )


SUPPORT, X, TRUTH = episode(RANDOM)
ALL = jnp.ones(QUERIES)
CLASSIFIERS = {
    "bd-cspn": ls.transfer.BDCSPN(),
    "tim": ls.transfer.TIM(steps=20),
    "pt-map": ls.transfer.PTMAP(steps=5, sinkhorn_steps=50),
    "laplacian shot": ls.transfer.LaplacianShot(),
}


@eqx.filter_jit
def logits(adapter, support, x=X, weight=ALL):
    return ls.predict(adapter.adapt(RAW, support), x, weight)


def close(left, right, atol=2e-3):
    """Whether the probabilities agree: logits are determined up to a constant."""
    return jnp.allclose(jax.nn.softmax(left), jax.nn.softmax(right), atol=atol)


@pytest.mark.parametrize("adapter", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_permuting_the_classes_permutes_the_predictions(adapter):
    order = jnp.array([2, 0, 1])
    permuted = eqx.tree_at(lambda b: b.y, SUPPORT, SUPPORT.y[:, order])
    assert close(logits(adapter, permuted), logits(adapter, SUPPORT)[:, order])


@pytest.mark.parametrize("adapter", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_permuting_the_queries_permutes_the_predictions(adapter):
    order = jnp.arange(QUERIES)[::-1]
    assert close(logits(adapter, SUPPORT, X[order]), logits(adapter, SUPPORT)[order])


@pytest.mark.parametrize("adapter", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_the_prediction_for_one_query_depends_on_the_others(adapter):
    assert adapter.transductive
    others = X.at[1:].set(X[1:] ** 2 + 1)
    these, those = (jax.nn.log_softmax(logits(adapter, SUPPORT, x)[0]) for x in (X, others))
    assert not jnp.allclose(these, those, atol=1e-2)


@pytest.mark.parametrize("adapter", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_absent_points_change_nothing(adapter):
    """In the support set and among the queries, against a task without them."""
    support = ls.Batch(
        jnp.concatenate([SUPPORT.x, jnp.full((1, SIZE), 7.0)]),
        jnp.concatenate([SUPPORT.y, jnp.full((1, WAYS), 7.0)]),
        jnp.concatenate([SUPPORT.weight, jnp.zeros(1)]),
    )
    x, weight = jnp.concatenate([X, jnp.full((2, SIZE), 7.0)]), jnp.concatenate([ALL, jnp.zeros(2)])
    padded = logits(adapter, support, x, weight)
    assert jnp.isfinite(padded).all()
    assert close(padded[:QUERIES], logits(adapter, SUPPORT))


@pytest.mark.parametrize("adapter", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_class_without_points_is_never_predicted_and_changes_nothing(adapter):
    without = eqx.tree_at(lambda b: b.weight, SUPPORT, jnp.where(SUPPORT.y[:, 1] > 0, 0.0, 1.0))
    predicted, kept = logits(adapter, without), jnp.array([0, 2])
    assert jnp.isfinite(predicted).all() and (predicted.argmax(axis=1) != 1).all()
    two = ls.Batch(SUPPORT.x, SUPPORT.y[:, kept], without.weight)
    assert close(predicted[:, kept], logits(adapter, two))


@pytest.mark.slow
@pytest.mark.parametrize("adapter", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_gradients_go_through(adapter):
    def loss(x):
        support = ls.Batch(x, SUPPORT.y, SUPPORT.weight)
        return -jax.nn.log_softmax(logits(adapter, support))[jnp.arange(QUERIES), TRUTH].mean()

    gradient = jax.grad(loss)(SUPPORT.x)
    assert jnp.isfinite(gradient).all() and (jnp.abs(gradient).max() > 0)


@pytest.mark.parametrize("name", ("bd-cspn", "tim"))
def test_the_queries_help(name):
    """On 200 tasks it is right more often than the nearest class mean of the same features."""
    random = np.random.default_rng(6)
    tasks = [episode(random, 0.5) for _ in range(200)]
    support, x = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[task[:2] for task in tasks])
    truth = np.stack([task[2] for task in tasks])

    def accuracy(adapter):
        predicted = jax.vmap(lambda s, x: logits(adapter, s, x))(support, x).argmax(axis=2)
        return float((predicted == truth).mean())

    assert accuracy(CLASSIFIERS[name]) > accuracy(ls.SimpleShot()) + 0.01


def short(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def distances(x, centres):
    return ((x[:, None] - centres[None]) ** 2).sum(axis=2)


def as_numpy():
    """Features and labels of the task in double precision."""
    return (np.asarray(part, np.float64) for part in (SUPPORT.x, SUPPORT.y, X))


def test_distances_from_inner_products_are_distances():
    s, y, x = as_numpy()
    both = np.concatenate([s, x])
    mix = np.random.default_rng(7).normal(size=(WAYS, len(both)))
    fast = squared_distances(jnp.asarray(both @ both.T), jnp.asarray(mix))
    assert np.allclose(fast, distances(both, mix @ both), rtol=1e-3, atol=1e-3)


def test_bd_cspn_is_its_formula():
    s, y, x = as_numpy()
    s, x = short(s), short(x)
    x = x + s.mean(axis=0) - x.mean(axis=0)
    both = np.concatenate([s, x])
    cosine = short(both) @ short(y.T @ s / SHOTS).T
    label = np.concatenate([y, np.eye(WAYS)[cosine[len(s) :].argmax(axis=1)]])
    w = label * np.exp(10 * cosine)
    centres = (w / w.sum(axis=0)).T @ both
    assert close(logits(ls.transfer.BDCSPN(), SUPPORT), 10 * short(x) @ short(centres).T)


def test_tim_is_its_formula():
    s, y, x = as_numpy()
    s, x = short(s), short(x)
    w = y.T @ s / SHOTS
    for _ in range(20):
        p_s, p_x = softmax(-7.5 * distances(s, w)), softmax(-7.5 * distances(x, w))
        q = p_x**1.1 / np.sqrt((p_x**1.1).sum(axis=0))
        q = q / q.sum(axis=1, keepdims=True)
        a, b = 0.1 / 1.1, len(s) / len(x)
        top = a * (y.T @ s + p_s.sum(axis=0)[:, None] * w - p_s.T @ s)
        top += b * (q.T @ x + p_x.sum(axis=0)[:, None] * w - p_x.T @ x)
        w = top / (a * y.sum(axis=0) + b * q.sum(axis=0))[:, None]
    assert close(logits(ls.transfer.TIM(steps=20), SUPPORT), -7.5 * distances(x, w))


def test_tim_has_more_mutual_information_with_the_queries_than_class_means():
    def information(steps):
        p = jax.nn.softmax(logits(ls.transfer.TIM(steps=steps), SUPPORT))
        mean = p.mean(axis=0)
        return float((p * jnp.log(p)).sum(axis=1).mean() - (mean * jnp.log(mean)).sum())

    assert information(20) > information(0)


def test_pt_map_is_its_formula():
    s, y, x = (part**0.5 if i != 1 else part for i, part in enumerate(as_numpy()))
    s, x = short(s), short(x)
    s, x = short(s - s.mean(axis=0)), short(x - x.mean(axis=0))
    both, centres = np.concatenate([s, x]), y.T @ s / SHOTS

    def plan():
        kernel = np.exp(-10 * distances(x, centres))
        for _ in range(200):
            kernel = kernel / kernel.sum(axis=0) * QUERIES / WAYS
            kernel = kernel / kernel.sum(axis=1, keepdims=True)
        return kernel

    for _ in range(5):
        label = np.concatenate([y, plan()])
        centres = centres + 0.2 * ((label / label.sum(axis=0)).T @ both - centres)
    assert close(
        logits(ls.transfer.PTMAP(steps=5, sinkhorn_steps=200), SUPPORT), np.log(plan()), atol=5e-3
    )


def test_transport_has_the_required_marginals():
    cost = jnp.asarray(10 * RANDOM.random((20, 4)), jnp.float32)
    rows, columns = jnp.ones(20).at[3].set(0.0), jnp.array([4.0, 10.0, 0.0, 5.0])
    plan = jax.jit(lambda cost: transport(cost, rows, columns, 100))(cost)
    assert jnp.allclose(plan.sum(axis=1), rows, atol=1e-5)
    assert jnp.allclose(plan.sum(axis=0), columns, atol=1e-3)
    assert (plan >= 0).all() and (plan[:, 2] == 0).all() and (plan[3] == 0).all()


def test_pt_map_gives_each_class_as_many_queries():
    p = jax.nn.softmax(logits(ls.transfer.PTMAP(steps=5, sinkhorn_steps=200), SUPPORT))
    assert jnp.allclose(p.sum(axis=0), QUERIES / WAYS, atol=1e-2)


def test_neighbours_are_the_nearest_others():
    weight = jnp.ones(QUERIES).at[2].set(0.0)
    distance = distances(np.asarray(X), np.asarray(X)) + np.where(np.eye(QUERIES), np.inf, 0)
    distance[:, 2] = np.inf
    nearest = np.argsort(distance, axis=1)[:, :3]
    neighbours = np.nonzero(np.asarray(affinity(X, weight, 3)))[1].reshape(-1, 3)
    assert (neighbours == np.sort(nearest)).all()


def test_laplacian_shot_is_its_formula():
    s, y, x = as_numpy()
    s, x = short(s), short(x)
    x = x + s.mean(axis=0) - x.mean(axis=0)
    both = np.concatenate([s, x])
    cosine = short(both) @ short(y.T @ s / SHOTS).T
    w = np.concatenate([y, np.eye(WAYS)[cosine[len(s) :].argmax(axis=1)]]) * np.exp(10 * cosine)
    unary = distances(x, (w / w.sum(axis=0)).T @ both)
    between = distances(x, x) + np.where(np.eye(QUERIES), np.inf, 0)
    kernel = np.eye(QUERIES)[np.argsort(between, axis=1)[:, :2]].sum(axis=1)
    scores = -unary
    for _ in range(20):
        scores = -unary + 0.7 * kernel @ softmax(scores)
    assert close(logits(ls.transfer.LaplacianShot(strength=0.7), SUPPORT), scores)


def test_more_neighbours_than_queries_are_all_of_them():
    more, every = (ls.transfer.LaplacianShot(neighbours=n) for n in (30, QUERIES - 1))
    assert (logits(more, SUPPORT) == logits(every, SUPPORT)).all()


@pytest.mark.parametrize(
    "make, message",
    (
        (lambda: ls.transfer.LaplacianShot(neighbours=0), "LaplacianShot: `neighbours=0`"),
        (lambda: ls.transfer.TIM(scale=0.0), "TIM: `scale=0.0`"),
    ),
)
def test_an_error_names_the_classifier_and_the_argument(make, message):
    with pytest.raises(ls.InputError, match=message):
        make()
