"""Held-out tasks of a table: others in each division, and tasks are the units of chance."""

import jax.random as jr
import numpy as np
import scipy.stats

import learnset as ls
from learnset.comparison import NewTableTasks
from learnset.core import Split

TASKS, ROWS = 10, 20


def question(**options):
    random = np.random.default_rng(0)
    task = np.repeat([f"shop {i}" for i in range(TASKS)], ROWS)
    y = random.normal(size=TASKS).repeat(ROWS) + random.normal(size=TASKS * ROWS)
    made = ls.Table.from_arrays(random.normal(size=(len(task), 2)), y, task)
    return NewTableTasks.of_table(made, np.arange(TASKS), shots=(2, 5), **options)


def test_five_divisions_score_each_task_once():
    names = question().names
    assert len(names) == 5 and sorted(name for of in names for name in of) == sorted(
        f"shop {i}" for i in range(TASKS)
    )


def test_a_task_that_is_scored_is_not_trained_on():
    asked = question()
    for division in range(5):
        pools = [np.asarray(asked.sets.pool(split).y)[division, :, :, 0] for split in Split]
        scaled = [set(np.round(np.sort(pool, axis=1)[:, 0], 4).tolist()) for pool in pools]
        assert [len(part) for part in scaled] == [6, 2, 2]
        assert len(set.union(*scaled)) == TASKS


def test_as_many_rows_are_drawn_as_are_asked_for(monkeypatch):
    """Of a table that is too large for all rows of all tasks, also for many rows to learn from."""
    monkeypatch.setattr("learnset.comparison._new_table_tasks.most_points", lambda _: 4)
    few, many = question(queries=3), question(queries=12)
    assert few.family.train.weight.shape[1] == 5 + 3
    assert many.family.train.weight.shape[1] == 5 + 12
    assert (np.asarray(many.family.train.weight) == 1).all()


def test_tasks_are_the_units_of_chance_and_not_their_draws():
    """Two tasks of each division are drawn sixty times; the interval is that of ten tasks."""
    asked = question()
    ridge = ls.Recipe(
        "ridge", ls.Setting.SCRATCH, adapters=(ls.transfer.Ridge(10.0),), baseline=True
    )

    def network(key):
        return ls.MLP(2, 1, width=4, depth=1, key=key)

    comparison = ls.compare([ridge], network, asked, key=jr.key(0), progress=False)
    values = comparison["ridge"].at(5)
    assert values.shape == (5, 60)
    of_task = {}
    for number, value in zip(asked.units.ravel(), values.ravel(), strict=True):
        of_task.setdefault(int(number), []).append(value)
    means = np.array([np.mean(of) for of in of_task.values()])
    assert len(means) == TASKS
    half = scipy.stats.t.ppf(0.975, TASKS - 1) * scipy.stats.sem(means)
    np.testing.assert_allclose(comparison.value(comparison["ridge"], 5), (means.mean(), half))
