"""Sources by training pairs, against the same done by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.transfer import AsIs, source_matrix

DESCENT = ls.FineTune(lr=0.05, steps=40)
SHORT = ls.FineTune(lr=0.05, steps=3)


def network(key):
    return ls.MLP(1, 1, width=8, depth=1, key=key)


@pytest.fixture(scope="module")
def tasks():
    """The first two are alike, and the third is their mirror image."""
    x = jnp.linspace(-1.0, 1.0, 24)[:, None]
    y = jnp.stack([jnp.sin(3 * x), jnp.sin(3 * x + 0.1), -jnp.sin(3 * x)])
    xs = jnp.stack([x] * 3)
    few = slice(None, None, 8)
    return ls.Task(ls.Batch(xs[:, few], y[:, few]), ls.Batch(xs, y))


def matrix(tasks, adapt, **options):
    options = {"seeds": 3, "key": jr.key(0)} | options
    return source_matrix(network, tasks.query, tasks, learn=DESCENT, adapt=adapt, **options)


@pytest.mark.slow
def test_alike_tasks_help_and_opposite_ones_hurt(tasks):
    found = matrix(tasks, SHORT, seeds=6)
    assert found.gain[0, 1] > found.gain_ci95[0, 1] and found.gain[1, 0] > 0
    assert found.gain[2, 0] < -found.gain_ci95[2, 0] and found.gain[0, 2] < 0
    assert_close(found.gain, found.scratch[None] - found.error, atol=1e-6)


@pytest.mark.slow
def test_a_pair_is_what_its_two_trainings_give_one_after_the_other(tasks):
    found = matrix(tasks, AsIs())
    of_source = jax.tree.map(lambda leaf: leaf[2], tasks.query)
    of_target = jax.tree.map(lambda leaf: leaf[0], tasks.query)
    adapt = eqx.filter_jit(DESCENT.adapt)
    by_hand = [
        float(ls.mse(adapt(network(key), of_source), of_target)) for key in jr.split(jr.key(0), 3)
    ]
    assert found.error[2, 0] == pytest.approx(np.mean(by_hand), rel=1e-4)
    scratch = [float(ls.mse(network(key), of_target)) for key in jr.split(jr.key(0), 3)]
    assert found.scratch[0] == pytest.approx(np.mean(scratch), rel=1e-4)


def test_wrong_numbers_are_one_line(tasks):
    with pytest.raises(ls.InputError, match="both must be 2 or more"):
        matrix(tasks, SHORT, seeds=1)
    fewer = jax.tree.map(lambda leaf: leaf[:2], tasks.query)
    with pytest.raises(ls.InputError, match="has 2 tasks and `tasks` 3"):
        source_matrix(network, fewer, tasks, learn=SHORT, adapt=SHORT, key=jr.key(0))
