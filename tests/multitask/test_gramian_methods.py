"""The promises of the papers about each balancer that weights tasks by the Gramian."""

import functools
import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, strategies as st
from task_matrices import (
    any_gradients,
    direction,
    EPS,
    good_gradients,
    gradients,
    quick,
    SCALES,
    SHAPES,
    weights_of,
)

import learnset as ls
from learnset.multitask import _imtlg, _quadratic

UNCLIPPED = ls.NashMTL(max_norm=math.inf)
BALANCERS = {
    "MGDA": ls.MGDA(),
    "PCGrad": ls.PCGrad(),
    "CAGrad": ls.CAGrad(),
    "IMTL-G": ls.IMTLG(),
    "Nash-MTL": UNCLIPPED,
    "UPGrad": ls.UPGrad(),
    "DualProj": ls.multitask.DualProj(),
    "Aligned-MTL": ls.multitask.AlignedMTL(),
    "ConFIG": ls.multitask.ConFIG(),
}


def cagrad(c):
    """With `c` as an array, so that all values share what is compiled."""
    return ls.CAGrad(c=jnp.asarray(c, jnp.float32))


def fairgrad(alpha):
    return ls.multitask.FairGrad(alpha=jnp.asarray(alpha, jnp.float32))


HURT_NONE = ("MGDA", "UPGrad", "DualProj", "Nash-MTL")


@pytest.mark.parametrize("name", HURT_NONE)
@quick
@given(any_gradients, st.sampled_from(SCALES))
def test_directions_hurt_no_task(name, jacobian, scale):
    """Up to the rounding error of the sum that makes the direction."""
    method, scaled = BALANCERS[name], scale * jacobian
    ours = direction(method, scaled)
    norms = np.linalg.norm(scaled, axis=1)
    size = max(np.abs(weights_of(method, scaled)) @ norms, np.linalg.norm(ours))
    assert (scaled @ ours >= -20 * EPS * norms * size).all()


@pytest.mark.parametrize("name", ("MGDA", "UPGrad", "DualProj", "Nash-MTL"))
@quick
@given(st.sampled_from(SHAPES[1:]), st.integers(0, 10_000))
def test_if_no_direction_helps_all_tasks_nothing_moves(name, shape, seed):
    jacobian = gradients("stationary", shape, seed)
    norms = np.linalg.norm(jacobian, axis=1)
    # The Gramian knows lengths to the root of its rounding error. The weights of Nash-MTL grow
    # until that stops them.
    few, length = 4, norms.max()
    if name == "Nash-MTL":
        few, length = 40, np.sqrt(len(norms)) * np.linalg.norm(jacobian @ jacobian.T) ** 0.5
    assert np.linalg.norm(direction(BALANCERS[name], jacobian)) <= few * math.sqrt(EPS) * length


@pytest.mark.slow
@pytest.mark.parametrize("name", BALANCERS)
def test_gradients_of_zero_give_zero(name):
    assert np.array_equal(direction(BALANCERS[name], np.zeros((3, 4))), np.zeros(4))


# MGDA


