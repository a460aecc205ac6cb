"""What the papers promise of balancers that look at the Gramian, on gradients of every kind."""

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings, strategies as st

import learnset as ls

BALANCERS = {
    "MGDA": ls.MGDA(),
    "PCGrad": ls.PCGrad(),
    "CAGrad": ls.CAGrad(),
    "IMTL-G": ls.IMTLG(),
    "Nash-MTL": ls.NashMTL(),
    "UPGrad": ls.UPGrad(),
    "DualProj": ls.DualProj(),
}
FREE = {"Nash-MTL": ls.NashMTL(max_norm=math.inf)}  # of its cut
RANDOM = {"PCGrad"}
HURT_NONE = ("MGDA", "UPGrad", "DualProj", "Nash-MTL")
SHAPES = ((1, 4), (2, 3), (5, 9), (5, 3))  # tasks, parameters; the last has dependent gradients
KINDS = ("any", "opposed", "stationary", "dependent", "unequal", "one zero", "all zero")
SCALES = (1e-10, 1e-5, 1.0, 1e5, 1e15)
EPS = float(np.finfo(np.float32).eps)


@eqx.filter_jit
def weigh(method, gramian, present, key):
    """Compiled once for each method and number of tasks."""
    tasks = len(gramian)
    seen = ls.Seen(jnp.ones(tasks, gramian.dtype), present, jnp.arange(tasks))
    return method.weigh(gramian, seen, method.init(jnp.ones(3, gramian.dtype)), key=key)[0]


def weights_of(method, jacobian, seed=0, present=None, dtype=np.float32):
    jacobian = np.asarray(jacobian, dtype)
    present = np.ones(len(jacobian), bool) if present is None else present
    jacobian = np.where(present[:, None], jacobian, 0)
    weights = weigh(method, jnp.asarray(jacobian @ jacobian.T), jnp.asarray(present), jr.key(seed))
    assert weights.dtype == dtype
    return np.where(present, np.asarray(weights, np.float64), 0)


def direction(method, jacobian, seed=0, present=None, dtype=np.float32):
    """In the given precision up to the weights."""
    return weights_of(method, jacobian, seed, present, dtype) @ jacobian


def gradients(kind, shape, seed):
    """A gradient for each task, exact in single precision."""
    random, (tasks, params) = np.random.default_rng(seed), shape
    jacobian = random.normal(size=shape)
    if kind == "opposed":  # there is little that helps all
        jacobian -= 0.98 * jacobian.mean(axis=0)
    if kind == "stationary":  # weights that are all positive take them to zero
        jacobian[-1] = -random.uniform(0.5, 2, max(tasks - 1, 1)) @ jacobian[: max(tasks - 1, 1)] * (tasks > 1)
    if kind == "dependent":
        jacobian = random.normal(size=(tasks, 1)) @ random.normal(size=(1, params))
    if kind == "unequal":
        jacobian *= 10.0 ** random.uniform(-8, 0, size=(tasks, 1))
    if kind == "one zero":
        jacobian[0] = 0
    if kind == "all zero":
        jacobian[:] = 0
    return jacobian.astype(np.float32).astype(np.float64)


any_gradients = st.builds(
    lambda kind, shape, seed: gradients(kind, shape, seed),
    st.sampled_from(KINDS),
    st.sampled_from(SHAPES),
    st.integers(0, 10_000),
)
good_gradients = st.builds(
    lambda shape, seed: gradients("any", shape, seed), st.sampled_from(SHAPES[:3]), st.integers(0, 10_000)
)
for_each = pytest.mark.parametrize("name", BALANCERS)
quick = settings(max_examples=25, deadline=None)


@for_each
@quick
@given(any_gradients, st.sampled_from(SCALES))
def test_directions_are_always_finite(name, jacobian, scale):
    assert np.isfinite(direction(BALANCERS[name], scale * jacobian)).all()


@for_each
@quick
@given(good_gradients, st.sampled_from(SCALES))
def test_gradients_of_any_size_are_balanced_alike(name, jacobian, scale):
    """A power of two leaves all rounding as it is; Nash-MTL's length alone depends on it."""
    power = 2.0 ** round(math.log2(scale))
    small, large = (direction(BALANCERS[name], factor * jacobian) for factor in (1.0, power))
    if name == "Nash-MTL":
        small, large = small / np.linalg.norm(small), large / np.linalg.norm(large) * power
    assert np.allclose(large / power, small, rtol=1e-5, atol=1e-6 * np.abs(small).max())


