"""The promises of every balancer that weights tasks by the Gramian, on gradients of every kind."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st
from task_matrices import (
    any_gradients,
    direction,
    good_gradients,
    gradients,
    quick,
    SCALES,
    SHAPES,
    weigh,
)

import learnset as ls

BALANCERS = {
    "MGDA": ls.MGDA(),
    "PCGrad": ls.PCGrad(),
    "CAGrad": ls.CAGrad(),
    "IMTL-G": ls.IMTLG(),
    "Nash-MTL": ls.NashMTL(),
    "UPGrad": ls.UPGrad(),
    "DualProj": ls.multitask.DualProj(),
    "GradVac": ls.multitask.GradVac(num_tasks=5),
    "Aligned-MTL": ls.multitask.AlignedMTL(),
    "Aligned-MTL, median": ls.multitask.AlignedMTL(scale=ls.multitask.AlignedScale.MEDIAN),
    "Aligned-MTL, rmse": ls.multitask.AlignedMTL(scale=ls.multitask.AlignedScale.RMSE),
    "FairGrad": ls.multitask.FairGrad(alpha=2.0),
    "ConFIG": ls.multitask.ConFIG(),
    "Krum": ls.multitask.Krum(num_selected=2),
    # The authors' rate of 10 multiplies rounding from step to step.
    "SDMGrad": ls.multitask.SDMGrad(num_tasks=5, lr=0.1),
    "MoDo": ls.multitask.MoDo(num_tasks=5),
    "CR-MOGM": ls.multitask.CRMOGM(ls.MGDA(), num_tasks=5),
    "PCD": ls.multitask.PCD(num_tasks=5, eps=0.0),
}
RANDOM = {"PCGrad", "GradVac"}
BY_NUMBER = {"PCD"}  # for which tasks are not interchangeable
# The length of the direction for a single gradient of this norm, in units of it, if it is not one.
LENGTHS = {
    "CAGrad": lambda norm: 1.5,
    "Nash-MTL": lambda norm: 1 / max(norm, 1),
    "FairGrad": lambda norm: norm ** (-1 / 3 - 1),
}


@pytest.fixture(scope="module", params=BALANCERS)
def name(request):
    """All tests of one balancer run one after the other, and share what is compiled."""
    return request.param


@pytest.mark.slow
@quick
@given(any_gradients, st.sampled_from(SCALES))
def test_directions_are_always_finite(name, jacobian, scale):
    assert np.isfinite(direction(BALANCERS[name], scale * jacobian)).all()


@pytest.mark.slow
@quick
@given(good_gradients, st.sampled_from(SCALES))
def test_gradients_of_any_size_are_balanced_alike(name, jacobian, scale):
    """A power of two leaves nearly all rounding as it is."""
    if name == "MoDo":
        pytest.skip("its rate is for gradients that are not scaled")
    power = 2.0 ** round(math.log2(scale))
    small, large = (direction(BALANCERS[name], factor * jacobian) for factor in (1.0, power))
    if name in ("Nash-MTL", "FairGrad"):  # whose lengths follow laws of their own
        small, large = small / np.linalg.norm(small), large / np.linalg.norm(large) * power
    assert np.allclose(large / power, small, rtol=1e-4, atol=1e-5 * np.abs(small).max())


@quick
@given(good_gradients)
def test_a_single_task_is_plain_training_up_to_length(name, jacobian):
    gradient = jacobian[:1]
    norm = np.linalg.norm(gradient)
    length = LENGTHS.get(name, lambda norm: 1.0)(norm)
    assert np.allclose(
        direction(BALANCERS[name], gradient), length * gradient[0], rtol=1e-5, atol=1e-6
    )


@quick
@given(good_gradients, st.randoms())
def test_the_order_of_tasks_does_not_matter(name, jacobian, random):
    if name in RANDOM | BY_NUMBER:
        pytest.skip("here it does")
    order = list(range(len(jacobian)))
    random.shuffle(order)
    one, other = direction(BALANCERS[name], jacobian), direction(BALANCERS[name], jacobian[order])
    assert np.allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(jacobian).max())


@quick
@given(st.sampled_from(SHAPES[:2]), st.integers(0, 10_000), st.permutations(range(5)))
def test_absent_tasks_change_nothing(name, shape, seed, places):
    """Three or four of five are absent. Two that are present need no order in which to meet."""
    jacobian = gradients("any", shape, seed)
    present = np.sort(places[: len(jacobian)])
    if name in BY_NUMBER:
        present = np.sort([0, *(present[present != 0])])[: len(jacobian)]
    padded = np.full((5, jacobian.shape[1]), 7.0)
    padded[present] = jacobian
    some = direction(BALANCERS[name], padded, present=np.isin(np.arange(5), present))
    alone = direction(BALANCERS[name], jacobian)
    assert np.allclose(some, alone, rtol=1e-4, atol=1e-5 * np.abs(jacobian).max())


def test_a_batch_without_tasks_moves_nothing(name):
    nothing = direction(BALANCERS[name], np.ones((5, 4)), present=np.zeros(5, bool))
    assert np.array_equal(nothing, np.zeros(4))


@pytest.mark.slow
def test_directions_in_double_precision_are_those_in_single(name):
    jacobian = gradients("any", (5, 9), 0)
    with jax.enable_x64(True):
        double = direction(BALANCERS[name], jacobian, dtype=np.float64)
    assert np.allclose(direction(BALANCERS[name], jacobian), double, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_many_at_once_are_as_one_after_the_other(name):
    kinds = ("any", "unequal", "any")
    many = np.stack([gradients(kind, (5, 9), seed) for seed, kind in enumerate(kinds)])
    keys = jr.split(jr.key(0), len(many))
    aggregate = eqx.filter_jit(
        eqx.filter_vmap(lambda jacobian, key: BALANCERS[name].direction(jacobian, key=key))
    )
    together = aggregate(jnp.asarray(many, jnp.float32), keys)
    for jacobian, key, ours in zip(many, keys, together, strict=True):
        gramian = jnp.asarray(jacobian @ jacobian.T, jnp.float32)
        alone = np.asarray(weigh(BALANCERS[name], gramian, jnp.ones(5, bool), key)) @ jacobian
        assert np.allclose(ours, alone, rtol=1e-4, atol=1e-4 * np.abs(alone).max())
