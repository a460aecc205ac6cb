"""The standard recipes of few-shot classification: what they share, what they say of themselves, what they come to."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.recipes import classes as few_shot
from learnset.core._predict import is_transductive, predict, settled
from learnset.core._result import calibration_error

BUDGET = ls.Budget(
    steps=3, tasks_per_step=2, seeds=2, shots=(1, 2), queries=3, validation_tasks=4, test_tasks=10
)


def recipes(classes=6):
    return {recipe.name: recipe for recipe in few_shot.standard(classes, steps=2)}


def apart(examples=12):
    """Twelve classes of features, far from each other."""
    random = np.random.default_rng(0)
    x = 10 * np.repeat(random.normal(size=(12, 6)), examples, axis=0) + random.normal(
        size=(12 * examples, 6)
    )
    splits = ls.data.Labelled.from_arrays(x, np.repeat(np.arange(12), examples)).split((6, 3, 3))
    return ls.Episodes(*splits, ways=3, shots=1, queries=3)


def test_every_recipe_has_a_name_of_its_own_and_a_source():
    everyone = few_shot.standard(6)
    assert len(recipes()) == len(everyone) > 20
    assert all(recipe.source for recipe in everyone)
    assert set(few_shot.QUICK) <= recipes().keys()


def test_recipes_of_transfer_learning_share_one_pretraining_and_nobody_else_does():
    pretrained = {recipe.name for recipe in few_shot.transfer(6) + few_shot.transductive(6)}
    for one, other in itertools.combinations(recipes().values(), 2):
        assert one.trains_as(other) is ({one.name, other.name} <= pretrained), (
            one.name,
            other.name,
        )


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few-shot")
    chosen = [recipes()[name] for name in ("raw pixels", "SimpleShot", "TIM", "ProtoNet")]

    def network(key):
        return ls.MLP(6, 3, width=16, depth=1, key=key)

    options = {"budget": BUDGET, "metric": ls.error_rate, "out": folder, "progress": False}
    return ls.compare(chosen, network, apart(), key=jr.key(0), **options), folder


def test_a_shared_pretraining_is_made_once(compared):
    comparison, folder = compared
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        "protonet",
        "simpleshot",
    ]
    assert comparison["TIM"].train_seconds == comparison["SimpleShot"].train_seconds > 0
    features = [comparison[name].models.encoder for name in ("TIM", "SimpleShot")]
    assert eqx.tree_equal(*features)


def test_classes_that_lie_apart_are_told_apart(compared):
    comparison, _ = compared
    rows = comparison.rows()
    assert {row["shots"] for row in rows} == {1, 2}
    assert all(0 <= row["error"] <= 1 for row in rows)
    assert all(outcome.at(2).mean() < 0.05 for outcome in comparison)  # chance is at 2/3
    assert all(
        set(np.round(9 * outcome.at(1).ravel(), 4)) <= set(range(10)) for outcome in comparison
    )  # nine queries


def test_the_table_says_how_sure_and_whether_queries_see_each_other(compared):
    said = {row["recipe"]: row for row in compared[0].recipes(1)}
    assert {name for name, row in said.items() if row["transductive"]} == {"TIM"}
    for row in said.values():
        assert row["calibration_error"].keys() == {"1", "2"}
        assert all(0 <= error <= 1 for error in row["calibration_error"].values())


def test_classes_with_fewer_examples_than_a_batch_are_pretrained_on_as_they_are():
    """Six classes of eight have 48 examples, less than a batch of 64: none is taken twice, none without a class."""
    tasks = few_shot.pooled(apart(examples=8), jr.key(0))
    points = eqx.filter_jit(lambda key: tasks.sample(ls.Split.TRAIN, key=key))(jr.key(0)).points
    assert (points.y.sum(axis=1) == 1).all()
    assert len(np.unique(points.x, axis=0)) == len(points.x) == 48


@pytest.mark.parametrize(
    "normalisation", (ls.models.BatchNorm, ls.models.SupportNorm, ls.models.GroupNorm)
)
def test_queries_see_each_other_where_the_model_says_so(normalisation):
    @eqx.filter_jit
    def first(key):
        """Of three queries, beside two and beside two others."""
        encoder = ls.Conv4((4, 4, 1), filters=2, blocks=1, normalisation=normalisation, key=key)
        model = ls.models.classifier(encoder, 3, key=key)
        images = jr.normal(key, (8, 4, 4, 1))
        ready = settled(model, ls.Batch(images[:3], jnp.eye(3)))
        beside = jnp.array([[3, 4, 5], [3, 6, 7]])
        return model, jnp.stack([predict(ready, images[rows])[0] for rows in beside])

    model, (one, other) = first(jr.key(0))
    assert is_transductive(model) is (normalisation is ls.models.BatchNorm)
    assert bool(jnp.allclose(one, other, atol=1e-6)) is not is_transductive(model)


def test_who_is_as_often_right_as_it_is_sure_is_calibrated():
    sure = np.repeat([0.6, 0.8, 1.0], 10)
    right = np.concatenate([np.arange(10) < 6, np.arange(10) < 8, np.ones(10)]).astype(float)
    assert calibration_error(sure, right) == pytest.approx(0, abs=1e-12)
    assert calibration_error(np.ones(5), np.zeros(5)) == 1  # always sure and never right
    assert calibration_error(np.full(4, 0.5), np.array([1.0, 1.0, 1.0, 0.0])) == pytest.approx(0.25)


def test_what_does_not_count_is_not_held_against_calibration():
    assert calibration_error(np.array([1.0, np.nan]), np.array([1.0, np.nan])) == 0
    assert calibration_error(np.array([np.nan]), np.array([np.nan])) == 0
