"""Linear regressions with siblings: the closed form against the whole joint distribution."""

import re

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core import Related
from learnset.tasks import Groups, RelatedGaussian

TASKS = RelatedGaussian(shots=4, queries=6, siblings=3, sibling_shots=5)
NUM = 4000


def known(tasks):
    """Everything that has a closed form."""
    return jax.jit(lambda s: (tasks.bayes(s), tasks.posterior(s), tasks.bayes_error(s)))


def by_brute_force(tasks, support):
    """Mean and covariance of the weights, from the joint normal distribution of all targets and the
    weights, given each `ρ`."""
    own = np.asarray(support.weight) > 0
    there = np.asarray(support.siblings.weight) > 0
    x = np.concatenate([support.x[own], np.asarray(support.siblings.x)[there]])
    y = np.concatenate([support.y[own], np.asarray(support.siblings.y)[there]])[:, 0]
    task = np.concatenate([np.zeros(own.sum()), 1 + np.nonzero(there)[0]])
    logs, means, covariances = [], [], []
    for part in tasks.common:
        same = np.where(task[:, None] == task, 1.0, part)
        joint = same * (x @ x.T) + tasks.noise**2 * np.eye(len(x))
        with_w = x.T * np.where(task == 0, 1.0, part)
        gain = np.linalg.solve(joint, with_w.T).T
        logs.append(-(y @ np.linalg.solve(joint, y) + np.linalg.slogdet(joint)[1]) / 2)
        means.append(gain @ y)
        covariances.append(np.eye(tasks.in_size) - gain @ with_w.T)
    chance = np.exp(np.array(logs) - max(logs))
    chance /= chance.sum()
    mean = chance @ np.array(means)
    off = np.array(means) - mean
    covariance = np.einsum("k,kij->ij", chance, covariances + off[:, :, None] * off[:, None])
    return mean, covariance, np.trace(covariance) + tasks.noise**2


@pytest.mark.parametrize("common", [(0.0,), (1.0,), (0.0, 0.5, 0.9, 1.0)], ids=str)
def test_bayes_is_the_whole_joint_distribution_conditioned_on_all_rows(common):
    with jax.enable_x64(True):
        tasks = RelatedGaussian(4, 6, siblings=3, sibling_shots=5, common=common, varied=True)
        answer, drawn = known(tasks), jax.jit(lambda k: tasks.sample(ls.Split.TEST, key=k))
        rows = set()
        for seed in range(5):
            support = drawn(jr.key(seed)).support
            rows.add(int(support.weight.sum() + support.siblings.weight.sum()))
            assert_close(answer(support), by_brute_force(tasks, support), rtol=1e-9, atol=1e-9)
        assert len(rows) > 2


@pytest.fixture(scope="module")
def drawn():
    return jax.jit(lambda key: TASKS.draw(NUM, ls.Split.TEST, key=key))(jr.key(0))


def errors(batch, w):
    residual = np.asarray(batch.query.y)[..., 0] - np.einsum("tqi,ti->tq", batch.query.x, w)
    return (residual**2).mean(axis=1)


def test_bayes_error_is_the_mean_error_of_bayes(drawn):
    w, _, expected = jax.vmap(known(TASKS))(drawn.support)
    difference = errors(drawn, w) - np.asarray(expected)
    assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(NUM)


def test_siblings_are_worth_more_than_the_interval_where_tasks_share(drawn):
    alone = jax.vmap(lambda s: TASKS.bayes(ls.Batch(s.x, s.y, s.weight)))(drawn.support)
    gain = errors(drawn, alone) - errors(drawn, jax.vmap(TASKS.bayes)(drawn.support))
    shared = np.asarray(drawn.latents[:, -1])
    for part in (0.9, 0.99):
        own = gain[np.isclose(shared, part)]
        assert own.mean() > 3 * own.std() / np.sqrt(len(own))
    assert gain[shared == 0].mean() < 0  # what it costs to have to find out


