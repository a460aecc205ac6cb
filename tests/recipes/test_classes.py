"""The standard recipes of few-shot classification: what they share, and how well they do."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import Accuracy, NewTasks
from learnset.core import calibration_error, is_transductive, predict, settled
from learnset.recipes import classes

pytestmark = pytest.mark.slow


def recipes(count=6):
    return {recipe.name: recipe for recipe in classes.standard(count, steps=2)}


def separated(examples=12):
    """Twelve classes of features, far from each other."""
    random = np.random.default_rng(0)
    x = 10 * np.repeat(random.normal(size=(12, 6)), examples, axis=0) + random.normal(
        size=(12 * examples, 6)
    )
    splits = ls.data.Labelled.from_arrays(x, np.repeat(np.arange(12), examples)).split((6, 3, 3))
    return ls.Episodes(*splits, ways=3, shots=1, queries=3)


def test_every_recipe_has_a_name_of_its_own_and_a_source():
    standard = classes.standard(6)
    assert len(recipes()) == len(standard) > 20
    assert all(recipe.source for recipe in standard)
    assert [recipe.name for recipe in standard if recipe.baseline] == ["scratch"]
    assert 5 < sum(recipe.quick for recipe in standard) < 12


def test_recipes_of_transfer_learning_share_one_pretraining_and_no_others_share_a_training():
    pretrained = {recipe.name for recipe in classes.transfer(6) + classes.transductive(6)}
    trained = [recipe for recipe in recipes().values() if recipe.learns]
    for one, other in itertools.combinations(trained, 2):
        shared = {one.name, other.name} <= pretrained
        assert one.learns_as(other) is shared, (one.name, other.name)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few-shot")
    chosen = [recipes()[name] for name in ("raw pixels", "SimpleShot", "TIM", "ProtoNet")]

    def network(key):
        return ls.MLP(6, 3, width=16, depth=1, key=key)

    question = NewTasks(
        separated(),
        Accuracy(),
        seeds=2,
        shots=(1, 2),
        queries=3,
        validation_tasks=4,
        test_tasks=10,
    )
    options = {"budget": ls.Budget(3, 2), "out": folder, "progress": False}
    return ls.compare(chosen, network, question, key=jr.key(0), **options), folder


def test_a_shared_pretraining_is_made_once(compared):
    comparison, folder = compared
    checkpoints = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert checkpoints == ["protonet", "simpleshot"]
    one, other = comparison["TIM"].cost, comparison["SimpleShot"].cost
    assert one.train_seconds == other.train_seconds > 0
    features = [comparison[name].models.encoder for name in ("TIM", "SimpleShot")]
    assert eqx.tree_equal(*features)


def test_classes_that_are_far_from_each_other_are_told_apart(compared):
    comparison, _ = compared
    rows = comparison.records()
    assert {row["shots"] for row in rows} == {1, 2}
    assert all(row["measure"] == "accuracy" and 0 <= row["value"] <= 1 for row in rows)
    assert all(outcome.at(2).mean() > 0.95 for outcome in comparison)  # chance is at 1/3
    ninths = {n for outcome in comparison for n in np.round(9 * outcome.at(1).ravel(), 4)}
    assert ninths <= set(range(10))  # there are nine queries


def test_the_table_has_calibration_and_whether_queries_see_each_other(compared):
    table = {row["recipe"]: row for row in compared[0].recipes(1)}
    assert {name for name, row in table.items() if row["transductive"]} == {"TIM"}
    for row in table.values():
        assert [error["shots"] for error in row["calibration_error"]] == [1, 2]
        assert all(0 <= error["value"] <= 1 for error in row["calibration_error"])


def test_classes_with_fewer_examples_than_a_batch_are_pretrained_on_as_they_are():
    """Six classes of eight have 48 examples, less than a batch of 64: each is taken once."""
    tasks = classes.pooled(separated(examples=8), jr.key(0))
    points = eqx.filter_jit(lambda key: tasks.sample(ls.Split.TRAIN, key=key))(jr.key(0)).points
    assert (points.y.sum(axis=1) == 1).all()
    assert len(np.unique(points.x, axis=0)) == len(points.x) == 48


@pytest.mark.parametrize(
    "normalisation", (ls.models.BatchNorm, ls.models.SupportNorm, ls.models.GroupNorm)
)
def test_queries_see_each_other_where_the_model_says_so(normalisation):
    @eqx.filter_jit
    def first(key):
        """The first of three queries, with two others and with another two."""
        encoder = ls.Conv4((4, 4, 1), filters=2, blocks=1, normalisation=normalisation, key=key)
        model = ls.models.classifier(encoder, 3, key=key)
        images = jr.normal(key, (8, 4, 4, 1))
        ready = settled(model, ls.Batch(images[:3], jnp.eye(3)))
        queries = jnp.array([[3, 4, 5], [3, 6, 7]])
        return model, jnp.stack([predict(ready, images[rows])[0] for rows in queries])

    model, (one, other) = first(jr.key(0))
    assert is_transductive(model) is (normalisation is ls.models.BatchNorm)
    assert bool(jnp.allclose(one, other, atol=1e-6)) is not is_transductive(model)


def test_a_classifier_that_is_right_as_often_as_it_is_sure_is_calibrated():
    sure = np.repeat([0.6, 0.8, 1.0], 10)
    right = np.concatenate([np.arange(10) < 6, np.arange(10) < 8, np.ones(10)]).astype(float)
    assert calibration_error(sure, right) == pytest.approx(0, abs=1e-12)
    assert calibration_error(np.ones(5), np.zeros(5)) == 1  # always sure and never right
    assert calibration_error(np.full(4, 0.5), np.array([1.0, 1.0, 1.0, 0.0])) == pytest.approx(0.25)


def test_what_does_not_count_is_not_held_against_calibration():
    assert calibration_error(np.array([1.0, np.nan]), np.array([1.0, np.nan])) == 0
    assert calibration_error(np.array([np.nan]), np.array([np.nan])) == 0