@for_each
@quick
@given(good_gradients)
def test_a_single_task_is_plain_training_up_to_length(name, jacobian):
    gradient = jacobian[:1]
    norm = np.linalg.norm(gradient)
    length = {"CAGrad": 1.5, "Nash-MTL": 1 / max(norm, 1)}.get(name, 1.0)
    assert np.allclose(direction(BALANCERS[name], gradient), length * gradient[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in BALANCERS if name not in RANDOM])
@quick
@given(good_gradients, st.randoms())
def test_the_order_of_tasks_does_not_matter(name, jacobian, random):
    order = list(range(len(jacobian)))
    random.shuffle(order)
    one, other = direction(BALANCERS[name], jacobian), direction(BALANCERS[name], jacobian[order])
    assert np.allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(jacobian).max())


@for_each
@quick
@given(st.sampled_from(SHAPES[:2]), st.integers(0, 10_000), st.permutations(range(5)))
def test_absent_tasks_change_nothing(name, shape, seed, places):
    """Three or four of five are absent. Two that are there need no order in which to meet."""
    jacobian = gradients("any", shape, seed)
    there = np.sort(places[: len(jacobian)])
    padded = np.full((5, jacobian.shape[1]), 7.0)
    padded[there] = jacobian
    some = direction(BALANCERS[name], padded, present=np.isin(np.arange(5), there))
    assert np.allclose(some, direction(BALANCERS[name], jacobian), rtol=1e-4, atol=1e-5 * np.abs(jacobian).max())


@for_each
def test_no_task_at_all_moves_nothing(name):
    assert np.array_equal(direction(BALANCERS[name], np.ones((5, 4)), present=np.zeros(5, bool)), np.zeros(4))


@for_each
def test_directions_in_double_precision_are_those_in_single(name):
    jacobian = gradients("any", (5, 9), 0)
    with jax.enable_x64(True):
        double = direction(BALANCERS[name], jacobian, dtype=np.float64)
    assert np.allclose(direction(BALANCERS[name], jacobian), double, rtol=1e-4, atol=1e-5)


@for_each
def test_many_at_once_are_as_one_by_one(name):
    many = np.stack([gradients(kind, (5, 9), seed) for seed, kind in enumerate(("any", "unequal", "any"))])
    keys = jr.split(jr.key(0), len(many))
    aggregate = eqx.filter_jit(eqx.filter_vmap(lambda jacobian, key: BALANCERS[name].direction(jacobian, key=key)))
    together = aggregate(jnp.asarray(many, jnp.float32), keys)
    for jacobian, key, found in zip(many, keys, together, strict=True):
        gramian = jnp.asarray(jacobian @ jacobian.T, jnp.float32)
        alone = np.asarray(weigh(BALANCERS[name], gramian, jnp.ones(5, bool), key)) @ jacobian
        assert np.allclose(found, alone, rtol=1e-4, atol=1e-4 * np.abs(alone).max())


@pytest.mark.parametrize("name", HURT_NONE)
@quick
@given(any_gradients, st.sampled_from(SCALES))
def test_directions_hurt_no_task(name, jacobian, scale):
    """Up to the rounding error of the sum that the direction is."""
    method, scaled = BALANCERS[name], scale * jacobian
    found = direction(method, scaled)
    norms = np.linalg.norm(scaled, axis=1)
    weights = weights_of(method, scaled)
    assert (scaled @ found >= -20 * EPS * norms * max(np.abs(weights) @ norms, np.linalg.norm(found))).all()


@pytest.mark.parametrize("name", ("MGDA", "UPGrad", "DualProj", "Nash-MTL"))
@quick
@given(st.sampled_from(SHAPES[1:]), st.integers(0, 10_000))
def test_where_no_direction_helps_all_tasks_nothing_moves(name, shape, seed):
    jacobian = gradients("stationary", shape, seed)
    norms = np.linalg.norm(jacobian, axis=1)
    # The Gramian knows lengths to the root of its rounding error. Nash-MTL's weights grow until that stops them.
    length = np.sqrt(len(norms)) * np.linalg.norm(jacobian @ jacobian.T) ** 0.5 if name == "Nash-MTL" else norms.max()
    few = 40 if name == "Nash-MTL" else 4
    assert np.linalg.norm(direction(FREE.get(name, BALANCERS[name]), jacobian)) <= few * math.sqrt(EPS) * length