@quick
@given(
    st.sampled_from(SHAPES),
    st.sampled_from(("any", "opposed", "dependent")),
    st.integers(0, 10_000),
)
def test_mgda_is_the_shortest_convex_combination(shape, kind, seed):
    jacobian = gradients(kind, shape, seed)
    tasks = len(jacobian)
    best = scipy.optimize.minimize(
        lambda w: (w @ jacobian) @ (w @ jacobian),
        np.full(tasks, 1 / tasks),
        jac=lambda w: 2 * jacobian @ (w @ jacobian),
        bounds=[(0, None)] * tasks,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(tasks)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    ours = direction(ls.MGDA(), jacobian)
    assert ours @ ours <= best.fun + 1e-5 * (jacobian**2).sum(axis=1).max()
    weights = weights_of(ls.MGDA(), jacobian)
    assert (weights >= 0).all() and np.isclose(weights.sum(), 1, rtol=1e-5)


@quick
@given(good_gradients)
def test_mgda_helps_every_task_at_least_by_its_own_square(jacobian):
    ours = direction(ls.MGDA(), jacobian)
    assert (jacobian @ ours >= ours @ ours - 1e-5 * (jacobian**2).sum(axis=1).max()).all()


# The projections


def onto_dual_cone(jacobian, gradient):
    """The nearest vector whose product with no row is negative, by SciPy: the gradient plus a sum
    of rows."""
    added, _ = scipy.optimize.nnls(jacobian.T, -gradient)
    return gradient + added @ jacobian


@quick
@given(
    st.sampled_from(SHAPES),
    st.sampled_from(("any", "opposed", "dependent")),
    st.integers(0, 10_000),
)
def test_upgrad_is_the_mean_of_projections(shape, kind, seed):
    jacobian = gradients(kind, shape, seed)
    expected = np.mean([onto_dual_cone(jacobian, gradient) for gradient in jacobian], axis=0)
    ours = direction(ls.UPGrad(), jacobian)
    assert np.allclose(ours, expected, rtol=1e-3, atol=1e-3 * np.abs(jacobian).max())


@pytest.mark.slow
@quick
@given(
    st.sampled_from(SHAPES),
    st.sampled_from(("any", "opposed", "dependent")),
    st.integers(0, 10_000),
)
def test_dualproj_is_the_projected_mean(shape, kind, seed):
    jacobian = gradients(kind, shape, seed)
    expected = onto_dual_cone(jacobian, jacobian.mean(axis=0))
    ours = direction(ls.multitask.DualProj(), jacobian)
    # Squared lengths are known to the rounding error of the Gramian, so that a direction which is a
    # small difference of long gradients is known to the root of it: 1e-11 in double precision.
    single = jnp.asarray(jacobian, jnp.float32)
    present = jnp.ones(len(jacobian), bool)
    weights = ls.multitask.DualProj().weights(single @ single.T, present, key=jr.key(0))
    lengths = float((jnp.abs(weights) * jnp.linalg.norm(single, axis=1)).sum())
    rounding = np.sqrt(np.finfo(np.float32).eps) * lengths
    scale = np.abs(jacobian).max()
    assert np.allclose(ours, expected, rtol=1e-3, atol=max(1e-3 * scale, rounding))


@quick
@given(good_gradients, st.integers(0, 10_000))
def test_upgrad_is_linear_in_the_scale_of_each_gradient(jacobian, seed):
    """The direction of scaled gradients is the scaled sum of their contributions."""
    one, two = np.random.default_rng(seed).uniform(0.1, 3, (2, len(jacobian)))
    first, second, together = (
        direction(ls.UPGrad(), scale[:, None] * jacobian) for scale in (one, two, one + two)
    )
    assert np.allclose(first + second, together, rtol=1e-4, atol=1e-4 * np.abs(jacobian).max())


@pytest.mark.parametrize("name", ("UPGrad", "DualProj"))
@quick
@given(good_gradients)
def test_without_conflict_projections_are_the_mean(name, jacobian):
    jacobian = np.abs(jacobian)
    ours = direction(BALANCERS[name], jacobian)
    assert np.allclose(ours, jacobian.mean(axis=0), rtol=1e-5, atol=1e-6)


# PCGrad


@quick
@given(good_gradients, st.integers(0, 100))
def test_pcgrad_without_conflict_is_the_sum(jacobian, seed):
    jacobian = np.abs(jacobian)
    assert np.allclose(direction(ls.PCGrad(), jacobian, seed), jacobian.sum(axis=0), rtol=1e-5)


@quick
@given(st.integers(0, 10_000))
def test_pcgrad_of_two_tasks_is_the_sum_of_both_projections(seed):
    one, two = gradients("opposed", (2, 3), seed)
    conflict = min(one @ two, 0)
    expected = one - conflict / (two @ two) * two + two - conflict / (one @ one) * one
    assert np.allclose(direction(ls.PCGrad(), np.stack([one, two])), expected, rtol=1e-4, atol=1e-5)


def test_pcgrad_meets_tasks_in_every_order():
    """Each of three tasks meets the others in one order or the other, with equal chances."""
    jacobian = np.array([[-1.0, -1.0, 0.5], [1.0, 0.0, -0.3], [0.6, 0.8, -0.9]])

    def slowly(task, order):
        mixed = jacobian[task]
        for other in order:
            conflict = min(mixed @ jacobian[other], 0)
            mixed = mixed - conflict / (jacobian[other] @ jacobian[other]) * jacobian[other]
        return mixed

    others = ((1, 2), (0, 2), (0, 1))
    ways = [
        [slowly(task, order) for order in (pair, pair[::-1])] for task, pair in enumerate(others)
    ]
    expected = np.stack([sum(way) for way in itertools.product(*ways)])
    ours = np.stack([direction(ls.PCGrad(), jacobian, seed) for seed in range(200)])
    which = np.abs(ours[:, None] - expected).max(axis=2).argmin(axis=1)
    assert np.allclose(ours, expected[which], atol=1e-5)
    for task in range(3):
        assert 70 <= (which >> task & 1).sum() <= 130  # four standard deviations


# CAGrad


@pytest.mark.slow
@quick
@given(
    st.sampled_from(SHAPES[:3]),
    st.sampled_from(("any", "opposed")),
    st.integers(0, 10_000),
    st.floats(0.1, 0.9),
)
def test_cagrad_helps_the_worst_off_task_most(shape, kind, seed, c):
    jacobian = gradients(kind, shape, seed)
    mean, tasks = jacobian.mean(axis=0), len(jacobian)
    ours = direction(cagrad(c), jacobian)
    radius = c * np.linalg.norm(mean)
    assert np.linalg.norm(ours - mean) <= radius * (1 + 1e-3) + 1e-5

    def dual(weights):
        return (weights @ jacobian) @ mean + radius * np.linalg.norm(weights @ jacobian)

    best = scipy.optimize.minimize(
        dual,
        np.full(tasks, 1 / tasks),
        bounds=[(0, None)] * tasks,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    # Weak duality: no direction in the ball can help the worst-off task by more than this.
    assert (jacobian @ ours).min() >= best.fun - 1e-3 * (jacobian**2).sum(axis=1).max()


@quick
@given(good_gradients)
def test_cagrad_with_no_room_is_the_mean(jacobian):
    ours = direction(cagrad(0.0), jacobian)
    assert np.allclose(ours, jacobian.mean(axis=0), rtol=1e-5, atol=1e-6)


@quick
@given(st.integers(0, 10_000))
def test_cagrad_with_much_room_has_the_direction_of_mgda(seed):
    jacobian = gradients("any", (5, 9), seed)
    far, short = direction(cagrad(1e4), jacobian), direction(ls.MGDA(), jacobian)
    assert far @ short >= 0.999 * np.linalg.norm(far) * np.linalg.norm(short)


def test_cagrad_of_opposite_gradients_is_a_shorter_mean():
    ours = direction(cagrad(0.4), np.array([[3.0, 0.0], [-1.0, 0.0]]))
    assert np.allclose(ours, [0.6, 0.0], atol=1e-5)


# IMTL-G


@quick
@given(good_gradients)
def test_imtlg_projects_equally_onto_all_gradients(jacobian):
    ours = direction(ls.IMTLG(), jacobian)
    projections = jacobian @ ours / np.linalg.norm(jacobian, axis=1)
    weights = weights_of(ls.IMTLG(), jacobian)
    size = np.abs(weights) @ np.linalg.norm(jacobian, axis=1)
    assert np.ptp(projections) <= 1e-4 * size
    assert np.isclose(weights.sum(), 1, atol=1e-5 * np.abs(weights).sum())


@pytest.mark.parametrize("tasks, numbers", ((5, 40), (30, 200), (30, 20)))
def test_the_inverse_of_imtlg_is_the_pseudo_inverse(tasks, numbers):
    """By a root where the matrix has full rank beyond rounding, by eigenvalues elsewhere."""
    rows = np.random.default_rng(0).normal(size=(tasks, numbers))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = jnp.asarray(rows @ rows.T, jnp.float32)
    weights = _imtlg.impartial(cosines)
    np.testing.assert_allclose(weights, _imtlg._by_eigenvalues(cosines), rtol=1e-3, atol=1e-4)
    if tasks < numbers:
        exact = np.linalg.solve(np.asarray(cosines, np.float64), np.ones(tasks))
        np.testing.assert_allclose(weights, exact, rtol=2e-5, atol=2e-6)


def test_rounding_decides_on_a_part_of_imtlg_where_gradients_are_nearly_dependent():
    """Eigenvalues fall through the rounding error without a gap, as for many tasks on a small
    network: the same gradients, with the parameters in another order, give another direction. To
    fade out what rounding decides would change it ten times less, and make projections less
    equal, which is what the method is for."""
    columns, changes = np.linspace(-0.2, 1.2, 400), []
    for seed in range(9):
        random = np.random.default_rng(seed)
        centres = random.uniform(0, 1, (50, 1))
        jacobian = random.normal(size=(50, 1)) * np.exp(-((columns - centres) ** 2) / 0.005)
        order = random.permutation(400)
        ours, other = (direction(ls.IMTLG(), jacobian[:, o]) for o in (slice(None), order))
        changes.append(np.linalg.norm(other - ours[order]) / np.linalg.norm(ours))
    assert 1e-4 < np.median(changes) < 0.1


# Nash-MTL


@quick
@given(st.integers(0, 10_000), st.sampled_from(SCALES))
def test_nash_mtl_of_two_tasks_halves_the_angle(seed, scale):
    jacobian = gradients("any", (2, 3), seed) * [[scale], [1.0]]
    units = jacobian / np.linalg.norm(jacobian, axis=1, keepdims=True)
    bisector = units.sum(axis=0) / np.linalg.norm(units.sum(axis=0))
    ours = direction(ls.NashMTL(), jacobian)
    assert np.allclose(ours / np.linalg.norm(ours), bisector, atol=2e-4)


@quick
@given(good_gradients)
def test_nash_mtl_solves_its_equation(jacobian):
    """The gains `g_i d` are one over the weights, up to the length of the authors' code."""
    weights = weights_of(UNCLIPPED, jacobian)
    gramian = jacobian @ jacobian.T
    assert np.allclose(weights * (gramian @ weights), np.linalg.norm(gramian), rtol=1e-3)


@quick
@given(good_gradients, st.floats(0.1, 10))
def test_nash_mtl_is_clipped_at_its_largest_norm(jacobian, most):
    free = direction(UNCLIPPED, jacobian)
    clipped = direction(ls.NashMTL(max_norm=jnp.asarray(most, jnp.float32)), jacobian)
    assert np.allclose(clipped, free * min(1, most / np.linalg.norm(free)), rtol=1e-3, atol=1e-5)


# FairGrad


@quick
@given(good_gradients, st.sampled_from((0.5, 1.0, 2.0, 5.0)))
def test_fairgrad_solves_its_equation(jacobian, alpha):
    weights = weights_of(fairgrad(alpha), jacobian)
    assert np.allclose(weights ** (1 / alpha) * (jacobian @ jacobian.T @ weights), 1, rtol=1e-3)


@quick
@given(good_gradients)
def test_fairgrad_of_degree_one_has_the_direction_of_nash_mtl(jacobian):
    fair, nash = direction(fairgrad(1.0), jacobian), direction(UNCLIPPED, jacobian)
    assert np.allclose(fair / np.linalg.norm(fair), nash / np.linalg.norm(nash), atol=1e-3)


@quick
@given(good_gradients)
def test_fairgrad_of_degree_zero_is_the_mean(jacobian):
    ours = direction(ls.multitask.FairGrad(alpha=0.0), jacobian)
    assert np.allclose(ours, jacobian.mean(axis=0), rtol=1e-5, atol=1e-6)


# ConFIG


@quick
@given(good_gradients)
def test_config_makes_the_same_angle_with_all_gradients(jacobian):
    ours = direction(ls.multitask.ConFIG(), jacobian)
    norms = np.linalg.norm(jacobian, axis=1)
    cosines = jacobian @ ours / norms / np.linalg.norm(ours)
    assert np.ptp(cosines) <= 1e-3 and cosines.min() > 0
    assert np.isclose(np.linalg.norm(ours), cosines @ norms, rtol=1e-3)


# Aligned-MTL


@quick
@given(
    st.sampled_from(SHAPES[:3]), st.integers(0, 10_000), st.sampled_from(ls.multitask.AlignedScale)
)
def test_aligned_mtl_is_the_mean_of_gradients_of_condition_number_one(shape, seed, scale):
    jacobian = gradients("any", shape, seed)
    left, singular, right = np.linalg.svd(jacobian, full_matrices=False)
    length = {
        ls.multitask.AlignedScale.MIN: singular.min(),
        ls.multitask.AlignedScale.MEDIAN: np.sort(singular)[(len(singular) - 1) // 2],
        ls.multitask.AlignedScale.RMSE: np.sqrt((singular**2).mean()),
    }[scale]
    aligned = length * left @ right
    assert np.isclose(np.linalg.cond(aligned), 1)
    ours = direction(ls.multitask.AlignedMTL(scale=scale), jacobian)
    assert np.allclose(ours, aligned.mean(axis=0), rtol=1e-3, atol=1e-3)


# GradVac


@quick
@given(st.integers(0, 10_000))
def test_gradient_vaccine_of_two_tasks_starts_as_pcgrad(seed):
    jacobian = gradients("opposed", (2, 3), seed)
    vaccinated, projected = (
        direction(method, jacobian) for method in (ls.multitask.GradVac(num_tasks=2), ls.PCGrad())
    )
    assert np.allclose(vaccinated, projected, rtol=1e-3, atol=1e-3 * np.abs(projected).max())


@quick
@given(st.integers(0, 10_000), st.floats(0.1, 0.9))
def test_gradient_vaccine_rotates_gradients_until_they_agree_as_usual(seed, usual):
    """The cosine of each of two gradients with the other becomes the remembered one, if it was
    less."""
    one, two = gradients("any", (2, 3), seed)
    stats = ls.multitask.TaskStats(jnp.ones(2), jnp.ones(2, bool), jnp.arange(2))
    gramian = np.stack([one, two]) @ np.stack([one, two]).T
    cosine = gramian[0, 1] / np.sqrt(gramian[0, 0] * gramian[1, 1])
    memory = jnp.full((2, 2), usual, jnp.float32)
    method = ls.multitask.GradVac(num_tasks=2, beta=jnp.asarray(0.25, jnp.float32))
    weights, learnt = step(method, jnp.asarray(gramian, jnp.float32), stats, memory, jr.key(0))
    averages = np.asarray(learnt)[[0, 1], [1, 0]]
    assert np.allclose(averages, usual + 0.25 * (cosine - usual), atol=1e-3)
    if cosine < usual:
        rotated = [one + (weights[1] - 1) * two, two + (weights[0] - 1) * one]
        for mixed, other in zip(rotated, (two, one), strict=True):
            lengths = np.linalg.norm(mixed) * np.linalg.norm(other)
            assert np.isclose(mixed @ other / lengths, usual, atol=2e-3)


# Krum


@quick
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_krum_selects_the_gradients_with_the_nearest_neighbours(seed, num_selected):
    jacobian = gradients("any", (5, 9), seed)
    squares = ((jacobian[:, None] - jacobian[None]) ** 2).sum(axis=2)
    scores = np.sort(squares, axis=1)[:, 1:3].sum(axis=1)  # of five with one wrong, two neighbours
    expected = np.isin(np.arange(5), np.argsort(scores)[:num_selected]) / num_selected
    krum = ls.multitask.Krum(num_wrong=1, num_selected=num_selected)
    assert np.allclose(weights_of(krum, jacobian), expected)


def test_krum_ignores_an_outlier():
    jacobian = gradients("any", (5, 9), 0) * 0.01 + 1
    jacobian[3] = -1e4
    assert weights_of(ls.multitask.Krum(num_wrong=1, num_selected=3), jacobian)[3] == 0


# Weights with a state


step = eqx.filter_jit(
    lambda method, gramian, stats, state, key: method.weigh(gramian, stats, state, key=key)
)
FIVE = ls.multitask.TaskStats(jnp.ones(5), jnp.ones(5, bool), jnp.arange(5))


def gramian_and_start(method, seed):
    jacobian = gradients("any", (5, 9), seed)
    return jacobian, jnp.asarray(jacobian @ jacobian.T, jnp.float32), method.init(jnp.ones(9))


def modo(gamma, rho):
    gamma, rho = jnp.asarray(gamma, jnp.float32), jnp.asarray(rho, jnp.float32)
    return ls.multitask.MoDo(num_tasks=5, gamma=gamma, rho=rho)


def test_modo_approaches_the_shortest_mixture():
    method = modo(gamma=0.05, rho=0.0)
    jacobian, gramian, state = gramian_and_start(method, 0)
    for _ in range(300):
        weights, state = step(method, gramian, FIVE, state, jr.key(0))
    assert np.allclose(np.asarray(weights) @ jacobian, direction(ls.MGDA(), jacobian), atol=1e-2)


def test_modo_takes_one_projected_step():
    method = modo(gamma=0.01, rho=0.5)
    _, gramian, state = gramian_and_start(method, 1)
    weights, _ = step(method, gramian, FIVE, state, jr.key(0))
    wanted = 0.2 - 0.01 * (np.asarray(gramian).mean(axis=1) + 0.1)
    nearest = scipy.optimize.brentq(lambda level: np.maximum(wanted - level, 0).sum() - 1, -10, 10)
    assert np.allclose(weights, np.maximum(wanted - nearest, 0), atol=1e-5)


def test_sdmgrad_approaches_the_shortest_mixture_with_the_mean():
    """Its objective is that of MGDA on gradients to which the mean has been added."""
    jacobian, gramian, state = gramian_and_start(ls.multitask.SDMGrad(num_tasks=5), 0)
    method = ls.multitask.SDMGrad(num_tasks=5, strength=0.5, lr=jnp.asarray(0.1, jnp.float32))
    for _ in range(30):
        weights, state = step(method, gramian, FIVE, state, jr.key(0))
    towards = direction(ls.MGDA(), jacobian + 0.5 * jacobian.mean(axis=0)) / 1.5
    assert np.allclose(np.asarray(weights) @ jacobian, towards, atol=1e-3)


def test_averaged_weights_are_averages_of_those_of_the_inner_method():
    method = ls.multitask.CRMOGM(ls.MGDA(), num_tasks=5, alpha=0.75)
    jacobian, gramian, state = gramian_and_start(method, 0)
    first, state = step(method, gramian, FIVE, state, jr.key(0))
    assert np.allclose(first, weights_of(ls.MGDA(), jacobian))
    other = gradients("any", (5, 9), 1)
    second, _ = step(method, jnp.asarray(other @ other.T, jnp.float32), FIVE, state, jr.key(0))
    expected = 0.75 * np.asarray(first) + 0.25 * weights_of(ls.MGDA(), other)
    assert np.allclose(second, expected, atol=1e-5)


# PCD


@quick
@given(st.integers(0, 10_000), st.floats(0.01, 0.3), st.sampled_from((0, 3)))
def test_priority_constrained_descent_is_the_nearest_direction_that_gives_all_their_share(
    seed, tau, primary
):
    """In the first step gradients are divided by their lengths, as they are here for SciPy."""
    jacobian = gradients("any", (5, 9), seed)
    units = jacobian / np.linalg.norm(jacobian, axis=1, keepdims=True)
    others = np.delete(units, primary, axis=0)
    best = scipy.optimize.minimize(
        lambda d: ((d - units[primary]) ** 2).sum(),
        units[primary],
        jac=lambda d: 2 * (d - units[primary]),
        constraints={"type": "ineq", "fun": lambda d: others @ d - tau, "jac": lambda d: others},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    ).x
    method = ls.multitask.PCD(num_tasks=5, primary=primary, tau=jnp.asarray(tau, jnp.float32))
    ours = direction(method, jacobian)
    norm = np.linalg.norm(jacobian[primary])
    assert np.isclose(np.linalg.norm(ours), norm, rtol=1e-3)
    assert np.allclose(ours / norm, best / np.linalg.norm(best), atol=2e-3)


def test_shares_that_cannot_be_given_to_all_are_given_to_none():
    jacobian = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, -3.0, 0.0]])
    assert np.allclose(direction(ls.multitask.PCD(num_tasks=3), jacobian), jacobian[0], atol=1e-5)


