"""Divisions of rows: at random, by groups, by time, and as given."""

import dataclasses

import numpy as np
import pytest

import learnset as ls
from learnset.data._divisions import lacking

TASKS, ROWS = 6, 40


def table(**columns):
    random = np.random.default_rng(0)
    task = np.repeat(np.arange(TASKS), ROWS)
    made = ls.Table.from_arrays(random.normal(size=(len(task), 2)), random.normal(size=240), task)
    return dataclasses.replace(made, **columns)


def test_rows_of_one_group_are_in_the_same_part():
    group = np.arange(240) // 4
    made = table(group=group)
    for part in made.divisions(range(3)):
        assert (np.bincount(group, part) == 4 * part[::4]).all()
        for number in range(TASKS):
            count = np.bincount(part[made.rows_of(number)], minlength=3)
            assert count.tolist() == [24, 8, 8]


def test_groups_that_several_tasks_share_are_in_one_part_everywhere():
    group = np.tile(np.arange(ROWS) // 2, TASKS)
    part = table(group=group).split_rows(seed=1)
    assert all(len(set(part[group == one])) == 1 for one in range(20))
    assert lacking(table(group=group), [part]) == []


def test_a_task_of_two_groups_cannot_be_divided():
    with pytest.raises(ls.InputError, match="Task '0' has 2 groups"):
        table(group=np.arange(240) // 20).split_rows()


def test_the_past_trains_and_the_future_is_scored():
    time = np.random.default_rng(3).permutation(240).astype(float)
    divisions = table(time=time).divisions(range(5))
    assert len(divisions) == 5
    for part in divisions:
        train, choose, score = (time[part == p] for p in range(3))
        assert train.max() < choose.min() and choose.max() < score.min()
    scored = np.concatenate([np.flatnonzero(part == 2) for part in divisions])
    assert len(scored) == len(set(scored)) == 120  # each window is scored once


def test_rows_of_one_time_stay_together():
    time = np.repeat(np.arange(24.0), 10)
    for part in table(time=time).divisions(range(2)):
        assert all(len(set(part[time == one])) == 1 for one in range(24))


def test_too_few_times_are_refused():
    with pytest.raises(ls.InputError, match="3 different times are too few for 5 windows"):
        table(time=np.arange(240.0) // 80).divisions(range(5))


def test_a_given_division_is_one_alone():
    part = np.tile([0, 0, 0, 1, 2], 48)
    (only,) = table(part=part).divisions(range(5))
    np.testing.assert_array_equal(only, part)


def test_each_part_has_its_share_of_a_rare_class():
    random = np.random.default_rng(5)
    y = np.zeros(240)
    y[random.choice(240, 10, replace=False)] = 1
    task = np.repeat(np.arange(TASKS), ROWS)
    made = ls.Table.from_arrays(np.zeros((240, 1)), y, task, classes=("no", "yes"))
    for part in made.divisions(range(4)):
        assert np.bincount(part[y == 1]).tolist() == [6, 2, 2]
        for number in range(TASKS):
            assert np.bincount(part[made.rows_of(number)]).tolist() == [24, 8, 8]


def test_one_row_of_each_group_is_kept_where_whole_tasks_are_held_out():
    group = np.arange(240) // 4
    made = table(group=group)
    thin = made.one_row_of_each_group(seed=2)
    assert len(thin.x) == 60 and thin.names == made.names
    assert len(set(thin.group)) == 60