@pytest.mark.parametrize("name", ("MGDA", "PCGrad", "CAGrad", "IMTL-G", "UPGrad", "DualProj"))
def test_gradients_of_zero_give_zero(name):
    assert np.array_equal(direction(BALANCERS[name], np.zeros((3, 4))), np.zeros(4))


# MGDA


@quick
@given(st.sampled_from(SHAPES), st.sampled_from(("any", "opposed", "dependent")), st.integers(0, 10_000))
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
    found = direction(ls.MGDA(), jacobian)
    assert found @ found <= best.fun + 1e-5 * (jacobian**2).sum(axis=1).max()
    weights = weights_of(ls.MGDA(), jacobian)
    assert (weights >= 0).all() and np.isclose(weights.sum(), 1, rtol=1e-5)


@quick
@given(good_gradients)
def test_mgda_serves_every_task_at_least_as_much_as_its_own_square(jacobian):
    found = direction(ls.MGDA(), jacobian)
    assert (jacobian @ found >= found @ found - 1e-5 * (jacobian**2).sum(axis=1).max()).all()


# The projections


def onto_dual_cone(jacobian, gradient):
    """The nearest vector whose product with no row is negative, by SciPy: the gradient, and what of the rows must be added."""
    added, _ = scipy.optimize.nnls(jacobian.T, -gradient)
    return gradient + added @ jacobian


@quick
@given(st.sampled_from(SHAPES), st.sampled_from(("any", "opposed", "dependent")), st.integers(0, 10_000))
def test_upgrad_is_the_mean_of_projections(shape, kind, seed):
    jacobian = gradients(kind, shape, seed)
    expected = np.mean([onto_dual_cone(jacobian, gradient) for gradient in jacobian], axis=0)
    assert np.allclose(direction(ls.UPGrad(), jacobian), expected, rtol=1e-3, atol=1e-3 * np.abs(jacobian).max())


@quick
@given(st.sampled_from(SHAPES), st.sampled_from(("any", "opposed", "dependent")), st.integers(0, 10_000))
def test_dualproj_is_the_projected_mean(shape, kind, seed):
    jacobian = gradients(kind, shape, seed)
    expected = onto_dual_cone(jacobian, jacobian.mean(axis=0))
    assert np.allclose(direction(ls.DualProj(), jacobian), expected, rtol=1e-3, atol=1e-3 * np.abs(jacobian).max())


@quick
@given(good_gradients, st.integers(0, 10_000))
def test_upgrad_is_linear_in_the_scale_of_each_gradient(jacobian, seed):
    """The direction of scaled gradients is the scaled sum of what each gradient alone contributes."""
    one, two = np.random.default_rng(seed).uniform(0.1, 3, (2, len(jacobian)))
    apart = direction(ls.UPGrad(), one[:, None] * jacobian) + direction(ls.UPGrad(), two[:, None] * jacobian)
    together = direction(ls.UPGrad(), (one + two)[:, None] * jacobian)
    assert np.allclose(apart, together, rtol=1e-4, atol=1e-4 * np.abs(jacobian).max())


@pytest.mark.parametrize("name", ("UPGrad", "DualProj"))
@quick
@given(good_gradients)
def test_without_conflict_projections_are_the_mean(name, jacobian):
    jacobian = np.abs(jacobian)
    assert np.allclose(direction(BALANCERS[name], jacobian), jacobian.mean(axis=0), rtol=1e-5, atol=1e-6)


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
    """Each of three tasks meets the two others in one order or the other: eight results, found as often as each other."""
    jacobian = np.array([[-1.0, -1.0, 0.5], [1.0, 0.0, -0.3], [0.6, 0.8, -0.9]])

    def slowly(task, order):
        mixed = jacobian[task]
        for other in order:
            mixed = mixed - min(mixed @ jacobian[other], 0) / (jacobian[other] @ jacobian[other]) * jacobian[other]
        return mixed

    others = ((1, 2), (0, 2), (0, 1))
    ways = [[slowly(task, order) for order in (pair, pair[::-1])] for task, pair in enumerate(others)]
    expected = np.stack([sum(way) for way in itertools.product(*ways)])
    found = np.stack([direction(ls.PCGrad(), jacobian, seed) for seed in range(200)])
    which = np.abs(found[:, None] - expected).max(axis=2).argmin(axis=1)
    assert np.allclose(found, expected[which], atol=1e-5)
    for task in range(3):
        assert 70 <= (which >> task & 1).sum() <= 130  # four standard deviations