def test_a_batch_without_the_primary_task_moves_nothing():
    method = ls.multitask.PCD(num_tasks=5, primary=4)
    assert np.array_equal(direction(method, np.eye(2, 3)), np.zeros(3))


BAD = {
    "CAGrad: `c=-1`": lambda: ls.CAGrad(c=-1),
    "NashMTL: `max_norm=0`": lambda: ls.NashMTL(max_norm=0),
    "FairGrad: `alpha=-2`": lambda: ls.multitask.FairGrad(alpha=-2),
    "Krum: `num_wrong=-1`": lambda: ls.multitask.Krum(num_wrong=-1),
    "Krum: `num_selected=0`": lambda: ls.multitask.Krum(num_selected=0),
    "Krum: `num_wrong=3` of 5 tasks": lambda: ls.multitask.Krum(num_wrong=3).direction(
        jnp.ones((5, 2))
    ),
    "GradVac: `num_tasks=0`": lambda: ls.multitask.GradVac(num_tasks=0),
    "GradVac: `beta=1.5`": lambda: ls.multitask.GradVac(num_tasks=2, beta=1.5),
    "MoDo: `gamma=0`": lambda: ls.multitask.MoDo(num_tasks=2, gamma=0),
    "SDMGrad: `momentum=1.0`": lambda: ls.multitask.SDMGrad(num_tasks=2, momentum=1.0),
    "CRMOGM: `alpha=2`": lambda: ls.multitask.CRMOGM(ls.MGDA(), num_tasks=2, alpha=2),
    "PCD: `tau=1.5`": lambda: ls.multitask.PCD(num_tasks=2, tau=1.5),
    "PCD: `beta=1.0`": lambda: ls.multitask.PCD(num_tasks=2, beta=1.0),
    "PCD: `primary=2`": lambda: ls.multitask.PCD(num_tasks=2, primary=2),
}


