"""Scores of sources, against closed forms, brute force and slow loops."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

import learnset as ls
from learnset.transfer import (
    h_score,
    judge_ranking,
    leave_one_out,
    leep,
    log_me,
    n_leep,
    nce,
    rank_sources,
)
from learnset.transfer._h_score import shrinkage
from learnset.transfer._leave_one_out import left_out_residuals
from learnset.transfer._log_me import spectrum

RANDOM = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], 20)
GOOD = RANDOM.normal(size=(60, 5)) + 2 * np.eye(5)[LABELS]
NOISE = RANDOM.normal(size=(60, 5))


@pytest.mark.parametrize("points, size", ((30, 4), (12, 20)))
def test_log_me_is_the_maximum_of_the_evidence(points, size):
    """Of a normal distribution of covariance `I / beta + F F' / alpha`, by a general optimiser."""
    x = np.random.default_rng(1).normal(size=(points, size)) * np.linspace(0.1, 3, size)
    y = x[:, :2].sum(axis=1) + np.random.default_rng(2).normal(size=points)

    def cost(logs):
        alpha, beta = np.exp(logs)
        covariance = np.eye(points) / beta + x @ x.T / alpha
        return -multivariate_normal(np.zeros(points), covariance).logpdf(y) / points

    starts = [(0.0, 0.0), (-3.0, 1.0), (3.0, 0.0)]
    best = min(minimize(cost, start, method="Nelder-Mead").fun for start in starts)
    assert log_me(x, y) == pytest.approx(-best, abs=1e-5)


def test_log_me_of_classes_is_the_mean_over_them_and_does_not_see_the_scale_of_features():
    each = [log_me(GOOD, (LABELS == label).astype(float)) for label in range(3)]
    assert log_me(GOOD, LABELS) == pytest.approx(np.mean(each))
    assert log_me(GOOD, np.eye(3)[LABELS]) == pytest.approx(log_me(GOOD, LABELS))
    assert log_me(1e6 * GOOD, LABELS) == pytest.approx(log_me(GOOD, LABELS), abs=1e-8)


def test_log_me_is_infinite_where_features_give_the_target_exactly():
    assert log_me(GOOD, GOOD @ np.ones(5)) == np.inf


def test_the_h_score_is_the_sum_of_squared_canonical_correlations():
    x, y = (a - a.mean(axis=0) for a in (GOOD, np.eye(3)[LABELS]))
    u, v = (np.linalg.svd(a, full_matrices=False)[0] for a in (x, y[:, :2]))
    expected = (np.linalg.svd(u.T @ v)[1] ** 2).sum()
    assert h_score(GOOD, LABELS, shrunk=False) == pytest.approx(expected)
    mixed = GOOD @ RANDOM.normal(size=(5, 5)) + 7
    assert h_score(mixed, LABELS, shrunk=False) == pytest.approx(expected)


def test_the_h_score_of_random_features_falls_with_the_number_of_points():
    """As (classes - 1) features / (points - 1), its mean under independence."""
    for points in (60, 240, 960):
        scores = [
            h_score(
                np.random.default_rng(s).normal(size=(points, 20)),
                np.arange(points) % 3,
                shrunk=False,
            )
            for s in range(30)
        ]
        assert np.mean(scores) == pytest.approx(2 * 20 / (points - 1), rel=0.15)


def test_only_the_shrunken_h_score_tells_features_apart_that_are_more_than_points():
    wide = np.random.default_rng(3).normal(size=(2, 60, 100))
    useful = wide[0].copy()
    useful[:, :3] += 4 * np.eye(3)[LABELS]
    plain = [h_score(x, LABELS, shrunk=False) for x in (useful, wide[1])]
    assert plain == pytest.approx([2, 2])
    assert h_score(useful, LABELS) > h_score(wide[1], LABELS) + 0.1


def test_the_shrinkage_is_that_of_scikit_learn():
    covariance = pytest.importorskip("sklearn.covariance")
    x = GOOD - GOOD.mean(axis=0)
    assert shrinkage(x, x.T @ x / 60) == pytest.approx(covariance.ledoit_wolf_shrinkage(GOOD))


@pytest.mark.parametrize("size", (1, 2, 5, 100))
def test_leave_one_out_is_the_slow_loop_for_all_penalties_at_once(size):
    x = RANDOM.normal(size=(40, size)) + 3
    y = x[:, :2].sum(axis=1, keepdims=True) + RANDOM.normal(size=(40, 2))
    strengths = (1e-6, 0.3, 1e4)
    centred = x - x.mean(axis=0)
    fast = left_out_residuals(x, y, strengths=strengths)
    for number, strength in enumerate(strengths):
        l2 = strength * (centred**2).sum() / size
        for i in (0, 7, 39):
            rest = np.arange(40) != i
            mean, level = x[rest].mean(axis=0), y[rest].mean(axis=0)
            f, t = x[rest] - mean, y[rest] - level
            weight = np.linalg.solve(f.T @ f + l2 * np.eye(size), f.T @ t)
            slow = y[i] - level - (x[i] - mean) @ weight
            assert fast[number, i] == pytest.approx(slow, rel=1e-6)


def test_the_influence_of_points_is_as_exact_as_features_in_single_precision_are():
    x = RANDOM.normal(size=(60, 40)) @ np.diag(10.0 ** -np.arange(0, 4, 0.1))
    y = x[:, :2] + RANDOM.normal(size=(60, 2))
    wide, narrow = (
        left_out_residuals(x, y, strengths=(1e-6, 1e-3, 1.0), single=single)
        for single in (False, True)
    )
    assert (wide != narrow).any()
    np.testing.assert_allclose(narrow, wide, atol=1e-4 * np.abs(wide).max())
    assert leave_one_out(x.astype(np.float32), y) == pytest.approx(leave_one_out(x, y), rel=1e-5)


def test_leave_one_out_of_useless_features_is_about_zero_and_never_far_above():
    scores = [
        leave_one_out(np.random.default_rng(s).normal(size=(100, 30)), np.arange(100) % 2)
        for s in range(20)
    ]
    assert abs(np.mean(scores)) < 0.02 and max(scores) < 0.1
    assert leave_one_out(GOOD, LABELS) > 0.4


def test_nce_is_the_negative_conditional_entropy():
    source = np.array([0, 0, 0, 1, 1, 1])
    target = np.array([0, 0, 1, 1, 1, 1])
    expected = 0.5 * (2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert nce(source, target) == pytest.approx(expected)
    assert nce(np.zeros(6), target) == pytest.approx(1 / 3 * np.log(1 / 3) + 2 / 3 * np.log(2 / 3))


def test_leep_lies_between_the_conditional_entropy_and_zero_and_is_nce_of_certain_sources():
    given = RANDOM.dirichlet(np.full(4, 0.3), size=60)
    joint = given.T @ np.eye(3)[LABELS] / 60
    entropy = (joint * np.log(joint / joint.sum(axis=1, keepdims=True))).sum()
    assert entropy <= leep(given, LABELS) <= 0
    certain = given.argmax(axis=1)
    assert leep(np.eye(4)[certain], LABELS) == pytest.approx(nce(certain, LABELS))


def test_n_leep_prefers_features_that_separate_the_classes():
    pytest.importorskip("sklearn")
    assert n_leep(GOOD * 3, LABELS) > n_leep(NOISE, LABELS) + 0.1


def test_models_and_matrices_are_ranked_alike_and_absent_points_do_not_count():
    import jax.random as jr

    model = ls.MLP(5, 3, width=8, key=jr.key(0))
    x = np.concatenate([GOOD, np.full((4, 5), 9.0)]).astype(np.float32)
    y = np.eye(3)[np.concatenate([LABELS, np.zeros(4, int)])]
    weight = jnp.asarray(np.arange(64) < 60, jnp.float32)
    task = ls.Batch(jnp.asarray(x), jnp.asarray(y, jnp.float32), weight)
    values = np.asarray(ls.core.features(model, task.x))
    noise = np.concatenate([NOISE, np.full((4, 5), 9.0)])
    ranking = rank_sources({"noise": noise, "model": model, "values": values}, task)
    assert list(ranking)[-1] == "noise"
    assert ranking["model"] == ranking["values"] == pytest.approx(log_me(values[:60], LABELS))


def test_a_judged_ranking_has_the_regret_of_its_first_source():
    accuracy = np.array([[0.9, 0.7, 0.5], [0.6, 0.8, 0.4]])
    judged = judge_ranking(np.array([[3, 2, 1], [3, 2, 1]]), accuracy)
    assert judged.regret == pytest.approx(0.1) and judged.chance == pytest.approx(0.2)
    assert judged.tau < 1 and judged.tau_ci95 > 0
    assert judge_ranking(np.ones((2, 3)), accuracy).tau == 0
    assert judge_ranking(-accuracy, accuracy).tau == pytest.approx(-1)


@pytest.mark.parametrize(
    "make, message",
    (
        (lambda: h_score(GOOD, GOOD[:, 0]), "labels must be classes"),
        (lambda: h_score(GOOD, LABELS[1:]), "60 points, but 59 labels"),
        (lambda: h_score(GOOD, np.zeros(60, int)), "needs two classes"),
        (lambda: h_score(GOOD * np.nan, LABELS), "NaN or infinite"),
        (lambda: leep(GOOD, LABELS), "must be probabilities"),
        (lambda: n_leep(GOOD, LABELS, clusters=30), "60 points are fewer than 90"),
        (lambda: log_me(GOOD, np.zeros(60)), "zero everywhere"),
        (lambda: rank_sources({}, ls.Batch(jnp.zeros((2, 1)), jnp.ones((2, 1)))), "no source"),
        (lambda: judge_ranking(np.ones((1, 1)), np.ones((1, 1))), "two sources or more"),
    ),
)
def test_wrong_input_is_one_line(make, message):
    with pytest.raises(ls.InputError, match=message):
        make()


@pytest.mark.parametrize("size", (1, 2, 3, 7))
def test_a_spectrum_by_a_tridiagonal_matrix_is_that_of_the_matrix(size):
    half, right = RANDOM.normal(size=(9, size)), RANDOM.normal(size=(size, 2))
    gram = half.T @ half
    values, vectors = np.linalg.eigh(gram)
    ours, along = spectrum(gram, right)
    assert np.allclose(ours, values) and np.allclose(np.abs(along), np.abs(vectors.T @ right))
