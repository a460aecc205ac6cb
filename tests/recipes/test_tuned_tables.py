"""A table network that goes on learning on known tasks."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import Budget
from learnset.tasks import HeldOutTasks


@pytest.fixture(scope="module")
def network():
    return ls.models.TableTransformer(width=8, depth=1, key=jr.key(0))


@pytest.fixture(scope="module")
def past():
    """Tasks whose targets are five times their input, and hardly anything else."""
    x = jr.normal(jr.key(1), (12, 20, 1))
    y = 5 * x + 0.1 * jr.normal(jr.key(2), x.shape)
    rows = ls.Batch(x, y, jnp.ones((12, 20)))
    return HeldOutTasks(rows, rows, rows, shots=5, queries=5)


def learnt(network, past, strength):
    recipe = ls.recipes.in_context.tuned(network=network, steps=60, strength=strength)
    return recipe.learners[1].learn(network, past, Budget(), key=jr.key(3))


@pytest.mark.long
def test_known_tasks_teach_the_network_and_an_infinite_pull_does_not(network, past):
    free, held = (learnt(network, past, strength) for strength in (0.0, float("inf")))
    for ours, start in zip(jax.tree.leaves(held.network), jax.tree.leaves(network), strict=True):
        assert np.array_equal(ours, start)
    errors = []
    for table in (free, held):
        predictor = table.adapt(ls.Batch(past.test.x[0, :5], past.test.y[0, :5]))
        errors.append(float(((jax.vmap(predictor)(past.test.x[0]) - past.test.y[0]) ** 2).mean()))
    assert errors[0] < 0.7 * errors[1]
