"""Numbered tasks: tasks are shared between the splits, and points never are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import learnset as ls

# Examples share shapes and numbers of points, so that few programs are compiled: the largest task
# is always present.
LARGEST = 14  # rows
draw = eqx.filter_jit(lambda tasks, num, split, key: tasks.draw(num, split, key=key))
sample = eqx.filter_jit(lambda tasks, split, key: tasks.sample(split, key=key))


def sizes_for(points):
    """Shots, queries, and rows of four tasks which have enough of them."""
    some = st.lists(st.integers(max(3, 2 * points[0]), LARGEST), min_size=3, max_size=3)
    return st.tuples(st.just(points), some.map(lambda sizes: [*sizes, LARGEST]))


examples = st.sampled_from(((1, 1), (1, 9), (3, 3))).flatmap(sizes_for)
seeds = st.integers(0, 1000)
a_few = settings(deadline=None, max_examples=25, derandomize=True)


def table(sizes, shots, queries):
    """Tasks whose inputs are their row numbers, and the rows of each to learn from and to score
    on."""
    task = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.arange(len(task), dtype=np.float32)[:, None]
    tasks = ls.FiniteTasks.from_arrays(rows, 2 * rows, task, shots=shots, queries=queries)

    starts = np.cumsum(sizes) - sizes
    cuts, ends = starts + [learnt(size) for size in sizes], np.cumsum(sizes)
    learn = [set(range(start, cut)) for start, cut in zip(starts, cuts, strict=True)]
    score = [set(range(cut, end)) for cut, end in zip(cuts, ends, strict=True)]
    return tasks, learn, score


def learnt(size):
    """The rows to learn from: half of them are held out, rounded up, and never fewer than two."""
    return max(1, min(size - 2, size // 2))


def rows_of(batch):
    """The rows of each task that have weight. None occurs twice, and targets follow inputs."""
    tasks = []
    for x, y, weight in zip(*map(np.asarray, (batch.x, batch.y, batch.weight)), strict=True):
        rows = x[weight > 0, 0].astype(int).tolist()
        assert len(set(rows)) == len(rows)
        assert np.array_equal(y, 2 * x)
        tasks.append(set(rows))
    return tasks


@given(examples, seeds)
@a_few
def test_support_and_query_of_a_training_task_are_disjoint_and_use_all_its_points(example, seed):
    points, sizes = example
    tasks, learn, _ = table(sizes, *points)
    batch = draw(tasks, 8, ls.Split.TRAIN, jr.key(seed))
    for index, support, query in zip(
        np.asarray(batch.index), rows_of(batch.support), rows_of(batch.query), strict=True
    ):
        own = learn[int(index)]
        assert not support & query
        assert support | query <= own
        assert len(support | query) == min(len(own), tasks.shots + tasks.queries)


@pytest.mark.slow
@given(examples, seeds)
@a_few
def test_held_out_points_are_scored_on_and_never_learnt_from(example, seed):
    points, sizes = example
    tasks, learn, score = table(sizes, *points)
    scored = {}
    for split in (ls.Split.VALIDATION, ls.Split.TEST):
        batch = draw(tasks, len(tasks), split, jr.key(seed))
        scored[split] = rows_of(batch.query)
        for i, (support, query) in enumerate(
            zip(rows_of(batch.support), scored[split], strict=True)
        ):
            assert len(support) == tasks.shots and support <= learn[i]
            assert 1 <= len(query) <= tasks.queries and query <= score[i]
    for validated, tested in zip(*scored.values(), strict=True):
        assert not validated & tested


@pytest.mark.slow
@pytest.mark.parametrize("shots, queries", ((1, 1), (1, 9), (3, 4), (5, 1)))
def test_a_task_too_small_for_shots_and_queries_has_some_of_both(shots, queries):
    size = np.arange(max(2, shots), 12)
    weight = jnp.asarray(np.arange(11) < size[:, None], jnp.float32)
    points = ls.Batch(weight[..., None], weight[..., None], weight)
    every = draw(ls.FiniteTasks(points, points, shots, queries), 500, ls.Split.TRAIN, jr.key(0))
    support, query = (
        (np.asarray(part.weight) > 0).sum(axis=1) for part in (every.support, every.query)
    )
    assert support.min() >= 1 and query.min() >= 1
    assert np.array_equal(support + query, np.minimum(size[every.index], shots + queries))


@pytest.mark.parametrize("split", (ls.Split.VALIDATION, ls.Split.TEST))
def test_outside_training_tasks_come_by_number(split):
    tasks, _, _ = table([6, 7, 8, 9], 2, 2)
    assert draw(tasks, 10, split, jr.key(0)).index.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_training_draws_every_task_equally_often():
    tasks, _, _ = table([6, 7, 8, 9], 2, 2)
    counts = np.bincount(draw(tasks, 4000, ls.Split.TRAIN, jr.key(0)).index, minlength=4)
    assert np.all(np.abs(counts - 1000) < 4 * np.sqrt(4000 * 0.25 * 0.75))


def test_every_point_is_drawn_as_often_as_every_other():
    tasks, learn, _ = table([LARGEST], 2, 1)
    index, keys = jnp.zeros(7000, jnp.int32), jr.split(jr.key(0), 7000)
    drawn = jax.jit(jax.vmap(lambda i, key: tasks.task(i, ls.Split.TRAIN, key=key)))(index, keys)
    for points, num in ((drawn.support, 2), (drawn.query, 1)):
        counts = np.bincount(np.asarray(points.x).ravel().astype(int), minlength=len(learn[0]))
        expected = 7000 * num / len(learn[0])
        assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))


def test_sample_is_a_task_of_the_set(getkey):
    tasks, learn, _ = table([6, 7, 8, 9], 2, 2)
    task = jax.tree.map(
        lambda leaf: np.asarray(leaf)[None], sample(tasks, ls.Split.TRAIN, getkey())
    )
    assert rows_of(task.support)[0] | rows_of(task.query)[0] <= learn[int(task.index[0])]


def test_from_family_has_the_points_of_the_family_s_training_tasks(getkey):
    family, key = ls.Sinusoids(shots=3, queries=4), getkey()
    tasks = ls.FiniteTasks.from_family(family, num_tasks=5, points=6, held_out=8, key=key)
    drawn = family.with_shots(6, 8).draw(5, ls.Split.TRAIN, key=key)
    assert eqx.tree_equal((tasks.points, tasks.held_out), (drawn.support, drawn.query))
    assert (len(tasks), tasks.shots, tasks.queries) == (5, 3, 4)


def test_from_family_lowers_the_shots_to_the_number_of_points(getkey):
    family = ls.Sinusoids(shots=30)
    tasks = ls.FiniteTasks.from_family(family, num_tasks=2, points=6, key=getkey())
    assert tasks.shots == 6


def test_labels_of_tasks_may_be_words_in_any_order():
    x, word = np.arange(12.0)[:, None], np.array(list("baabbbaabaab"))
    tasks = ls.FiniteTasks.from_arrays(x, x, word, shots=2)
    for number, name in enumerate("ab"):
        (rows,) = np.nonzero(word == name)
        assert np.array_equal(np.asarray(tasks.points.x)[number, :, 0], rows[:3])
        assert np.array_equal(np.asarray(tasks.held_out.x)[number, :, 0], rows[3:])


def test_inputs_and_targets_of_any_shape_go_through():
    x, y, task = np.zeros((12, 4, 3)), np.zeros((12, 2)), np.repeat([0, 1], 6)
    tasks = ls.FiniteTasks.from_arrays(x, y, task, shots=2, queries=1)
    one = sample(tasks, ls.Split.TRAIN, jr.key(0))
    assert one.support.x.shape == (2, 4, 3) and one.query.y.shape == (1, 2)


def test_labels_that_are_absent_one_by_one_stay_absent(getkey):
    rows = np.arange(10)
    x = jnp.asarray(rows.reshape(1, 10, 1), jnp.float32)
    # Row 9 has neither label.
    weight = np.stack([rows % 2 == 0, rows < 8], axis=1).astype(np.float32)
    points = ls.Batch(x, jnp.repeat(x, 2, axis=2), jnp.asarray(weight[None]))
    tasks = ls.FiniteTasks(points, points, shots=5, queries=4)
    drawn = sample(tasks, ls.Split.TRAIN, getkey()).points
    present = np.asarray(drawn.x)[:, 0].astype(int)
    assert sorted(present) == list(range(9))
    assert np.array_equal(drawn.weight, weight[present])


def rows(num=12):
    return np.arange(float(num))[:, None]


ERRORS = {
    "shots": (
        lambda: table([8, 6, 9], 2, 2)[0].with_shots(4),
        "`shots=4`, but task 1 has 3 points",
    ),
    "no shots": (lambda: table([6, 8], 2, 2)[0].with_shots(0), "`shots=0`"),
    "lengths": (
        lambda: ls.FiniteTasks.from_arrays(rows(), rows(11), np.zeros(12)),
        "12, 11 and 12 rows",
    ),
    "NaN": (
        lambda: ls.FiniteTasks.from_arrays(rows() / rows(), rows(), np.zeros(12)),
        "`x` has 1 numbers that are NaN",
    ),
    "too few rows": (
        lambda: ls.FiniteTasks.from_arrays(rows(), rows(), np.array(["a"] * 10 + ["b"] * 2)),
        "Task .*'b'.* has 2 rows",
    ),
    "held_out": (
        lambda: ls.FiniteTasks.from_arrays(rows(), rows(), np.zeros(12), held_out=1.0),
        "`held_out=1.0`",
    ),
    "family's points": (
        lambda: ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=2, points=0, key=jr.key(0)),
        "`points=0`",
    ),
    "family's held_out": (
        lambda: ls.FiniteTasks.from_family(
            ls.Sinusoids(), num_tasks=2, points=5, held_out=1, key=jr.key(0)
        ),
        "`held_out=1`, but .* at least 2",
    ),
}


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # 0 / 0, which makes the NaN
@pytest.mark.parametrize("make, words", ERRORS.values(), ids=ERRORS)
def test_an_error_names_what_is_wrong_and_the_numbers(make, words):
    with pytest.raises(ls.InputError, match=words):
        make()