# CAGrad


@quick
@given(st.sampled_from(SHAPES[:3]), st.sampled_from(("any", "opposed")), st.integers(0, 10_000), st.floats(0.1, 0.9))
def test_cagrad_serves_the_worst_served_task_best(shape, kind, seed, c):
    jacobian = gradients(kind, shape, seed)
    mean, tasks = jacobian.mean(axis=0), len(jacobian)
    found = direction(ls.CAGrad(c=jnp.asarray(c, jnp.float32)), jacobian)
    radius = c * np.linalg.norm(mean)
    assert np.linalg.norm(found - mean) <= radius * (1 + 1e-3) + 1e-5

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
    # Weak duality: no direction in the ball can serve the worst-served task more than any weights say.
    assert (jacobian @ found).min() >= best.fun - 1e-3 * (jacobian**2).sum(axis=1).max()


@quick
@given(good_gradients)
def test_cagrad_with_no_room_is_the_mean(jacobian):
    assert np.allclose(direction(ls.CAGrad(c=0.0), jacobian), jacobian.mean(axis=0), rtol=1e-5, atol=1e-6)


@quick
@given(st.integers(0, 10_000))
def test_cagrad_with_all_room_goes_where_mgda_goes(seed):
    jacobian = gradients("any", (5, 9), seed)
    far, short = direction(ls.CAGrad(c=1e4), jacobian), direction(ls.MGDA(), jacobian)
    assert far @ short >= 0.999 * np.linalg.norm(far) * np.linalg.norm(short)


def test_cagrad_of_opposite_gradients_is_a_shorter_mean():
    found = direction(ls.CAGrad(c=0.4), np.array([[3.0, 0.0], [-1.0, 0.0]]))
    assert np.allclose(found, [0.6, 0.0], atol=1e-5)


def test_an_error_names_what_is_wrong():
    with pytest.raises(ls.InputError, match="CAGrad: `c=-1`"):
        ls.CAGrad(c=-1)
    with pytest.raises(ls.InputError, match="NashMTL: `max_norm=0`"):
        ls.NashMTL(max_norm=0)


# IMTL-G


@quick
@given(good_gradients)
def test_imtlg_projects_equally_onto_all_gradients(jacobian):
    found = direction(ls.IMTLG(), jacobian)
    projections = jacobian @ found / np.linalg.norm(jacobian, axis=1)
    weights = weights_of(ls.IMTLG(), jacobian)
    size = np.abs(weights) @ np.linalg.norm(jacobian, axis=1)
    assert np.ptp(projections) <= 1e-4 * size
    assert np.isclose(weights.sum(), 1, atol=1e-5 * np.abs(weights).sum())


# Nash-MTL


@quick
@given(st.integers(0, 10_000), st.sampled_from(SCALES))
def test_nash_mtl_of_two_tasks_halves_the_angle(seed, scale):
    jacobian = gradients("any", (2, 3), seed) * [[scale], [1.0]]
    units = jacobian / np.linalg.norm(jacobian, axis=1, keepdims=True)
    bisector = units.sum(axis=0) / np.linalg.norm(units.sum(axis=0))
    found = direction(ls.NashMTL(), jacobian)
    assert np.allclose(found / np.linalg.norm(found), bisector, atol=2e-4)


@quick
@given(good_gradients)
def test_nash_mtl_solves_its_equation(jacobian):
    """The gains `g_i d` are one over the weights, up to the length that the authors' program gives."""
    weights = weights_of(ls.NashMTL(max_norm=math.inf), jacobian)
    gramian = jacobian @ jacobian.T
    assert np.allclose(weights * (gramian @ weights), np.linalg.norm(gramian), rtol=1e-3)


@quick
@given(good_gradients, st.floats(0.1, 10))
def test_nash_mtl_is_cut_at_its_largest_norm(jacobian, most):
    free = direction(ls.NashMTL(max_norm=math.inf), jacobian)
    cut = direction(ls.NashMTL(max_norm=jnp.asarray(most, jnp.float32)), jacobian)
    assert np.allclose(cut, free * min(1, most / np.linalg.norm(free)), rtol=1e-3, atol=1e-5)
