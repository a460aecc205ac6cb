"""Groups of known tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset.tasks import PoolGroups


@pytest.fixture
def pool():
    """Six tasks with 3 to 13 rows: the input is the number of the row, the target that of the
    task."""
    count = 3 + 2 * jnp.arange(6)
    x = jnp.broadcast_to(jnp.arange(15.0)[None, :, None], (6, 15, 1))
    y = jnp.broadcast_to(jnp.arange(6.0)[:, None, None], (6, 15, 1))
    return ls.Batch(x, y, (jnp.arange(15)[None] < count[:, None]).astype(float))


def test_a_task_is_scored_on_rows_that_no_one_reads(pool, getkey):
    groups = PoolGroups(pool, shots=8, queries=4, siblings=5)
    for _ in range(5):
        group = groups.group(ls.Split.TRAIN, key=getkey())
        known, asked = group.support.weight > 0, group.query.weight > 0
        assert asked.any(axis=1).all() and (known.sum(axis=1) <= 8).all()
        same = group.support.x[:, :, None, 0] == group.query.x[:, None, :, 0]
        assert not (same & known[:, :, None] & asked[:, None]).any()


def test_tasks_of_a_group_are_different_ones_in_one_scale(pool, getkey):
    group = PoolGroups(pool, shots=8, queries=4, siblings=3).group(ls.Split.TRAIN, key=getkey())
    targets = np.asarray(jnp.where(group.query.weight > 0, group.query.y[..., 0], jnp.nan))
    assert len(np.unique(np.nanmean(targets, axis=1).round(4))) == 4
    read = np.asarray(group.support.x[group.support.weight > 0])
    assert abs(read.mean()) < 1e-5 and abs(read.std(ddof=1) - 1) < 1e-5


def test_there_are_no_more_tasks_in_a_group_than_there_are(pool, getkey):
    few = jax.tree.map(lambda leaf: leaf[:2], pool)
    assert PoolGroups(few).group(ls.Split.TRAIN, key=getkey()).support.x.shape[0] == 2
    with pytest.raises(ls.InputError, match="siblings=0"):
        PoolGroups(pool, siblings=0)
