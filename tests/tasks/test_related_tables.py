"""Related tables of random functions: what a prior over groups of tables promises."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.models import Scales
from learnset.tasks import Groups, RelatedTables

long = pytest.mark.long  # the prior takes half a minute to compile
NUM = 300


@pytest.fixture(scope="module")
def groups():
    family = RelatedTables(shots=12, queries=8, siblings=6, in_size=4, varied=True)
    drawn = jax.jit(lambda key: Groups(family).draw(NUM, ls.Split.TRAIN, key=key))(jr.key(0))
    return jax.tree.map(np.asarray, drawn)


@long
def test_rows_that_are_read_have_mean_zero_and_variance_one(groups):
    weight, told = groups.support.weight > 0, groups.told.any(axis=1)
    assert set(groups.told.sum(axis=1)) == set(range(7)) and not groups.told[:, -1].any()
    assert set(weight.sum(axis=2).ravel()) == set(range(13))
    y = groups.support.y[..., 0]
    together = [y[i][weight[i]] for i in np.flatnonzero(told) if weight[i].sum() > 20]
    alone = [y[i, -1][weight[i, -1]] for i in np.flatnonzero(~told) if weight[i, -1].sum() > 5]
    assert len(together) > 50 and len(alone) > 10
    for rows in (together, alone):  # some targets are limited
        assert np.mean([abs(r.mean()) < 1e-3 and abs(r.std(ddof=1) - 1) < 1e-3 for r in rows]) > 0.8
    assert all(np.isfinite(leaf).all() for leaf in (groups.support.y, groups.query.y))
    assert all(np.nanmax(np.abs(part)) <= 8 for part in (groups.support.x, groups.support.y, y))
    absent = np.isnan(groups.support.x)  # of whole groups, and never the first
    assert (absent == absent[:, :1, :1]).all() and not absent[..., 0].any()
    assert set(absent[:, 0, 0].sum(axis=1)) == set(range(4))
    assert 0.1 < np.mean([len(np.unique(rows)) == 2 for rows in groups.support.y]) < 0.3


@long
def test_tasks_of_a_group_share_much_or_little_or_nothing(groups):
    """The part of the variance between tasks, of groups that are read together."""
    y = groups.query.y[groups.told.any(axis=1), ..., 0]
    part = y.mean(axis=2).var(axis=1) / y.reshape(len(y), -1).var(axis=1)
    assert np.quantile(part, 0.1) < 0.15 and np.quantile(part, 0.9) > 0.4


@long
def test_a_task_has_the_siblings_of_its_group():
    family = RelatedTables(shots=4, queries=3, siblings=2, in_size=2, classes=3)
    group, task = jax.jit(
        lambda key: (family.group(ls.Split.TEST, key=key), family.sample(ls.Split.TEST, key=key))
    )(jr.key(1))
    assert (task.support.siblings.x == group.support.x[:2]).all()
    assert (task.support.x == group.support.x[2]).all() and task.query.y.shape == (3, 3)
    assert set(np.unique(np.asarray(group.support.y))) == {0, 1}
    assert (np.asarray(group.query.y).sum(axis=-1) == 1).all()


def test_scales_ignore_absent_rows_and_cells_and_keep_constants():
    x = jnp.array([[1.0, 5, jnp.nan], [3, 5, 2], [99, 9, 9]])
    y = jnp.array([[7.0], [7], [1]])
    scales = Scales.of(ls.Batch(x, y, jnp.array([1.0, 1, 0])))
    assert np.allclose(scales.inputs(jnp.array([3.0, 6, jnp.nan])), [2**-0.5, 1, 0])
    assert np.allclose(scales.units(jnp.array([3.0])), 7)
    assert np.allclose(scales.units(scales.targets(jnp.array([[7.0]]))), 7)


@pytest.mark.parametrize("field, value", [("classes", 1), ("in_size", 0), ("siblings", -1)])
def test_settings_that_cannot_work_are_named(field, value):
    with pytest.raises(ls.InputError, match=f"`{field}={value}`"):
        RelatedTables(**{field: value})
