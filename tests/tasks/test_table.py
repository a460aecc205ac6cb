"""Tasks of a table, by rows and by tasks, whose scaling depends on training rows only."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import learnset as ls
from learnset.tasks import TaskRows


def test_a_task_of_one_row_gets_one_line():
    table = ls.Table.from_arrays(np.zeros((6, 1)), np.arange(6.0), np.array(["a"] * 5 + ["b"]))
    match = "Task 'b' has 1 labelled row, .* Leave out small tasks with `min_rows=3`"
    with pytest.raises(ls.InputError, match=match):
        ls.by_rows(table)


def numbers(seed=0, tasks=3, rows=20):
    """A table with gaps and a column of words."""
    random = np.random.default_rng(seed)
    task = np.repeat(np.arange(tasks), rows)
    x = np.stack(
        [
            random.normal(5, 3, len(task)),
            random.integers(0, 2, len(task)),
            random.integers(0, 4, len(task)),
        ],
        axis=1,
    )
    x[random.random(len(task)) < 0.1, 0] = np.nan
    y = random.normal(100, 20, len(task))
    return ls.Table(
        x.astype(float), y[:, None], task, ("a", "b", "c"), ("n", "two", "w"), {2: tuple("pqrs")}
    )


@given(st.integers(0, 59), st.integers(0, 1000))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_a_scored_row_changes_nothing_in_training(row, seed):
    table = numbers(seed)
    part = table.split_rows(seed=seed)
    row = int(np.flatnonzero(part > 0)[row % (part > 0).sum()])
    x, y = table.x.copy(), table.y.copy()
    x[row], y[row] = [1e6, 7.0, 3.0], -1e6
    changed = ls.Table(x, y, table.task, table.names, table.columns, table.words)
    before, after = (ls.by_rows(t, part=part) for t in (table, changed))
    both = [jax.tree.leaves((tasks.points, tasks.mean, tasks.std)) for tasks in (before, after)]
    for a, b in zip(*both, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(before.held_out.y, after.held_out.y)


def test_training_inputs_have_mean_zero_and_deviation_one_where_they_are_numbers():
    table = numbers()
    tasks = ls.by_rows(table)
    points, present = np.asarray(tasks.points.x), np.asarray(tasks.points.weight) > 0
    gaps = np.isnan(table.x[np.asarray(tasks.rows[0])[present], 0])
    column = points[present][:, 0]
    np.testing.assert_allclose(column[~gaps].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(column[~gaps].std(), 1, rtol=1e-5)
    assert (column[gaps] == 0).all()  # the mean
    np.testing.assert_array_equal(points[present][:, tasks.inputs.index("n is missing")], gaps)


@pytest.mark.parametrize("mode", ("a task column", "several targets"))
def test_predictions_come_back_in_the_units_of_the_table(mode):
    table = numbers()
    if mode == "several targets":
        y = np.random.default_rng(1).normal([3.0, -500.0, 0.01], [1.0, 40.0, 0.001], (60, 3))
        table = ls.Table(table.x, y, None, table.names, table.columns, table.words)
    tasks = ls.by_rows(table)
    for split in ls.Split:
        points = jax.vmap(lambda i, split=split: tasks.all_points(i, split))(jnp.arange(3))
        back, rows, present = (
            np.asarray(a)
            for a in (tasks.in_units(points.y), tasks.rows_of(split), points.weight > 0)
        )
        for t in range(3):
            expected = table.y[rows[t][present[t]], t if mode == "several targets" else 0]
            np.testing.assert_allclose(back[t, present[t], 0], expected, rtol=1e-5, atol=1e-6)


def test_a_missing_label_never_reaches_a_gradient():
    random = np.random.default_rng(2)
    x, y = random.normal(size=(30, 2)), random.normal(size=(30, 3))
    y[random.random((30, 3)) < 0.3] = np.nan
    part = np.arange(30) % 5 // 3  # 0 0 0 1 1
    part[np.arange(30) % 5 == 4] = 2
    tasks = ls.by_rows(ls.Table.from_arrays(x, y), part=part)
    other = eqx.tree_at(
        lambda t: t.points.y,
        tasks,
        jnp.where(tasks.points.weight[..., None] > 0, tasks.points.y, 1e9),
    )
    model = ls.MLP(2, 1, width=4, depth=1, key=jax.random.key(0))

    @eqx.filter_jit
    def gradient(tasks):
        return ls.Pooled(ls.mse).gradient(
            model, tasks.draw(3, ls.Split.TRAIN, key=jax.random.key(1)), None, key=jax.random.key(2)
        )

    for a, b in zip(*map(jax.tree.leaves, (gradient(tasks)[0], gradient(other)[0])), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()


def test_the_order_of_rows_matters_only_for_the_division():
    table = numbers()
    part, order = table.split_rows(seed=4), np.random.default_rng(0).permutation(60)
    mixed = ls.Table(
        table.x[order], table.y[order], table.task[order], table.names, table.columns, table.words
    )
    plain, other = ls.by_rows(table, part=part), ls.by_rows(mixed, part=part[order])
    np.testing.assert_allclose(plain.mean, other.mean, rtol=1e-6)
    for t in range(3):
        mine, theirs = (
            np.asarray(tasks.points.x[t])[np.asarray(tasks.points.weight[t]) > 0]
            for tasks in (plain, other)
        )
        np.testing.assert_allclose(
            np.sort(mine, axis=0), np.sort(theirs, axis=0), rtol=1e-5, atol=1e-6
        )


@given(st.lists(st.integers(3, 40), min_size=2, max_size=6), st.integers(0, 99))
@settings(deadline=None, max_examples=15, derandomize=True)
def test_every_row_is_in_one_part_and_every_part_has_rows_of_every_task(sizes, seed):
    task = np.repeat(np.arange(len(sizes)), sizes)
    table = ls.Table.from_arrays(np.zeros((len(task), 1)), np.arange(len(task)), task)
    part = table.split_rows(seed=seed)
    assert all(set(part[task == t]) == {0, 1, 2} for t in range(len(sizes)))
    tasks = ls.by_rows(table, part=part)
    rows_of = [np.asarray(tasks.rows_of(split)) for split in ls.Split]
    rows_of = [rows[rows >= 0] for rows in rows_of]
    assert sorted(np.concatenate(rows_of)) == list(range(len(task)))
    for rows, split in zip(rows_of, ls.Split, strict=True):
        assert (part[rows] == split.value).all()


def test_held_out_tasks_do_not_change_the_scaling():
    table = numbers()
    part = np.array([0, 1, 2])
    x, y = table.x.copy(), table.y.copy()
    x[table.task == 2, 0] += 1000.0
    y[table.task == 2] += 1e6
    shifted = ls.Table(x, y, table.task, table.names, table.columns, table.words)
    before, after = (ls.by_tasks(t, part=part, shots=3, queries=4) for t in (table, shifted))
    assert before.names == (("a",), ("b",), ("c",))
    np.testing.assert_array_equal(before.train.x, after.train.x)
    np.testing.assert_array_equal(before.validation.y, after.validation.y)
    np.testing.assert_allclose(
        after.test.y - before.test.y, 1e6 / table.y[table.task == 0].std(), rtol=1e-3
    )


draw = eqx.filter_jit(lambda tasks, split, key: tasks.draw(4, split, key=key))


def test_a_held_out_task_is_learnt_and_scored_on_different_rows(getkey):
    rows = np.arange(60.0)
    tasks = ls.by_tasks(
        ls.Table.from_arrays(rows[:, None], rows, np.repeat(np.arange(6), 10)), shots=4, queries=6
    )
    for split in ls.Split:
        batch = draw(tasks, split, getkey())
        both = np.concatenate(
            [np.asarray(batch.support.y)[..., 0], np.asarray(batch.query.y)[..., 0]], axis=1
        )
        assert all(len(set(task.round(4))) == 10 for task in both)


def test_a_target_with_fewer_classes_is_never_answered_with_those_of_another():
    y = np.array([[0, 0], [1, 1], [0, 2]] * 10, float)
    table = ls.Table(
        np.zeros((30, 1)),
        y,
        None,
        ("smoker", "size"),
        ("x",),
        targets=("smoker", "size"),
        target_classes=(("no", "yes"), ("large", "medium", "small")),
    )
    assert table.classes == ("no / large", "yes / medium", "small")
    tasks = ls.by_rows(table)
    logits = jnp.array([[0.0, 1.0, 2.0]])
    assert tasks.own_classes(logits, 0).argmax() == 1
    np.testing.assert_array_equal(tasks.own_classes(logits, 1), logits)
    assert jax.nn.softmax(tasks.own_classes(logits, 0))[0, 2] == 0


@pytest.mark.parametrize("size", (1e-25, 1.0, 1e25))
def test_targets_of_any_size_are_scaled_to_deviation_one(size):
    rows = np.arange(20.0)
    tasks = ls.by_rows(ls.Table.from_arrays(rows[:, None], size * rows, np.repeat(["a", "b"], 10)))
    points = np.asarray(tasks.points.y, np.float64)[np.asarray(tasks.points.weight) > 0]
    np.testing.assert_allclose([points.mean(), points.std()], [0, 1], atol=1e-6)


def test_rows_on_the_host_are_a_view_of_the_tasks_unless_much_is_padding():
    x, weight = np.zeros((3, 10, 4), np.float32), np.ones((3, 10), np.float32)
    dense = TaskRows.of_batch(ls.Batch(x, x[..., :1], weight))
    assert np.shares_memory(dense.shared_x, x)
    weight[1:, 2:] = 0
    sparse = TaskRows.of_batch(ls.Batch(x, x[..., :1], weight))
    assert sparse.shared_x.shape == (14, 4) and not np.shares_memory(sparse.shared_x, x)
    assert sparse.task.tolist() == [0] * 10 + [1] * 2 + [2] * 2


def test_the_scale_of_a_target_is_found_once_for_all_tasks(monkeypatch):
    """With ten thousand tasks, once for each took an hour."""
    from learnset.tasks import _table_arrays

    calls = []
    monkeypatch.setattr(
        _table_arrays,
        "centre_and_spread",
        lambda x: calls.append(len(x)) or ls.data.centre_and_spread(x),
    )
    rows = np.arange(60.0)
    ls.by_rows(ls.Table.from_arrays(rows[:, None], rows, np.repeat(np.arange(6), 10)))
    assert calls == [36]


def huge_and_small():
    task = np.concatenate([np.zeros(150_000, int), np.repeat(np.arange(1, 301), 10)])
    return ls.Table.from_arrays(np.arange(len(task))[:, None], np.arange(len(task)), task)


def test_a_task_much_larger_than_the_others_is_limited_with_a_note():
    table = huge_and_small()
    small = ls.data.limited(table, seed=1)
    assert small.names == table.names and np.bincount(small.task)[1:].tolist() == [10] * 300
    most = np.bincount(small.task).max()
    assert len(small) * most <= max(8 * len(small.x), 2**25 // 13) < len(small) * (most + 1)
    assert f"('0'), {most} rows each" in small.notes[0]
    assert f"{len(table.x) - len(small.x)} rows are left out" in small.notes[0]
    assert ls.data.limited(small) is small


def test_wherever_tasks_are_padded_much_larger_ones_give_a_part_of_their_rows_with_a_warning():
    table = huge_and_small()
    most = len(ls.data.limited(table).x) - 3000
    part = np.full(len(table.x), 0)
    part[3::10], part[4::10], part[:2] = 1, 2, (1, 2)
    with pytest.warns(UserWarning, match="rows are left out"):
        rows = ls.by_rows(table, part=part)
    of_table = [np.asarray(part)[0] for part in rows.rows]
    assert sum((r >= 0).sum() for r in of_table) == most and len(np.unique(of_table[0])) > 1000
    np.testing.assert_array_equal(rows.points.y.shape[:1], len(table))
    with pytest.warns(UserWarning, match="rows are left out"):
        everything = ls.tasks.all_rows(table).tasks
    assert everything.points.weight.shape == (301, most)
    with pytest.warns(UserWarning, match="rows are left out"):
        question = ls.comparison.SeenTasks.of_table(table, seeds=range(1))
    assert question.rows(ls.Split.TEST).count[0, 0] == round(0.2 * most)


def test_small_differences_of_huge_targets_come_back_digit_by_digit():
    y = 1e12 + np.random.default_rng(0).normal(size=(60, 1))
    table = ls.Table.from_arrays(np.arange(60.0)[:, None], y, np.repeat(["a", "b", "c"], 20))
    tasks = ls.by_rows(table)
    points = tasks.pool(ls.Split.TRAIN)
    rows, present = np.asarray(tasks.rows_of(ls.Split.TRAIN)), np.asarray(points.weight) > 0
    back = tasks.in_units(points.y)
    np.testing.assert_allclose(back[present][:, 0], table.y[rows[present], 0], rtol=0, atol=2e-4)
    np.testing.assert_array_equal(tasks.in_units(points.y[1], 1), back[1])
