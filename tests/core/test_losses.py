"""Losses: points and labels without weight do not exist."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from conftest import assert_close
from hypothesis import given, settings, strategies as st

import learnset as ls
from learnset.core._tree import all_finite

LOSSES = pytest.mark.parametrize("loss", (ls.mse, ls.gaussian_nll), ids=("mse", "gaussian_nll"))
value_and_grad = eqx.filter_jit(
    eqx.filter_value_and_grad(lambda predictor, loss, batch: loss(predictor, batch))
)


class Line(eqx.Module):
    """Two outputs that are linear in one input, with a standard deviation that depends on it."""

    slope: jax.Array = eqx.field(default_factory=lambda: jnp.array([0.5, -1.5]))

    def gaussian(self, x):
        return self.slope * x, jnp.exp(0.1 * self.slope * x)

    def __call__(self, x):
        return self.slope * x


def points(num, *, seed=0):
    x_key, y_key = jr.split(jr.key(seed))
    return jr.normal(x_key, (num, 1)), jr.normal(y_key, (num, 2))


def square_error(batch):
    """The mean squared error computed the slow way, label by label."""
    weight = np.broadcast_to(np.asarray(batch.weight).reshape(len(batch.x), -1), batch.y.shape)
    terms = [
        (weight[i, j], (float(Line().slope[j] * batch.x[i, 0]) - float(batch.y[i, j])) ** 2)
        for i, j in np.ndindex(batch.y.shape)
        if weight[i, j] > 0
    ]
    return sum(w * error for w, error in terms) / sum(w for w, _ in terms)


@LOSSES
@given(present=st.lists(st.booleans(), min_size=6, max_size=6).filter(any))
@settings(deadline=None, max_examples=15, derandomize=True)
def test_points_of_weight_zero_equal_removed_points(loss, present):
    x, y = points(6)
    present = np.array(present)
    weighted = value_and_grad(Line(), loss, ls.Batch(x, y, jnp.asarray(present, jnp.float32)))
    assert_close(weighted, value_and_grad(Line(), loss, ls.Batch(x[present], y[present])))


@LOSSES
def test_nan_in_an_absent_label_poisons_neither_value_nor_gradient(loss):
    x, y = points(4)
    weight = jnp.ones((4, 2)).at[1, 0].set(0).at[3, 1].set(0)
    poisoned = y.at[1, 0].set(jnp.nan).at[3, 1].set(jnp.nan)
    clean = value_and_grad(Line(), loss, ls.Batch(x, y, weight))
    assert all_finite(clean)
    assert_close(value_and_grad(Line(), loss, ls.Batch(x, poisoned, weight)), clean, rtol=0, atol=0)


def test_labels_count_by_their_own_weights():
    x, y = points(3)
    weight = jnp.array([[1.0, 0.0], [0.5, 2.0], [0.0, 0.25]])
    batch = ls.Batch(x, y, weight)
    assert np.isclose(float(ls.mse(Line(), batch)), square_error(batch), rtol=1e-6)


def test_a_point_of_weight_two_is_two_points():
    x, y = points(3)
    twice = ls.Batch(x[jnp.array([0, 0, 1, 2])], y[jnp.array([0, 0, 1, 2])])
    assert_close(ls.mse(Line(), ls.Batch(x, y, jnp.array([2.0, 1.0, 1.0]))), ls.mse(Line(), twice))


def test_gaussian_nll_is_the_normal_density_of_scipy():
    with jax.enable_x64(True):
        x, y = points(5)
        line = Line(jnp.array([0.5, -1.5]))
        mean, std = (
            np.stack(part) for part in zip(*(line.gaussian(one) for one in x), strict=True)
        )
        expected = -scipy.stats.norm.logpdf(np.asarray(y), mean, std).mean()
        assert abs(float(ls.gaussian_nll(line, ls.Batch(x, y))) - expected) < 1e-14


@LOSSES
def test_a_batch_in_which_nothing_has_weight_costs_nothing_and_moves_nothing(loss):
    x, _ = points(3)
    value, grads = value_and_grad(
        Line(), loss, ls.Batch(x, jnp.full((3, 2), jnp.nan), jnp.zeros(3))
    )
    assert value == 0 and (grads.slope == 0).all()


@LOSSES
def test_predictions_that_differ_in_shape_from_targets_are_refused_and_not_broadcast(loss):
    x, _ = points(3)
    with pytest.raises(ls.InputError, match=r"shape \(3, 2\) and targets \(3, 1\)"):
        loss(Line(), ls.Batch(x, jnp.zeros((3, 1))))
    with pytest.raises(ls.InputError, match=r"targets \(3,\)"):
        loss(Line(), ls.Batch(x, jnp.zeros(3)))
