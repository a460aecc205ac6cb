"""Tasks of varying ways and shots follow the rules by which they are drawn."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import stats

import learnset as ls
from learnset.tasks._variable_episodes import choose_up_to, shots_of_classes

# Of six classes to train on, three to validate on, and three to test on.
SIZES = (4, 30, 8, 15, 6, 9, 40, 5, 7, 12, 3, 20)


def labelled(sizes=SIZES):
    """Each example is its own row number and the number of its class."""
    y = np.repeat(np.arange(len(sizes)), sizes)
    x = np.stack([1 + np.arange(len(y)), y], axis=1).astype(np.float32)
    return ls.data.Labelled.from_arrays(x, [f"class{label:02d}" for label in y])


CLASSES = labelled()
PARTS = [CLASSES.subset(part) for part in (range(6), range(6, 9), range(9, 12))]
TASKS = ls.tasks.VariableEpisodes(*PARTS, min_ways=2, max_ways=5, max_support=20, max_queries=4)


@pytest.fixture(scope="module")
def drawn():
    return jax.device_get(jax.jit(lambda: TASKS.draw(2000, ls.Split.TRAIN, key=jr.key(5)))())


def counts(batch):
    """Points of each class: "tasks classes"."""
    return (batch.y * batch.weight[..., None]).sum(axis=1)


def test_all_tasks_have_one_shape(drawn):
    assert drawn.support.x.shape == (2000, 20, 2) and drawn.support.y.shape == (2000, 20, 5)
    assert drawn.query.x.shape == (2000, 20, 2) and drawn.query.weight.shape == (2000, 20)
    assert (TASKS.shots, TASKS.queries, TASKS.points_per_shot) == (20, 4, 1)


def test_ways_are_drawn_evenly_within_their_bounds(drawn):
    ways = (counts(drawn.support) > 0).sum(axis=1)
    number = np.unique(ways, return_counts=True)
    assert number[0].tolist() == [2, 3, 4, 5]
    assert stats.chisquare(number[1]).pvalue > 0.01


def test_ways_are_at_most_the_number_of_classes():
    tasks = jax.jit(lambda: TASKS.draw(50, ls.Split.TEST, key=jr.key(0)))()
    assert tasks.support.y.shape == (50, 20, 5)
    assert set((counts(tasks.support) > 0).sum(axis=1).tolist()) == {2, 3}


def test_classes_are_drawn_evenly_whatever_their_size(drawn):
    """Each class of a task counts once, whatever its shots."""
    first = [
        np.unique(x[w > 0, 1]) for x, w in zip(drawn.support.x, drawn.support.weight, strict=True)
    ]
    ways = np.array([len(classes) for classes in first])
    of_two = np.concatenate([classes for classes, way in zip(first, ways, strict=True) if way == 2])
    number = np.unique(of_two, return_counts=True)[1]
    assert len(number) == 6 and stats.chisquare(number).pvalue > 0.01


def test_every_class_has_a_support_point_and_as_many_queries_as_the_others(drawn):
    support, query = counts(drawn.support), counts(drawn.query)
    assert ((support > 0) == (query > 0)).all()
    each = query.max(axis=1, keepdims=True)
    assert ((query == each) | (query == 0)).all()


def test_queries_are_at_most_half_of_the_smallest_class(drawn):
    sizes = np.array(SIZES)
    for x, weight, query in zip(
        drawn.query.x[:200], drawn.query.weight, counts(drawn.query), strict=False
    ):
        smallest = sizes[np.unique(x[weight > 0, 1]).astype(int)].min()
        assert query.max() == min(4, smallest // 2)


def test_support_sets_are_unbalanced_and_bounded(drawn):
    support = counts(drawn.support)
    assert support.sum(axis=1).max() <= 20
    assert (support.max(axis=1) > support.min(axis=1, where=support > 0, initial=99)).mean() > 0.3


def test_no_example_is_in_a_task_twice_and_labels_belong_to_their_classes(drawn):
    for number in range(200):
        rows, pairs = [], set()
        for batch in (drawn.support, drawn.query):
            present = batch.weight[number] > 0
            x, labels = batch.x[number, present], batch.y[number, present].argmax(axis=1)
            rows.extend(x[:, 0].tolist())
            pairs |= set(zip(x[:, 1], labels, strict=True))
        assert len(set(rows)) == len(rows)
        assert len(pairs) == len({label for _, label in pairs}) == len({name for name, _ in pairs})


def test_absent_points_come_last_and_are_zero(drawn):
    assert (np.diff(drawn.support.weight, axis=1) <= 0).all()
    assert (drawn.support.x[drawn.support.weight == 0] == 0).all()


def test_training_tasks_have_training_classes_only(drawn):
    assert set(np.unique(drawn.support.x[drawn.support.weight > 0, 1])) == set(range(6))


def test_all_examples_of_a_class_are_used_evenly(drawn):
    """The queries of class 3, which has 15 examples."""
    of_class = (drawn.query.weight > 0) & (drawn.query.x[..., 1] == 3)
    number = np.unique(drawn.query.x[of_class, 0], return_counts=True)[1]
    assert len(number) == 15
    assert stats.chisquare(number).pvalue > 0.01


def test_support_sizes_follow_the_rules_of_meta_dataset():
    """In 2 000 draws for three classes, each has at least one point and never more than are left,
    and larger classes have more on average."""
    sizes, queries = jnp.array([30, 300, 1000, 0]), jnp.asarray(10)
    draw = jax.jit(jax.vmap(lambda key: shots_of_classes(sizes, queries, 100, key=key)))
    shots = np.asarray(draw(jr.split(jr.key(0), 2000)))
    assert (shots[:, :3] >= 1).all() and (shots[:, 3] == 0).all()
    assert (shots <= np.array([20, 290, 990, 0])).all() and shots.sum(axis=1).max() <= 100
    means = shots.mean(axis=0)
    assert means[0] < means[1] < means[2]


def test_choosing_up_to_a_number_chooses_all_that_there_are():
    choose = jax.jit(jax.vmap(lambda key: choose_up_to(jnp.asarray(3), 5, key=key)))
    chosen = choose(jr.split(jr.key(0), 6000))
    orders = np.unique(np.asarray(chosen[:, :3]) @ np.array([100, 10, 1]), return_counts=True)[1]
    assert len(orders) == 6 and stats.chisquare(orders).pvalue > 0.01
    assert (chosen[:, 3:] == 0).all()


def test_a_class_with_one_example_is_named():
    with pytest.raises(ls.InputError, match="'class01' has 1"):
        ls.tasks.VariableEpisodes(labelled((3, 1)), *PARTS[1:], min_ways=2, max_ways=2)


def test_impossible_bounds_are_refused():
    for settings, words in (
        ({"min_ways": 4, "max_ways": 3}, "`min_ways=4`, `max_ways=3`"),
        (
            {"min_ways": 2, "max_ways": 8, "max_support": 7},
            "room for a support point of each of `max_ways=8`",
        ),
        ({"min_ways": 4, "max_ways": 5}, "`ways=4`, but there are 3 classes to validate on"),
    ):
        with pytest.raises(ls.InputError, match=words):
            ls.tasks.VariableEpisodes(*PARTS, **settings)


def test_other_numbers_of_points_are_another_family():
    assert TASKS.with_shots(6).max_support == 6 and TASKS.with_shots(6, 2).max_queries == 2
