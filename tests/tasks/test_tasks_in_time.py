"""Held-out tasks of a table whose rows have times."""

import dataclasses

import jax.random as jr
import numpy as np
import pytest

import learnset as ls


@pytest.fixture(scope="module")
def tasks():
    """Twelve tasks whose only input is the time of a row, in an order of the file that is not
    theirs."""
    time = np.random.default_rng(0).permutation(np.tile(np.arange(30.0), 12))
    task = np.repeat(np.arange(12), 30)
    table = ls.Table.from_arrays(time[:, None], time, task)
    return ls.by_tasks(dataclasses.replace(table, time=time), shots=3, queries=4)


def times(batch):
    return np.round(np.asarray(batch.x)[..., 0], 4)


@pytest.mark.parametrize("split", [ls.Split.VALIDATION, ls.Split.TEST])
def test_a_held_out_task_learns_from_its_earliest_rows_and_is_scored_on_the_next(tasks, split):
    drawn = tasks.draw(len(tasks.pool(split).weight), split, key=jr.key(0))
    both = np.concatenate([times(drawn.support), times(drawn.query)], axis=1)
    np.testing.assert_array_equal(both, np.sort(times(tasks.pool(split)), axis=1)[:, :7])


def test_a_training_task_learns_from_rows_before_those_it_is_scored_on_at_any_time(tasks):
    drawn = tasks.draw(40, ls.Split.TRAIN, key=jr.key(0))
    assert (times(drawn.support).max(axis=1) <= times(drawn.query).min(axis=1)).all()
    assert (np.asarray(drawn.query.weight) == 1).all()
    assert len(np.unique(times(drawn.support)[:, 0])) > 5


def test_more_rows_to_learn_from_leave_the_earliest_where_they_were(tasks):
    few, many = (
        tasks.with_shots(shots, 4).draw(2, ls.Split.TEST, key=jr.key(1)) for shots in (2, 6)
    )
    np.testing.assert_array_equal(times(few.support), times(many.support)[:, :2])
