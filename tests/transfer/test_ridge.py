"""Ridge regression, against NumPy's solution of the normal equations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.transfer._ridge import ridge

L2 = 0.3


def points(shots, features, *, out=2, seed=0):
    """Features, and targets with some noise, as float64."""
    random = np.random.default_rng(seed)
    return random.normal(size=(shots, features)), random.normal(size=(shots, out)) + 5


def normal_equations(f, y, l2, weight=None):
    """Penalised least squares with a last feature of ones, whose coefficient is not shrunk."""
    weight = np.ones(len(f)) if weight is None else weight
    f = np.concatenate([f, np.ones((len(f), 1))], axis=1)
    penalty = l2 * np.diag([1.0] * (f.shape[1] - 1) + [0.0])
    solution = np.linalg.solve(f.T @ (weight[:, None] * f) + penalty, f.T @ (weight[:, None] * y))
    return solution[:-1], solution[-1]


def solve(f, y, l2, weight=None):
    weight = np.ones(len(f)) if weight is None else weight
    return jax.tree.map(np.asarray, regression(*map(jnp.asarray, (f, y, weight, l2))))


regression = jax.jit(lambda f, y, weight, l2: ridge(f, ls.Batch(f, y, weight), l2))


def agree(left, right):
    return all(np.allclose(a, b, rtol=1e-9, atol=1e-10) for a, b in zip(left, right, strict=True))


# 4 points of 9 features take the dual form, 9 of 4 the primal one.
@pytest.mark.parametrize("shots, features", ((4, 9), (9, 4), (6, 6), (1, 3)))
def test_it_solves_the_normal_equations_with_an_unshrunk_bias(shots, features):
    with jax.enable_x64(True):
        f, y = points(shots, features)
        assert agree(solve(f, y, L2), normal_equations(f, y, L2))


def test_the_dual_form_is_the_primal_one():
    """Features that are zero do not change the solution, but select the other form."""
    with jax.enable_x64(True):
        f, y = points(7, 5)
        (primal, primal_bias), (dual, dual_bias) = (
            solve(f, y, L2),
            solve(np.pad(f, [(0, 0), (0, 4)]), y, L2),
        )
        assert agree((primal, primal_bias), (dual[:5], dual_bias))
        assert (dual[5:] == 0).all()


def test_the_gradient_of_its_objective_is_zero():
    with jax.enable_x64(True):
        f, y = points(7, 5)
        weight = np.linspace(0.5, 2, 7)

        def cost(solution):
            residual = y - f @ solution[0] - solution[1][None]
            return (weight[:, None] * residual**2).sum() + L2 * (solution[0] ** 2).sum()

        assert all(
            np.abs(leaf).max() < 1e-10 for leaf in jax.jit(jax.grad(cost))(solve(f, y, L2, weight))
        )


@pytest.mark.parametrize("shots", (3, 5))
def test_with_a_vanishing_penalty_it_interpolates_fewer_points_than_features(shots):
    with jax.enable_x64(True):
        f, y = points(shots, 8)
        weight, bias = solve(f, y, 1e-10)
        assert np.allclose(f @ weight + bias, y, atol=1e-7)


def test_with_an_infinite_penalty_it_predicts_the_mean():
    with jax.enable_x64(True):
        f, y = points(5, 8)
        weight, bias = solve(f, y, 1e12)
        assert np.allclose(weight, 0, atol=1e-10) and np.allclose(bias, y.mean(axis=0))


@pytest.mark.parametrize("shots, features", ((4, 9), (9, 4)))
def test_a_point_of_weight_zero_is_a_removed_point(shots, features):
    with jax.enable_x64(True):
        f, y = points(shots, features)
        present = np.arange(shots) != 2
        poisoned = np.where(present[:, None], y, np.nan)
        removed = solve(f[present], y[present], L2)
        assert agree(solve(f, poisoned, L2, present.astype(float)), removed)


def test_single_labels_that_are_absent_are_left_out():
    with jax.enable_x64(True):
        f, y = points(7, 4)
        present = np.array([[1, 1], [0, 1], [1, 1], [1, 0], [1, 1], [0, 0], [1, 1]], bool)
        weight, bias = solve(f, np.where(present, y, np.nan), L2, present.astype(float))
        for j in range(2):
            expected = normal_equations(f[present[:, j]], y[present[:, j], j : j + 1], L2)
            assert agree((weight[:, j : j + 1], bias[j : j + 1]), expected)


@pytest.mark.parametrize("shots, features", ((3, 5), (5, 3)))
def test_the_gradient_through_it_is_that_of_finite_differences(shots, features):
    with jax.enable_x64(True):
        f, y = points(shots, features)

        def cost(f, y, weight, l2):
            solution, bias = regression(f, y, weight, l2)
            return jnp.sin(solution).sum() + (bias**2).sum()

        at = f, y, np.linspace(0.5, 2, shots), np.array(L2)
        along = [np.random.default_rng(1).normal(size=leaf.shape) for leaf in at]
        value, gradient = jax.jit(cost), jax.jit(jax.grad(cost, argnums=(0, 1, 2, 3)))
        slope = sum(np.sum(g * d) for g, d in zip(gradient(*at), along, strict=True))
        ahead, behind = (
            value(*(a + h * d for a, d in zip(at, along, strict=True))) for h in (1e-5, -1e-5)
        )
        assert np.isclose(slope, (ahead - behind) / 2e-5, rtol=1e-7)


def test_only_the_head_of_the_model_is_replaced(model, tasks, getkey):
    support = tasks.sample(ls.Split.TEST, key=getkey()).support
    adapted = eqx.filter_jit(ls.Ridge(L2).adapt)(model, support)
    assert eqx.tree_equal(adapted.layers, model.layers)
    expected = normal_equations(
        np.asarray(ls.predict(model.features, support.x)), np.asarray(support.y), L2
    )
    assert_close(
        (adapted.head.weight, adapted.head.bias),
        jax.tree.map(jnp.asarray, expected),
        rtol=1e-3,
        atol=1e-4,
    )


class Square(eqx.Module):
    """A model with Equinox's linear layer, whose weight is square: a transposed one would fit
    too."""

    head: eqx.nn.Linear

    def features(self, x):
        return jnp.sin(x)

    def __call__(self, x):
        return self.head(self.features(x))


def test_a_linear_layer_of_equinox_predicts_as_the_solution_does(getkey):
    f, y = points(6, 2)
    support = ls.Batch(jnp.asarray(f, jnp.float32), jnp.asarray(y, jnp.float32))
    adapted = eqx.filter_jit(ls.Ridge(L2).adapt)(Square(eqx.nn.Linear(2, 2, key=getkey())), support)
    weight, bias = normal_equations(np.sin(f), y, L2)
    assert np.allclose(
        ls.predict(adapted, support.x), np.sin(f) @ weight + bias, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("l2", (0.0, -1.0, float("inf")))
def test_an_error_names_the_penalty(l2):
    with pytest.raises(ls.InputError, match=f"Ridge: `l2={l2}`"):
        ls.Ridge(l2)


class Headed(eqx.Module):
    head: eqx.nn.Linear


def test_the_error_for_a_model_without_head_or_features_names_the_missing_part(tasks, getkey):
    support = tasks.sample(ls.Split.TEST, key=getkey()).support
    with pytest.raises(ls.InputError, match="has no `head`"):
        ls.Ridge().adapt(eqx.nn.MLP(1, 1, 4, 1, key=getkey()), support)
    with pytest.raises(ls.InputError, match="Headed has no method `features\\(x\\)`"):
        ls.Ridge().adapt(Headed(eqx.nn.Linear(1, 1, key=getkey())), support)
