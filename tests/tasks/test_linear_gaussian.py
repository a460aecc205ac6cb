"""Linear regression from a known prior: no learner beats Bayes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.models._linear import Linear

TASKS = ls.LinearGaussian(shots=12, queries=20)
NUM = 3000
sample = jax.jit(lambda key: TASKS.sample(ls.Split.TEST, key=key))


@jax.jit
def known(support):
    """Everything that has a closed form."""
    return TASKS.bayes(support), TASKS.posterior(support), TASKS.bayes_error(support)


class Identity(eqx.Module):
    """A linear model whose features are its inputs."""

    head: Linear

    def features(self, x):
        return x

    def __call__(self, x):
        return self.head(x)


@pytest.fixture(scope="module")
def drawn():
    """Many tasks, and Bayes' squared error on each of them."""
    batch = jax.jit(lambda key: TASKS.draw(NUM, ls.Split.TEST, key=key))(jr.key(0))
    return batch, errors(batch, jax.vmap(known)(batch.support)[0])


def errors(batch, w):
    """The mean squared error on each query set of the predictor `x @ w`."""
    residual = np.asarray(batch.query.y)[..., 0] - np.einsum("tqi,ti->tq", batch.query.x, w)
    return (residual**2).mean(axis=1)


def test_bayes_is_the_ridge_regression_of_the_prior():
    with jax.enable_x64(True):
        support = sample(jr.key(1)).support
        x, y, scale = np.asarray(support.x), np.asarray(support.y)[:, 0], np.geomspace(1.0, 0.05, 8)
        assert x.dtype == np.float64
        ridge = np.linalg.solve(
            x.T @ x + TASKS.noise**2 * np.diag(scale**-2), x.T @ (y - x @ np.ones(8))
        )
        assert np.allclose(jax.jit(TASKS.bayes)(support), 1 + ridge, rtol=1e-10)


def test_bayes_error_is_the_mean_error_of_bayes(drawn):
    batch, bayes = drawn
    expected = np.asarray(jax.vmap(known)(batch.support)[2])
    difference = bayes - expected  # one task at a time, so that easy and hard support sets cancel
    assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(NUM)


def test_knowing_the_prior_is_worth_more_than_the_interval(drawn):
    batch, bayes = drawn
    ordinary = [
        np.linalg.lstsq(x, y, rcond=None)[0][:, 0]
        for x, y in zip(batch.support.x, batch.support.y, strict=True)
    ]
    model = Identity(Linear(8, 1, key=jr.key(0)))

    @jax.jit
    def ridge(l2):
        adapted = jax.vmap(lambda support: ls.Ridge(l2).adapt(model, support).head)(batch.support)
        return adapted.weight[..., 0], adapted.bias[:, 0]

    def ridge_errors(l2):
        weight, bias = ridge(jnp.asarray(l2))
        moved = eqx.tree_at(lambda b: b.query.y, batch, batch.query.y - bias[:, None, None])
        return errors(moved, weight)

    others = {
        "least squares": errors(batch, np.array(ordinary)),
        "the mean": errors(batch, np.ones((NUM, 8))),
    }
    others |= {f"ridge {l2}": ridge_errors(l2) for l2 in (0.01, 0.1, 1.0, 10.0)}
    for name, other in others.items():
        excess = other - bayes
        assert excess.mean() > 3 * excess.std() / np.sqrt(NUM), name


@pytest.mark.parametrize("absent", (0, 5, 11))
def test_a_point_of_weight_zero_is_a_removed_point(absent):
    support = sample(jr.key(2)).support
    kept = np.arange(12) != absent
    removed = jax.tree.map(lambda leaf: np.asarray(leaf)[kept], support)
    poisoned = np.where(kept[:, None], support.y, np.float32(np.nan))
    assert_close(
        known(ls.Batch(support.x, poisoned, kept.astype(np.float32))),
        known(removed),
        rtol=1e-4,
        atol=1e-6,
    )


def test_without_points_bayes_is_the_prior():
    mean, covariance, error = known(
        ls.Batch(*(np.ones((3, n), np.float32) for n in (8, 1)), np.zeros(3, np.float32))
    )
    variance = np.geomspace(1.0, 0.05, 8) ** 2
    assert np.allclose(mean, np.ones(8)) and np.allclose(covariance, np.diag(variance), rtol=1e-5)
    assert np.isclose(error, variance.sum() + TASKS.noise**2)


def test_weights_have_the_mean_and_the_spread_of_the_prior(drawn):
    latents = np.asarray(drawn[0].latents)
    scale = np.geomspace(1.0, 0.05, 8)
    assert np.all(np.abs(latents.mean(axis=0) - 1) < 4 * scale / np.sqrt(NUM))
    assert np.all(np.abs(latents.std(axis=0) / scale - 1) < 4 / np.sqrt(2 * NUM))


@pytest.mark.parametrize(
    "bad", ({"noise": 0.0}, {"smallest": -1.0}, {"in_size": 0}, {"shots": 0}), ids=str
)
def test_an_error_names_the_argument_and_its_value(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"`{name}={value}`"):
        ls.LinearGaussian(**bad)
