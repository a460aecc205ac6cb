"""Comparisons: who shares what with whom, and what the numbers mean."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import learnset as ls
from learnset.comparison._comparison import first_step, shots_needed
from learnset.core._result import interval
from learnset.report._page import answers, below_constant

BUDGET = ls.Budget(steps=150, seeds=3, shots=(4, 8), validation_tasks=10, test_tasks=40, queries=20)


def network(key):
    return ls.MLP(1, 1, width=16, depth=2, key=key)


def compare(recipes, tasks=None, budget=BUDGET, **options):
    tasks = ls.Sinusoids(shots=8) if tasks is None else tasks
    return ls.compare(
        recipes, network, tasks, key=jr.key(0), budget=budget, progress=False, **options
    )


@pytest.fixture(scope="module")
def comparison():
    r = ls.recipes.regression
    return compare(
        [
            r.scratch(steps=40),
            r.transfer_pooled(steps=5),
            r.r2d2(),
            r.oracle(),
            r.single_task(num_tasks=12),
            r.multi_task(num_tasks=12),
        ]
    )


def test_a_recipe_under_another_name_has_the_same_errors():
    """All that recipes share is shared: tasks, initial models, training tasks, and nothing depends on their order."""
    one, two = ls.recipes.regression.maml(steps=2), ls.recipes.regression.maml(steps=2)
    two = ls.Recipe("again", two.setting, two.candidates, two.method)
    scratch = ls.recipes.regression.scratch(steps=2)
    forth, back = compare([one, scratch, two]), compare([two, one, scratch])
    assert np.array_equal(forth["MAML"].errors, forth["again"].errors)
    assert np.array_equal(forth["MAML"].errors, back["again"].errors)


def test_a_smaller_support_set_is_the_beginning_of_a_larger_one(comparison):
    """So that errors before any step, which no support set can change, are the same for all numbers of shots."""
    before = comparison["transfer, all pooled"].errors[..., 0]
    assert np.array_equal(before[0], before[1])


def test_steps_that_are_not_watched_change_nothing_at_those_that_are():
    recipe = ls.Recipe("scratch", ls.Setting.SCRATCH, (ls.FineTune(ls.mse, 0.01, steps=10),))
    every, some = (
        compare([recipe], budget=dataclasses.replace(BUDGET, watched=steps))
        for steps in (None, (2, 7, 50))
    )
    assert some["scratch"].watched == (0, 1, 2, 7, 10) and every["scratch"].watched == tuple(
        range(11)
    )
    assert some["scratch"].chosen_steps(8) in some["scratch"].watched
    for step in (0, 1, 2, 7, 10):
        assert np.allclose(some["scratch"].at(8, step), every["scratch"].at(8, step), rtol=1e-5)
    assert {row["steps"] for row in some.rows()} == {0, 1, 2, 7, 10}
    with pytest.raises(ls.InputError, match=r"watched=\(0,\)"):
        dataclasses.replace(BUDGET, watched=(0,))


def test_step_sizes_are_chosen_on_validation_tasks_and_never_on_test_tasks():
    """Among adapters that differ wildly the choice is the one that validation tasks favour, whatever test tasks do."""
    recipe = ls.recipes.regression.transfer_pooled(steps=3)
    assert (
        compare([recipe])["transfer, all pooled"].chosen
        == compare(
            [recipe],
            budget=ls.Budget(
                steps=150, seeds=3, shots=(4, 8), validation_tasks=10, test_tasks=7, queries=20
            ),
        )["transfer, all pooled"].chosen
    )


def test_scratch_is_paired_with_itself_at_zero(comparison):
    assert comparison.difference(comparison["scratch"], 8) == (0.0, 0.0)
    assert comparison.difference(comparison["single-task"], 10) == (0.0, 0.0)


def test_the_paired_difference_is_the_mean_of_differences(comparison):
    outcome, scratch = comparison["R2D2"], comparison["scratch"]
    mean, half = comparison.difference(outcome, 8)
    apart = (outcome.at(8) - scratch.at(8)).mean(axis=1)
    assert mean == pytest.approx(apart.mean())
    assert half == pytest.approx(
        4.302653 * apart.std(ddof=1) / np.sqrt(3), rel=1e-5
    )  # Student's t, 2 degrees of freedom


def test_pairing_narrows_the_interval_of_the_same_difference(comparison):
    outcome, scratch = comparison["oracle"], comparison["scratch"]
    paired = (outcome.at(8) - scratch.at(8)).var()
    assert paired < outcome.at(8).var() + scratch.at(8).var()


def test_meta_learning_beats_scratch_on_sinusoids_even_after_a_short_training(comparison):
    apart = comparison["R2D2"].at(8) - comparison["scratch"].at(8)
    mean, half = interval(apart.reshape(1, -1))
    assert mean + half < 0


def test_rows_are_tidy_and_json(comparison):
    rows = comparison.rows()
    columns = {"recipe", "setting", "tasks", "shots", "steps", "seed", "error", "ci95", "num_tasks"}
    assert all(columns <= row.keys() for row in rows)
    keys = [(r["recipe"], r["tasks"], r["shots"], r["steps"], r["seed"]) for r in rows]
    assert len(set(keys)) == len(keys)
    json.dumps({"rows": rows, "recipes": comparison.recipes(8)}, allow_nan=False)
    assert sum(r["chosen"] for r in rows if r["recipe"] == "scratch" and r["seed"] is None) == 2
    of_seeds = [
        r["error"]
        for r in rows
        if (r["recipe"], r["shots"], r["seed"] is None) == ("R2D2", 8, False)
    ]
    overall = next(
        r["error"] for r in rows if (r["recipe"], r["shots"], r["seed"]) == ("R2D2", 8, None)
    )
    assert np.mean(of_seeds) == pytest.approx(overall)


def test_who_keeps_past_data_and_how_much_is_stored(comparison):
    words = {r["recipe"]: r for r in comparison.recipes(8)}
    assert {name: r["keeps_past_data"] for name, r in words.items()} == {
        "scratch": False, "transfer, all pooled": False, "R2D2": False, "oracle": False, "single-task": False, "multi-task": True,
    }  # fmt: skip
    parameters = 1 * 16 + 16 + 16 * 16 + 16 + 16 + 1
    assert words["scratch"]["stored_bytes"] == 0
    assert words["transfer, all pooled"]["stored_bytes"] == 4 * parameters
    assert words["R2D2"]["stored_bytes"] == 4 * (parameters + 1)  # and the penalty


def test_first_step_and_shots_needed():
    assert first_step(np.array([3.0, 2.0, 1.0]), 2.5, (0, 1, 2)) == 1
    assert first_step(np.array([3.0, 2.0, 1.0]), 1.5, (0, 1, 10)) == 10
    assert first_step(np.array([3.0, 2.0]), 1.0, (0, 1)) is None
    assert shots_needed((2, 4, 8), np.array([3.0, 2.0, 1.0]), 1.5) == pytest.approx(4 * 2**0.5)
    assert shots_needed((2, 4), np.array([3.0, 2.0]), 1.0) is None
    assert shots_needed((2, 4), np.array([1.0, 0.5]), 1.0) == 2


@pytest.mark.parametrize(
    "errors, announced",
    (((3.0, 1.0, 0.9), True), ((3.0, 2.0, 1.0), False)),
    ids=("faster", "slower"),
)
def test_only_who_needs_fewer_steps_than_scratch_is_said_to_learn_faster(errors, announced):
    def outcome(recipe, errors):
        shape = np.array(errors)[None, None, None] + np.zeros((1, 2, 3, 1))
        return ls.Outcome(recipe, (5,), shape, (0, 1, 10), ((0, 10),), 0, 0.0, 0.0, 0.0)

    scratch = outcome(ls.recipes.regression.scratch(steps=10), (3.0, 2.0, 1.0))
    found = ls.Comparison((scratch, outcome(ls.recipes.regression.maml(steps=10), errors)), (5,), 2)
    said = [sentence for sentence in answers(found, 5) if sentence.startswith("Faster")]
    assert said == (
        ["Faster learning: scratch comes to 1 in 10 steps, MAML in 1 (10×)."] if announced else []
    )


def test_the_interval_holds_the_truth_95_times_in_100():
    """Seeds and tasks both random: coverage over many repetitions, against its own Monte-Carlo error."""
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(2000, 5, 1)) + generator.normal(size=(2000, 5, 30))
    inside = np.mean([abs(mean) < half for mean, half in map(interval, draws)])
    assert abs(inside - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 2000)


def test_a_diverging_recipe_is_reported_and_the_others_go_on(tmp_path):
    wild = ls.Recipe("wild", ls.Setting.META, (ls.transfer.AsIs(),), ls.MAML(ls.mse, 1e20))
    found = compare([ls.recipes.regression.scratch(steps=2), wild], out=tmp_path / "run")
    assert [outcome.recipe.name for outcome in found] == ["scratch"]
    assert "NaN or infinity at step" in found.failures["wild"]


def test_two_recipes_of_one_name_are_refused():
    with pytest.raises(ls.InputError, match="different names"):
        compare([ls.recipes.regression.scratch(), ls.recipes.regression.scratch()])


def test_a_comparison_that_was_cut_resumes_to_the_same_numbers(tmp_path):
    recipes = [
        ls.recipes.regression.scratch(steps=2),
        ls.recipes.regression.maml(steps=2),
        ls.recipes.regression.anil(steps=2),
    ]
    whole = compare(recipes, out=tmp_path / "whole")
    compare(recipes[:2], out=tmp_path / "cut")
    resumed = compare(recipes, out=tmp_path / "cut", resume=True)
    for one, two in zip(whole, resumed, strict=True):
        assert np.array_equal(one.errors, two.errors)
    runs = [
        json.loads(line)["run"]
        for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    ]
    assert set(runs) == {"MAML", "ANIL"}


def test_on_unrelated_tasks_nobody_comes_out_below_the_best_constant():
    family = ls.Unrelated(shots=8)
    recipes = [
        *ls.recipes.regression.standard(steps=5, num_tasks=12),
        ls.recipes.regression.constant(family.mean),
    ]
    budget = ls.Budget(
        steps=100, seeds=2, shots=(4, 8), validation_tasks=20, test_tasks=150, queries=20
    )
    found = compare(recipes, family, budget)
    assert not found.failures
    assert below_constant(found) == []
    assert abs(found["best constant"].at(8).mean() - family.floor) < 4 * (2 / (2 * 150 * 20)) ** 0.5
    assert (
        found["transfer, all pooled"].at(8).mean() < found["scratch"].at(8, 0).mean()
    )  # what it gains is the scale


def test_a_leak_on_unrelated_tasks_is_found():
    """The test above can fail: a learner that sees the query targets comes out below."""

    class Leaky(ls.AbstractTasks):
        shots: int = 8
        queries: int = 10

        def sample(self, split, *, key):
            task = ls.Unrelated(shots=self.shots, queries=self.queries).sample(split, key=key)
            return ls.Task(
                ls.Batch(task.query.x[: self.shots], task.query.y[: self.shots]),
                ls.Batch(task.query.x[: self.shots], task.query.y[: self.shots]),
            )

    found = compare(
        [ls.recipes.regression.transfer_ridge(), ls.recipes.regression.constant(0.0)], Leaky()
    )
    assert "transfer, ridge head at 8 points" in below_constant(found)


def test_optimisers_are_found_again_so_that_programs_are_too():
    from learnset.comparison._compare import _adam

    assert _adam(1e-3) is _adam(1e-3)
    assert isinstance(_adam(1e-3), optax.GradientTransformation)
    assert jax.tree.leaves(_adam(1e-3).init(jnp.zeros(3)))[0].shape == ()
