"""Validation rows in blocks, by which training stops."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison._stopping import _looks_of
from learnset.models import separate
from learnset.tasks import TaskRows


@pytest.mark.slow
@pytest.mark.parametrize("sizes", ((3, 1, 0, 70), (40, 300, 9), (1,)))
def test_blocks_give_the_mean_loss_of_all_rows_however_unequal_tasks_are(sizes):
    random = np.random.default_rng(0)
    task, num = np.repeat(np.arange(len(sizes)), sizes), sum(sizes)
    x, y, weight = random.normal(size=(num, 2)), random.normal(size=(num, 1)), random.random(num)
    rows = TaskRows(x, np.arange(num), y, weight, task, len(sizes))
    model = separate(lambda key: ls.MLP(2, 1, width=3, key=key), len(sizes), key=jr.key(1))
    answers = jax.vmap(lambda x, t: model.for_task(t)(x))(jnp.asarray(x), jnp.asarray(task))
    expected = (weight * (np.asarray(answers) - y)[:, 0] ** 2).sum() / weight.sum()
    assert float(_looks_of(rows).error(ls.mse, model)) == pytest.approx(expected, rel=1e-5)
