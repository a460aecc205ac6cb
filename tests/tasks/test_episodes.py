"""Episodes are drawn evenly, never mix splits, and never contain an image twice."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close
from scipy import stats

import learnset as ls

# Of ten classes: five to train on, two to validate on, and three to test on.
SIZES = (6, 9, 7, 6, 8, 6, 7, 6, 9, 12)


def labelled(sizes=SIZES, start=0):
    """Each example is its own row number and the number of its class."""
    y = np.repeat(np.arange(len(sizes)), sizes)
    x = np.stack([start + np.arange(len(y)), y], axis=1).astype(np.float32)
    return ls.data.Labelled.from_arrays(x, [f"class{label:02d}" for label in y])


CLASSES = labelled()
PARTS = [CLASSES.subset(part) for part in ([0, 1, 2, 3, 4], [5, 6], [7, 8, 9])]
TASKS = ls.Episodes(*PARTS, ways=2, shots=2, queries=3)


@pytest.fixture(scope="module")
def drawn():
    """3 000 tasks of each split."""
    return {
        split: jax.jit(lambda split=split: TASKS.draw(3000, split, key=jr.key(5)))()
        for split in ls.Split
    }


def test_an_episode_has_shots_and_queries_of_each_way():
    task = jax.eval_shape(lambda: TASKS.sample(ls.Split.TRAIN, key=jr.key(0)))
    assert task.support.x.shape == (4, 2) and task.query.x.shape == (6, 2)
    assert task.support.y.shape == (4, 2) and task.query.y.shape == (6, 2)
    assert TASKS.points_per_shot == 2


def test_splits_are_never_mixed(drawn):
    for (split, tasks), part in zip(drawn.items(), PARTS, strict=True):
        classes = {int(name.removeprefix("class")) for name in part.names}
        points = jnp.concatenate([tasks.support.x, tasks.query.x], axis=1)
        assert set(np.unique(points[..., 1]).astype(int)) == classes, split


def test_no_image_is_in_a_task_twice(drawn):
    tasks = drawn[ls.Split.TRAIN]
    points = jnp.concatenate([tasks.support.x, tasks.query.x], axis=1)
    assert all(len(np.unique(rows)) == 10 for rows in np.asarray(points[..., 0]))


def test_labels_belong_to_their_classes_and_are_balanced(drawn):
    tasks = drawn[ls.Split.TRAIN]
    points = jnp.concatenate([tasks.support.x, tasks.query.x], axis=1)
    labels = jnp.concatenate([tasks.support.y, tasks.query.y], axis=1).argmax(axis=-1)
    for way in range(2):
        of_way = np.where(labels == way, points[..., 1], np.nan)
        assert (np.nanmin(of_way, axis=1) == np.nanmax(of_way, axis=1)).all()
    assert (tasks.support.y.sum(axis=1) == 2).all() and (tasks.query.y.sum(axis=1) == 3).all()


def test_classes_are_drawn_evenly(drawn):
    """Each ordered pair of five classes is as likely as any other, whatever the size of a class."""
    pairs = np.asarray(drawn[ls.Split.TRAIN].support.x[:, :2, 1]).astype(int)
    counts = np.unique(pairs @ np.array([10, 1]), return_counts=True)[1]
    assert len(counts) == 20
    assert stats.chisquare(counts).pvalue > 0.01


def test_examples_of_a_class_are_drawn_evenly(drawn):
    tasks = drawn[ls.Split.TEST]
    rows = np.asarray(tasks.support.x[..., 0][tasks.support.x[..., 1] == 9]).astype(int)
    counts = np.unique(rows, return_counts=True)[1]
    assert len(counts) == 12
    assert stats.chisquare(counts).pvalue > 0.01


def test_a_smaller_support_set_is_the_beginning_of_a_larger_one(drawn):
    """The first points are one of each class, in the order of the labels; and so are the next."""
    labels = drawn[ls.Split.TRAIN].support.y.argmax(axis=-1)
    assert (labels == jnp.array([0, 1, 0, 1])[None]).all()
    task = jax.tree.map(lambda leaf: leaf[:1], drawn[ls.Split.TRAIN])
    assert_close(task.support.first(TASKS.points_per_shot).y[0], jnp.eye(2))


def test_numbers_below_another_are_chosen_evenly_in_subsets_and_orders():
    choose = jax.jit(jax.vmap(lambda key: ls.tasks.choose(5, 3, key=key)))
    chosen = np.asarray(choose(jr.split(jr.key(1), 12_000)))
    counts = np.unique(chosen @ np.array([100, 10, 1]), return_counts=True)[1]
    assert len(counts) == 60  # 5 · 4 · 3 ordered choices
    assert stats.chisquare(counts).pvalue > 0.01


def test_all_numbers_can_be_chosen():
    assert sorted(ls.tasks.choose(7, 7, key=jr.key(0)).tolist()) == list(range(7))


def test_bytes_become_numbers_from_zero_to_one():
    images = np.arange(10 * 6 * 4, dtype=np.uint8).reshape(60, 2, 2, 1)
    parts = ls.data.Labelled.from_arrays(images, np.repeat(np.arange(10), 6)).split((4, 3, 3))
    tasks = ls.Episodes(*parts, ways=2, shots=1, queries=2)
    task = jax.jit(lambda: tasks.sample(ls.Split.TRAIN, key=jr.key(0)))()
    x = np.asarray(task.points.x)
    originals = {image.tobytes() for image in images}
    assert x.dtype == np.float32
    # Images survive the round trip bit for bit.
    assert all(image.tobytes() in originals for image in np.rint(255 * x).astype(np.uint8))
    assert np.abs(255 * x - np.rint(255 * x)).max() < 1e-4


@pytest.mark.slow
def test_only_training_examples_are_augmented():
    def minus(x, *, key):
        return -x

    tasks = ls.Episodes(*PARTS, ways=2, shots=2, queries=3, augment=minus)
    for split, sign in ((ls.Split.TRAIN, -1), (ls.Split.TEST, 1)):
        plain, other = jax.jit(
            lambda split=split: [f.sample(split, key=jr.key(3)) for f in (TASKS, tasks)]
        )()
        assert_close(other.points.x, sign * plain.points.x)


def test_too_few_examples_are_an_error_that_names_the_class():
    match = "`shots=4` and `queries=3` need 7 examples.* class 'class00' has 6"
    with pytest.raises(ls.InputError, match=match):
        TASKS.with_shots(4)


def test_too_few_classes_are_an_error_that_names_the_split():
    with pytest.raises(ls.InputError, match="`ways=3`, but there are 2 classes to validate on"):
        ls.Episodes(*PARTS, ways=3)


def test_a_class_in_two_splits_is_an_error():
    match = "'class04' is in two splits, to train on and to validate on"
    with pytest.raises(ls.InputError, match=match):
        ls.Episodes(PARTS[0], CLASSES.subset([4, 5]), PARTS[2], ways=2)


def test_one_way_is_not_classification():
    with pytest.raises(ls.InputError, match="`ways=1`"):
        ls.Episodes(*PARTS, ways=1)


POOLED = ls.tasks.PooledClasses(TASKS, shots=4, queries=5, held_out=1)


@pytest.fixture(scope="module")
def pooled():
    return jax.jit(lambda: POOLED.draw(500, ls.Split.TRAIN, key=jr.key(5)))()


def test_pooled_classes_have_labels_that_all_tasks_share(pooled):
    points = jax.vmap(lambda task: task.points)(pooled)
    assert points.y.shape == (500, 9, 5)
    assert (points.y.argmax(axis=-1) == points.x[..., 1].astype(jnp.int32)).all()
    assert all(len(np.unique(row)) == 9 for row in np.asarray(points.x[..., 0]))


def test_pooled_classes_draw_every_training_example_evenly(pooled):
    rows = np.asarray(pooled.query.x[..., 0]).astype(int).ravel()
    counts = np.unique(rows, return_counts=True)[1]
    assert len(counts) == sum(SIZES[:5]) - 2 * 5
    assert stats.chisquare(counts).pvalue > 0.01


def test_pooled_classes_are_validated_and_tested_on_other_examples_of_the_same_classes():
    ends = np.cumsum(SIZES[:5])
    tasks = ls.tasks.PooledClasses(TASKS, shots=2, queries=3, held_out=1)
    for split, back in ((ls.Split.VALIDATION, 2), (ls.Split.TEST, 1)):
        points = jax.jit(lambda split=split: tasks.sample(split, key=jr.key(0)).points)()
        assert sorted(points.x[:, 0].astype(int).tolist()) == (ends - back).tolist()
        assert (points.y.argmax(axis=1) == points.x[:, 1].astype(jnp.int32)).all()


def test_pooled_classes_without_held_out_examples_cannot_be_validated():
    with pytest.raises(ls.InputError, match="Set `held_out`"):
        dataclasses.replace(POOLED, held_out=0).sample(ls.Split.TEST, key=jr.key(0))
    with pytest.raises(ls.InputError, match="leave none to train on of a class with 6 examples"):
        ls.tasks.PooledClasses(TASKS, held_out=3)


def test_a_classifier_of_all_training_classes_is_pretrained_on_them():
    model = ls.MLP(2, POOLED.classes, width=8, depth=1, key=jr.key(0))
    options = {"steps": 5, "tasks_per_step": 2, "key": jr.key(1)}
    run = ls.train(ls.Pooled(ls.cross_entropy), model, POOLED, optax.adam(1e-2), **options)
    assert not eqx.tree_equal(run.model, model)