@pytest.mark.parametrize("words", BAD)
def test_an_error_names_what_is_wrong(words):
    with pytest.raises(ls.InputError, match=words):
        BAD[words]()


# Kernels of a GPU


@pytest.mark.parametrize("tasks", (3, 20))
def test_first_steps_in_one_kernel_are_those_of_plain_ones(tasks):
    """Blocks are powers of two, and what pads them stays zero; `vmap` makes one of each problem."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(tasks, 2 * tasks))
    linear = jnp.asarray(random.normal(size=(2, tasks)) - 1, jnp.float32)
    matrix = jnp.asarray(rows @ rows.T / (2 * tasks), jnp.float32)
    rest = jnp.asarray(1e-7), jnp.zeros(tasks)
    forms = _quadratic.quick, functools.partial(_quadratic.quick_in_one_kernel, interpret=True)
    plain, kernel = (jax.vmap(lambda b, f=f: f(matrix, b, *rest))(linear) for f in forms)
    assert (plain > 0).any() and (plain == 0).any()
    np.testing.assert_allclose(kernel, plain, rtol=1e-4, atol=1e-5)


def test_a_gpu_takes_its_first_steps_in_one_kernel(monkeypatch):
    monkeypatch.setattr(_quadratic.jax, "default_backend", lambda: "gpu")
    for tasks, kernels in ((20, 1), (129, 0)):
        program = jax.make_jaxpr(_quadratic.nonnegative_minimum)(jnp.eye(tasks), jnp.ones(tasks))
        assert str(program).count("pallas_call[") == kernels