def test_without_siblings_bayes_is_ridge_regression(drawn):
    with jax.enable_x64(True):
        tasks = RelatedGaussian(shots=5, siblings=0)
        support = tasks.sample(ls.Split.TEST, key=jr.key(1)).support
        x, y = np.asarray(support.x), np.asarray(support.y)[:, 0]
        ridge = np.linalg.solve(x.T @ x + tasks.noise**2 * np.eye(3), x.T @ y)
        assert np.allclose(tasks.bayes(support), ridge, rtol=1e-10)


def test_points_and_siblings_of_weight_zero_change_nothing(drawn):
    support = jax.tree.map(lambda leaf: leaf[0], drawn.support)
    own, others = np.array([1.0, 0, 1, 1], np.float32), np.ones((3, 5), np.float32)
    others[1], others[0, 2] = 0, 0
    siblings = support.siblings
    poisoned = Related(
        support.x,
        jnp.where(own[:, None] > 0, support.y, jnp.nan),
        jnp.asarray(own),
        siblings=ls.Batch(
            siblings.x, jnp.where(others[..., None] > 0, siblings.y, jnp.nan), jnp.asarray(others)
        ),
    )
    assert_close(known(TASKS)(poisoned), by_brute_force(TASKS, poisoned), rtol=1e-4, atol=1e-5)


def test_groups_and_tasks_are_of_one_distribution():
    group = jax.jit(lambda k: Groups(TASKS).draw(2000, ls.Split.TRAIN, key=k))(jr.key(2))
    assert group.support.x.shape == (2000, 4, 4, 3)
    assert (np.asarray(group.told) == [True, True, True, False]).all()
    y = np.asarray(group.query.y)[..., 0]
    assert np.isclose((y**2).mean(), 3 + TASKS.noise**2, rtol=0.05)  # of w·x, and the noise
    tasks = jax.jit(lambda k: TASKS.draw(2000, ls.Split.TRAIN, key=k))(jr.key(3))
    siblings = np.asarray(tasks.support.siblings.y)[..., 0]
    assert np.isclose((siblings**2).mean(), 3 + TASKS.noise**2, rtol=0.05)


def test_varied_numbers_reach_from_none_to_all_and_strangers_are_named():
    tasks = RelatedGaussian(shots=3, siblings=4, strangers=0.5, varied=True)
    batch = jax.jit(lambda key: tasks.draw(400, ls.Split.TEST, key=key))(jr.key(0))
    assert set(np.asarray(batch.support.weight).sum(axis=1)) == {0, 1, 2, 3}
    told = np.asarray(batch.support.siblings.weight).any(axis=2).sum(axis=1)
    assert told.min() == 0 and told.max() == 4
    related = np.asarray(batch.latents[:, 4:])
    assert related.shape == (400, 4) and 0.4 < related.mean() < 0.6


def test_a_task_of_a_group_has_few_rows_of_its_own_of_those_that_others_read():
    family = RelatedGaussian(shots=9, siblings=3, varied=True)
    group = jax.jit(lambda key: Groups(family).draw(400, ls.Split.TRAIN, key=key))(jr.key(0))
    read, own = group.support.weight.sum(axis=2), jax.vmap(lambda g: g.learnt_from())(group).weight
    told = np.asarray(group.told.any(axis=1))
    expected = np.minimum(read, np.where(told[:, None], group.own, 9))
    assert (np.asarray(own.sum(axis=2)) == expected).all()
    assert set(np.unique(group.own[told])) == set(range(10))
    assert np.mean(group.own[told] < 3) > 0.5 and (group.own[~told] == 9).all()
    last = family.sample(ls.Split.TRAIN, key=jr.key(1))
    assert last.support.siblings.x.shape == (3, 10, 3)


@pytest.mark.parametrize(
    "bad",
    ({"noise": 0.0}, {"siblings": -1}, {"in_size": 0}, {"shots": 0}, {"common": (1.5,)}),
    ids=str,
)
def test_an_error_names_the_argument_and_its_value(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=re.escape(f"`{name}={value}`")):
        RelatedGaussian(**bad)
