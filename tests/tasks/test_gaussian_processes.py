"""Curves from Gaussian processes: their optimal prediction is that of the textbook."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls


def kernels(length, scale, period):
    gp = pytest.importorskip("sklearn.gaussian_process.kernels")
    return {
        "rbf": scale**2 * gp.RBF(length),
        "matern": scale**2 * gp.Matern(length, nu=2.5),
        "periodic": scale**2 * gp.ExpSineSquared(length, period),
    }


@pytest.mark.parametrize("kernel", ("rbf", "matern", "periodic"))
def test_the_optimum_is_that_of_the_textbook(kernel, getkey):
    """Rasmussen & Williams 2006, equations 2.25 and 2.26, with the kernels of scikit-learn."""
    tasks = ls.tasks.GaussianProcesses(shots=12, queries=6, kernel=kernel, noise=0.1)
    task = tasks.sample(ls.Split.TRAIN, key=getkey())
    known = kernels(*np.asarray(task.latents, np.float64))[kernel]
    x, y, new = (np.asarray(v, np.float64) for v in (task.support.x, task.support.y, task.query.x))
    weights = known(new, x) @ np.linalg.inv(known(x) + 0.01 * np.eye(12))
    variance = np.diag(known(new)) - (weights * known(new, x)).sum(axis=1)
    mean, std = tasks.gaussian(task.support, task.latents, task.query.x)
    assert np.allclose(mean, weights @ y, atol=1e-3)
    assert np.allclose(std[:, 0], np.sqrt(variance + 0.01), atol=1e-3)


def test_points_of_weight_zero_do_not_influence_the_optimum(getkey):
    tasks = ls.tasks.GaussianProcesses(shots=8, queries=3, noise=0.1)
    task = tasks.sample(ls.Split.TRAIN, key=getkey())
    few = ls.Batch(task.support.x[:5], task.support.y[:5])
    weighted = ls.Batch(task.support.x, task.support.y, (jnp.arange(8) < 5).astype(float))
    left, right = (tasks.gaussian(s, task.latents, task.query.x) for s in (few, weighted))
    assert np.allclose(left, right, atol=1e-5)


def test_the_optimum_covers_what_it_says(getkey):
    """Standardised by the predicted mean and standard deviation, targets are standard normal."""
    tasks = ls.tasks.GaussianProcesses(shots=5, queries=5)
    drawn = tasks.draw(2000, ls.Split.TEST, key=getkey())
    mean, std = jax.vmap(tasks.gaussian)(drawn.support, drawn.latents, drawn.query.x)
    z = np.asarray((drawn.query.y - mean) / std)
    assert abs(z.mean()) < 0.05 and abs(z.std() - 1) < 0.05


@pytest.mark.parametrize("wrong", ({"kernel": "cubic"}, {"lengths": (0.5, 0.1)}, {"noise": 0.0}))
def test_wrong_settings_are_said(wrong):
    with pytest.raises(ls.InputError, match=next(iter(wrong))):
        ls.tasks.GaussianProcesses(**wrong)


def test_drawing_and_predicting_in_one_program_ends(getkey):
    """Two factorisations at a time waited for each other for ever, on two cores."""
    tasks = ls.tasks.GaussianProcesses(shots=46, queries=4)

    @jax.jit
    def errors(keys):
        def one(key):
            task = tasks.sample(ls.Split.TEST, key=key)
            return task.query.y - tasks.gaussian(task.support, task.latents, task.query.x)[0]

        return jax.vmap(one)(keys)

    assert np.isfinite(errors(jax.random.split(getkey(), 250))).all()
