"""Alignments of a labelled source to an unlabelled target, against the facts that define them."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.optimize import minimize

import learnset as ls
from learnset.transfer import (
    AbstractAlignment,
    Aligned,
    choose_alignment,
    CORAL,
    GFK,
    importance_weighted_validation,
    JDA,
    JointPCA,
    KMM,
    LinearTransport,
    nearest_neighbour,
    reverse_validation,
    SubspaceAlignment,
    TCA,
    Unaligned,
)
from learnset.transfer._alignment import squared_distances
from learnset.transfer._gfk import geodesic
from learnset.transfer._kmm import lowest, matching, project
from learnset.transfer._tca import kernel_coordinates, means_apart, transfer_components

RANDOM = np.random.default_rng(0)
SOURCE = RANDOM.normal(size=(40, 4)) @ RANDOM.normal(size=(4, 4)) + 1
TARGET = RANDOM.normal(size=(50, 4)) @ RANDOM.normal(size=(4, 4)) - 2
LABELS = (SOURCE[:, 0] > 1).astype(int)


def test_covariances_are_equal_after_coral_and_means_stay():
    aligned = CORAL(l2=0.0).align(SOURCE - SOURCE.mean(axis=0), LABELS, TARGET)
    assert np.allclose(np.cov(aligned.source.T), np.cov(TARGET.T))
    assert np.allclose(aligned.source.mean(axis=0), 0) and (aligned.target == TARGET).all()


def test_coral_with_a_penalty_makes_the_penalised_covariances_equal():
    change = np.linalg.lstsq(SOURCE, CORAL(l2=0.7).align(SOURCE, LABELS, TARGET).source)[0]
    of_source, of_target = (np.cov(x.T) + 0.7 * np.eye(4) for x in (SOURCE, TARGET))
    assert np.allclose(change.T @ of_source @ change, of_target)


def test_linear_transport_maps_a_normal_distribution_onto_the_other_and_moves_points_least():
    moved = LinearTransport(l2=0.0).align(SOURCE, LABELS, TARGET).source
    assert np.allclose(moved.mean(axis=0), TARGET.mean(axis=0))
    assert np.allclose(np.cov(moved.T), np.cov(TARGET.T))
    change = np.linalg.lstsq(SOURCE - SOURCE.mean(axis=0), moved - moved.mean(axis=0))[0]
    # The gradient of a convex function: by Brenier's theorem there is no cheaper map.
    assert np.allclose(change, change.T) and np.linalg.eigvalsh(change)[0] > 0
    whitened = CORAL(l2=0.0).align(SOURCE - SOURCE.mean(axis=0), LABELS, TARGET).source
    assert ((moved - SOURCE) ** 2).sum() < ((whitened + TARGET.mean(axis=0) - SOURCE) ** 2).sum()


def test_the_geodesic_kernel_is_the_mean_projection_on_the_subspaces_of_the_path():
    own, other = (np.linalg.qr(RANDOM.normal(size=(6, 2)))[0] for _ in range(2))
    root = geodesic(own, other)
    turn, cosines, back = np.linalg.svd(own.T @ other)
    angle, start, end = np.arccos(cosines), own @ turn, other @ back.T
    mean = np.zeros((6, 6))
    for t in (np.arange(2000) + 0.5) / 2000:
        # Great circles between the principal vectors: those of both spans.
        on_path = (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
        assert np.allclose(on_path.T @ on_path, np.eye(2)) or t > 0.01
        mean += on_path @ on_path.T / 2000
    assert np.allclose(root @ root.T, mean, atol=1e-6)
    assert np.allclose(geodesic(own, own) @ geodesic(own, own).T, own @ own.T)
    aligned = GFK(2).align(SOURCE, LABELS, SOURCE)
    centred = SOURCE - SOURCE.mean(axis=0)
    span = np.linalg.svd(centred, full_matrices=False)[2][:2]
    assert np.allclose(aligned.source @ aligned.target.T, SOURCE @ span.T @ span @ SOURCE.T)


def test_joint_components_keep_all_distances_at_full_dimension():
    aligned = JointPCA(4).align(SOURCE, LABELS, TARGET)
    before = squared_distances(SOURCE, TARGET)
    assert np.allclose(squared_distances(aligned.source, aligned.target), before)
    both = np.concatenate(JointPCA(1).align(SOURCE, LABELS, TARGET)[:2])
    cloud = np.concatenate([SOURCE, TARGET])
    assert both.var() == pytest.approx(np.linalg.eigvalsh(np.cov(cloud.T, bias=True))[-1])


def test_subspace_alignment_at_full_dimension_only_turns_both():
    aligned = SubspaceAlignment(4).align(SOURCE, LABELS, TARGET)
    centred = SOURCE - SOURCE.mean(axis=0), TARGET - TARGET.mean(axis=0)
    assert np.allclose(
        squared_distances(aligned.source, aligned.target), squared_distances(*centred)
    )


def test_subspace_alignment_takes_the_source_as_near_to_the_target_as_a_matrix_can():
    """`|own A - other|` is least for `A = own' other`."""
    own, other = (
        np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:2].T for x in (SOURCE, TARGET)
    )
    best = np.linalg.lstsq(own, other)[0]
    aligned = SubspaceAlignment(2).align(SOURCE, LABELS, TARGET)
    expected = (
        (SOURCE - SOURCE.mean(axis=0)) @ own @ best @ other.T @ (TARGET - TARGET.mean(axis=0)).T
    )
    assert np.allclose(aligned.source @ aligned.target.T, expected)  # whose signs are the same


@pytest.mark.parametrize("gamma", (None, 0.1))
def test_tca_solves_its_generalised_eigenproblem(gamma):
    """By the whole kernel matrix and a general solver: components are uncorrelated, and their
    ratios of variance to penalised difference are the largest ones."""
    points = np.concatenate([SOURCE, TARGET])
    kernel = (
        points @ points.T if gamma is None else np.exp(-gamma * squared_distances(points, points))
    )
    apart = means_apart(40, 90)[:, None]
    apart = apart / np.linalg.norm(apart)
    penalised = kernel @ apart @ apart.T @ kernel + np.eye(90)
    variance = kernel @ kernel - np.outer(kernel.sum(axis=1), kernel.sum(axis=0)) / 90
    expected = eigh(variance, penalised)[0][-2:][::-1]
    coordinates = kernel_coordinates(points, gamma)
    about = coordinates - coordinates.mean(axis=1, keepdims=True)
    weights = transfer_components(about @ about.T, coordinates @ apart, 1.0, 2)
    assert np.allclose(np.linalg.norm(weights, axis=0), 1)
    components = weights.T @ coordinates
    centred = components - components.mean(axis=1, keepdims=True)
    spread = centred @ centred.T  # W'KHKW, the identity of the published constraint but for scale
    assert abs(spread[0, 1]) < 1e-8 * spread[0, 0]
    below = ((components @ apart) ** 2)[:, 0] + 1
    assert np.allclose(np.diagonal(spread) / below, expected)
    aligned = TCA(2, gamma=gamma).align(SOURCE, LABELS, TARGET)
    assert np.allclose(np.concatenate([aligned.source, aligned.target]), components.T)


def test_tca_with_a_small_penalty_makes_the_means_equal():
    aligned = TCA(2, l2=1e-6).align(SOURCE, LABELS, TARGET)
    gap = aligned.source.mean(axis=0) - aligned.target.mean(axis=0)
    assert np.abs(gap).max() < 1e-4 * aligned.source.std()


def test_the_first_step_of_jda_is_tca_and_later_ones_bring_classes_together():
    tca = TCA(2, unit=True)
    first, plain = JDA(tca, 1).align(SOURCE, LABELS, TARGET), tca.align(SOURCE, LABELS, TARGET)
    assert np.allclose(np.abs(first.source), np.abs(plain.source))
    truth = np.repeat([0, 1], 40)
    source = np.random.default_rng(1).normal(size=(80, 6)) + 3 * np.eye(6)[truth]
    target = source @ np.diag([1, 1, 0.4, 2, 1, 1]) + [0, 0, 4, 0, 0, 0]
    aligned = JDA(TCA(2), 5).align(source, truth, target)
    guess = nearest_neighbour(aligned.source, truth, aligned.target)
    unaligned = nearest_neighbour(source, truth, target)
    assert (guess == truth).mean() > max(0.9, (unaligned == truth).mean())


def test_kernel_mean_matching_recovers_the_weights_of_a_known_shift():
    """Ten places, each with another frequency in source and target: weights are the ratios."""
    places = 10.0 * np.arange(10)[:, None]
    source, target = np.array([4] * 5 + [2] * 5), np.array([1] * 5 + [5] * 5)
    aligned = KMM(gamma=1.0, most=100.0).align(
        np.repeat(places, source, axis=0), np.zeros(30), np.repeat(places, target, axis=0)
    )
    assert np.allclose(aligned.weight, np.repeat(target / source, source), rtol=1e-2)


def test_kernel_mean_matching_without_a_shift_weighs_alike():
    points = RANDOM.normal(size=(30, 2))
    assert np.allclose(KMM(gamma=2.0).align(points, np.zeros(30), points).weight, 1, atol=0.02)


def test_matching_is_the_solution_of_a_general_solver():
    kernel = np.exp(-squared_distances(SOURCE[:12], SOURCE[:12]) / 4)
    pull = 12 * np.exp(-squared_distances(SOURCE[:12], TARGET) / 4).mean(axis=1) + 0.1
    sums = (6.0, 9.0)
    ours = matching(kernel, pull, 2.0, sums, 1e-7, 20_000)

    def cost(w):
        return 0.5 * w @ kernel @ w - pull @ w

    limits = [
        {"type": "ineq", "fun": lambda w: w.sum() - sums[0]},
        {"type": "ineq", "fun": lambda w: sums[1] - w.sum()},
    ]
    other = minimize(
        cost, np.full(12, 0.6), bounds=[(0, 2)] * 12, constraints=limits, method="SLSQP"
    )
    assert ours.min() >= 0 and ours.max() <= 2 and sums[0] - 1e-6 <= ours.sum() <= sums[1] + 1e-6
    assert cost(ours) <= other.fun + 1e-5 * abs(other.fun)


def test_projected_weights_are_the_nearest_and_the_lowest_are_the_lowest():
    weight, sums = RANDOM.normal(size=8) * 3, (5.0, 6.0)
    near = project(weight, 2.0, sums)
    low = lowest(weight, 2.0, sums)
    assert low.sum() == pytest.approx(max(5.0, min(6.0, 2.0 * (weight < 0).sum())))
    for seed in range(200):
        other = project(np.random.default_rng(seed).uniform(0, 2, size=8), 2.0, sums)
        assert ((weight - near) ** 2).sum() <= ((weight - other) ** 2).sum() + 1e-9
        assert weight @ low <= weight @ other + 1e-9


def by_neighbour(points, labels, weight, others):
    return nearest_neighbour(points, labels, others)


class Scrambled(AbstractAlignment):
    """An alignment that forgets which target point is which."""

    def align(self, source, labels, target):
        return Aligned(source, target[:, ::-1] * [-1, 1], np.ones(len(source)))


@pytest.mark.parametrize("validation", (reverse_validation, importance_weighted_validation))
def test_an_accuracy_without_target_labels_is_high_where_source_and_target_are_alike(validation):
    labels = np.arange(60) % 2
    points = np.random.default_rng(2).normal(size=(60, 2)) + 8 * labels[:, None]
    assert validation(Unaligned(), by_neighbour, points, labels, points + 0.01) == 1


def test_reverse_validation_chooses_the_transport_that_undoes_a_shift():
    labels = np.arange(80) % 2
    source = np.random.default_rng(3).normal(size=(80, 2)) + [0, 6] * labels[:, None]
    target = source @ np.diag([1, 1]) + [0, 6]
    candidates = [Scrambled(), LinearTransport()]
    choice = choose_alignment(candidates, by_neighbour, source, labels, target)
    assert choice.number == 1 and choice.accuracies[1] > choice.accuracies[0]


def test_importance_weighted_accuracy_is_that_of_the_target_under_covariate_shift():
    """Labels are noisy on the left alone, and the target lies on the right."""
    random = np.random.default_rng(4)
    source = np.repeat([[-3.0], [3.0]], 100, axis=0) + random.normal(size=(200, 1))
    noisy = random.random(200) < np.where(source[:, 0] < 0, 0.5, 0.0)
    labels = (source[:, 0] > 3).astype(int) ^ noisy
    target = 3 + random.normal(size=(100, 1))
    parts = Unaligned(), by_neighbour, source, labels, target
    truth = by_neighbour(source, labels, None, target) == (target[:, 0] > 3)
    assert importance_weighted_validation(*parts) == pytest.approx(truth.mean(), abs=0.06)


@pytest.mark.parametrize(
    "make, message",
    (
        (lambda: CORAL(l2=-1.0), "CORAL: `l2=-1.0`"),
        (lambda: SubspaceAlignment(9).align(SOURCE, LABELS, TARGET), "from 1 to 4 here"),
        (lambda: TCA(5).align(SOURCE, LABELS, TARGET), "from 1 to 4 here"),
        (lambda: JDA(TCA(2), 0), "`steps=0`"),
        (lambda: KMM(steps=9).align(SOURCE, LABELS, TARGET), "Raise `steps`"),
        (
            lambda: choose_alignment([], by_neighbour, SOURCE, LABELS, TARGET),
            "there is no candidate",
        ),
        (
            lambda: reverse_validation(Unaligned(), by_neighbour, SOURCE, LABELS, TARGET, folds=1),
            "`folds=1`",
        ),
        (lambda: Unaligned().align(SOURCE, LABELS, TARGET[:, 1:]), "4 features, target points 3"),
        (lambda: Unaligned().align(SOURCE * np.nan, LABELS, TARGET), "NaN or infinite"),
    ),
)
def test_wrong_input_is_one_line(make, message):
    with pytest.raises(ls.InputError, match=message):
        make()
