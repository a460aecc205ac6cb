"""Comparisons on new tasks: recipes share all that they can, and the numbers have one meaning."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import learnset as ls
from learnset.comparison import NewTasks, SeenTasks
from learnset.comparison._comparison import first_step, shots_needed
from learnset.core import interval
from learnset.report import below_constant

BUDGET = ls.Budget(steps=150)
SINES = ls.Sinusoids(shots=8)
QUESTION = NewTasks(SINES, seeds=3, shots=(4, 8), validation_tasks=10, test_tasks=40, queries=20)


def network(key):
    return ls.MLP(1, 1, width=16, depth=2, key=key)


def compare(recipes, question=QUESTION, budget=BUDGET, **options):
    return ls.compare(
        recipes, network, question, key=jr.key(0), budget=budget, progress=False, **options
    )


def asked(**options):
    """The question with other settings."""
    names = [field for field in QUESTION.__dataclass_fields__ if field != "tasks"]
    return NewTasks(**{name: getattr(QUESTION, name) for name in names} | options)


@pytest.fixture(scope="module")
def comparison():
    r = ls.recipes.regression
    return compare([r.scratch(steps=40), r.transfer_pooled(steps=5), r.r2d2(), r.oracle()])


@pytest.fixture(scope="module")
def seen():
    question = SeenTasks.of_family(SINES, num_tasks=12, seeds=3, key=jr.key(0))
    return compare(ls.recipes.regression.seen(num_tasks=12), question)


@pytest.mark.slow
def test_a_recipe_under_another_name_has_the_same_values(comparison):
    """All that recipes share is shared: tasks, initial models, training tasks. Nothing depends on
    their order."""
    r2d2 = ls.recipes.regression.r2d2()
    again = ls.Recipe("again", r2d2.setting, r2d2.learners, r2d2.adapters)
    other = compare([again, ls.recipes.regression.constant(0.0)])
    assert np.array_equal(comparison["R2D2"].of_tasks, other["again"].of_tasks)


@pytest.mark.slow
def test_an_optimiser_may_be_made_from_the_step_size():
    def learnt(**options):
        learner = ls.comparison.ByGradient(ls.Pooled(ls.mse), lr=0.1, **options)
        return learner.learn(network(jr.key(1)), SINES, ls.Budget(2, 2), key=jr.key(2))

    assert eqx.tree_equal(learnt(optimiser=optax.sgd), learnt(optimiser=optax.sgd(0.1)))
    assert not eqx.tree_equal(learnt(optimiser=optax.sgd), learnt())


def test_values_before_any_step_are_the_same_for_all_numbers_of_shots(comparison):
    """They are those of the same tasks and models, and no support set can change them."""
    outcome = comparison["pooled + fine-tuning"]
    assert np.array_equal(outcome.at(4, 0), outcome.at(8, 0))


class SupportMean(ls.AbstractAdapter):
    """Predicts the mean target of the support set."""

    def adapt(self, model, support):
        weight = support.weight[:, None]
        return ls.transfer.Always((weight * support.y).sum(axis=0) / weight.sum())


def test_fewer_shots_are_the_beginning_of_the_larger_support_set():
    """By hand: the tasks with most shots, cut off."""
    outcome = compare([ls.Recipe("mean", ls.Setting.SCRATCH, adapters=(SupportMean(),))])["mean"]
    task = QUESTION.ask(ls.Split.TEST, lambda tasks: tasks, jr.key(0))
    x, y = (np.asarray(part.y[..., 0]) for part in (task.support, task.query))
    assert x.shape == (3, 40, 8) and y.shape == (3, 40, 20)
    for shots in (4, 8):
        mean = x[:, :, :shots].mean(axis=2, keepdims=True)
        np.testing.assert_allclose(
            outcome.at(shots), ((y - mean) ** 2).mean(axis=2), rtol=1e-5, atol=1e-6
        )


def test_steps_that_are_not_watched_change_nothing_at_those_that_are():
    adapters = (ls.FineTune(ls.mse, 0.01, steps=10),)
    recipe = ls.Recipe("scratch", ls.Setting.SCRATCH, adapters=adapters)
    every, some = (compare([recipe], asked(watched=steps)) for steps in (None, (2, 7, 50)))
    assert some["scratch"].watched == (0, 1, 2, 7, 10)
    assert every["scratch"].watched == tuple(range(11))
    assert set(some["scratch"].chosen_steps(8)) <= set(some["scratch"].watched)
    for step in (0, 1, 2, 7, 10):
        np.testing.assert_allclose(
            some["scratch"].at(8, step), every["scratch"].at(8, step), rtol=1e-5
        )
    assert {row["steps"] for row in some.records()} == {None, 0, 1, 2, 7, 10}


@pytest.mark.parametrize(
    "option, message",
    (
        ({"watched": (0,)}, r"watched=\(0,\)"),
        ({"shots": (5, 5)}, r"shots=\(5, 5\).*rising"),
        ({"shots": ()}, "rising"),
        ({"seeds": 0}, "seeds=0"),
        ({"test_tasks": 0}, "test_tasks=0"),
    ),
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_a_question_that_cannot_be_asked_is_refused(option, message):
    with pytest.raises(ls.InputError, match=message):
        asked(**option)


def test_the_baseline_is_paired_with_itself_at_zero(comparison, seen):
    scratch, alone = comparison["scratch"], seen["single-task"]
    assert comparison.baseline() is scratch and seen.baseline() is alone
    assert comparison.difference(scratch, scratch, 8) == (0.0, 0.0)
    assert seen.difference(alone, alone) == (0.0, 0.0)


def test_the_paired_difference_is_the_mean_of_differences(comparison):
    outcome, scratch = comparison["R2D2"], comparison["scratch"]
    mean, half = comparison.difference(outcome, scratch, 8)
    apart = (outcome.at(8) - scratch.at(8)).mean(axis=1)
    assert mean == pytest.approx(apart.mean())
    student = 4.302653  # the quantile of t for 2 degrees of freedom
    assert half == pytest.approx(student * apart.std(ddof=1) / np.sqrt(3), rel=1e-5)


def test_pairing_narrows_the_interval_of_the_same_difference(comparison):
    outcome, scratch = comparison["oracle"], comparison["scratch"]
    paired = (outcome.at(8) - scratch.at(8)).var()
    assert paired < outcome.at(8).var() + scratch.at(8).var()


def test_meta_learning_beats_scratch_on_sinusoids_even_after_a_short_training(comparison):
    apart = comparison["R2D2"].at(8) - comparison["scratch"].at(8)
    mean, half = interval(apart.reshape(1, -1))
    assert mean + half < 0


def of_seed(tree, seed):
    return jax.tree.map(lambda leaf: leaf[seed] if eqx.is_array(leaf) else leaf, tree)


def test_seen_tasks_are_scored_at_their_points_that_were_not_trained_on(seen):
    """By hand: the model of a seed, as each of its tasks has it. There are no shots."""
    outcome, question, seed = seen["multi-task"], seen.question, 1
    assert seen.shots == (None,) and outcome.of_tasks.shape == (1, 3, 12, 1)
    model, tasks = of_seed(outcome.models, seed), of_seed(question.sets, seed)

    @eqx.filter_jit
    def value(index):
        points = tasks.all_points(index, ls.Split.TEST)
        return ls.mse(model.for_task(index), points)

    for index in range(3):
        np.testing.assert_allclose(
            value(jnp.asarray(index)), outcome.at(None)[seed, index], rtol=1e-4
        )


def test_records_are_tidy_and_json(comparison, seen):
    rows = comparison.records() + seen.records()
    columns = {"recipe", "setting", "tasks", "measure", "shots", "steps", "chosen", "seed", "value"}
    assert all(columns <= row.keys() for row in rows)
    keys = [(r["recipe"], r["tasks"], r["shots"], r["steps"], r["seed"]) for r in rows]
    assert len(set(keys)) == len(keys)
    recipes = comparison.recipes(8) + seen.recipes(None)
    json.dumps({"rows": rows, "recipes": recipes}, allow_nan=False)
    assert {row["tasks"] for row in rows} == {"new", "seen"}
    assert all(row["chosen"] == (row["steps"] is None) for row in rows)


def test_the_record_over_all_seeds_is_their_mean_with_its_interval_and_its_difference(comparison):
    rows = [r for r in comparison.records() if (r["recipe"], r["shots"]) == ("R2D2", 8)]
    of_seeds = [r["value"] for r in rows if r["seed"] is not None]
    (overall,) = [r for r in rows if r["seed"] is None]
    assert len(of_seeds) == 3 and np.mean(of_seeds) == pytest.approx(overall["value"])
    r2d2, scratch = comparison["R2D2"], comparison["scratch"]
    assert (overall["value"], overall["ci95"]) == comparison.value(r2d2, 8)
    difference = comparison.difference(r2d2, scratch, 8)
    assert (overall["difference"], overall["difference_ci95"]) == difference
    assert overall["num_tasks"] == 3 * 40


def test_the_record_without_a_number_of_steps_has_each_seed_at_its_chosen_one(comparison):
    outcome = comparison["scratch"]
    rows = [r for r in comparison.records() if (r["recipe"], r["shots"]) == ("scratch", 8)]
    for seed, steps in enumerate(outcome.chosen_steps(8)):
        (row,) = [r for r in rows if r["seed"] == seed and r["steps"] is None]
        assert row["value"] == pytest.approx(outcome.of_tasks[1, seed, :, steps].mean())


def test_a_table_says_which_recipes_keep_past_data_and_how_much_is_stored(comparison, seen):
    about = {r["recipe"]: r for r in comparison.recipes(8) + seen.recipes(None)}
    assert {name for name, recipe in about.items() if recipe["keeps_past_data"]} == {"multi-task"}
    parameters = 1 * 16 + 16 + 16 * 16 + 16 + 16 + 1
    assert about["scratch"]["stored_bytes"] == 0
    assert about["pooled + fine-tuning"]["stored_bytes"] == 4 * parameters
    assert about["R2D2"]["stored_bytes"] == 4 * (parameters + 1)  # and the penalty


def test_first_step_and_shots_needed():
    """Curves rise: values are better the higher they are."""
    assert first_step(np.array([-3.0, -2.0, -1.0]), -2.5, (0, 1, 2)) == 1
    assert first_step(np.array([-3.0, -2.0, -1.0]), -1.5, (0, 1, 10)) == 10
    assert first_step(np.array([-3.0, -2.0]), -1.0, (0, 1)) is None
    assert shots_needed((2, 4, 8), np.array([1.0, 2.0, 3.0]), 2.5) == pytest.approx(4 * 2**0.5)
    assert shots_needed((2, 4), np.array([1.0, 2.0]), 3.0) is None
    assert shots_needed((2, 4), np.array([1.0, 2.0]), 0.5) == 2


def test_the_interval_holds_the_truth_95_times_in_100():
    """Random seeds and tasks: coverage over many repetitions, against its Monte-Carlo error."""
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(2000, 5, 1)) + generator.normal(size=(2000, 5, 30))
    inside = np.mean([abs(mean) < half for mean, half in map(interval, draws)])
    assert abs(inside - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 2000)


@pytest.mark.slow
def test_a_training_that_diverges_is_reported_and_the_others_go_on(tmp_path):
    learner = ls.comparison.ByGradient(ls.MAML(ls.mse, 1e20))
    wild = ls.Recipe("wild", ls.Setting.META, (learner,))
    result = compare([wild, ls.recipes.regression.constant(0.0)], out=tmp_path / "run")
    assert [outcome.name for outcome in result] == ["best constant"]
    assert "wild" not in result and "NaN or infinity at step" in result.failures["wild"]
    with pytest.raises(ls.DivergedError, match="NaN or infinity at step"):
        result["wild"]


def test_two_recipes_of_one_name_are_refused():
    with pytest.raises(ls.InputError, match="different names"):
        compare([ls.recipes.regression.scratch(), ls.recipes.regression.scratch()])


def test_a_recipe_without_candidates_is_refused():
    with pytest.raises(ls.InputError, match="at least one learner and one adapter"):
        ls.Recipe("nothing", ls.Setting.META, adapters=())


def test_adapters_with_other_numbers_of_steps_need_recipes_of_their_own():
    adapters = (ls.FineTune(ls.mse, 0.01, steps=2), ls.FineTune(ls.mse, 0.01, steps=3))
    with pytest.raises(ls.InputError, match="after different steps"):
        compare([ls.Recipe("both", ls.Setting.SCRATCH, adapters=adapters)])


@pytest.mark.slow
def test_a_comparison_that_was_cut_resumes_to_the_same_numbers(tmp_path):
    r = ls.recipes.regression
    recipes = [r.constant(0.0), r.transfer_pooled(steps=5), r.r2d2()]
    whole = compare(recipes, out=tmp_path / "whole")
    compare(recipes[:2], out=tmp_path / "cut")
    resumed = compare(recipes, out=tmp_path / "cut", resume=True)
    for one, two in zip(whole, resumed, strict=True):
        assert one.chosen == two.chosen and np.array_equal(one.of_tasks, two.of_tasks)
    lines = (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    assert {json.loads(line)["run"] for line in lines} == {"pooled + fine-tuning", "R2D2"}


def test_answers_of_recipes_that_learn_nothing_are_kept(tmp_path, monkeypatch):
    recipes = [ls.recipes.regression.constant(0.0), ls.recipes.regression.scratch(steps=3)]
    whole = compare(recipes, out=tmp_path)
    monkeypatch.setattr(type(whole.question), "answers", None)  # which would be called
    again = compare(recipes, out=tmp_path, resume=True)
    for one, two in zip(whole, again, strict=True):
        assert one.chosen == two.chosen and np.array_equal(one.of_tasks, two.of_tasks)
        for old, new in zip(*map(jax.tree.leaves, (one.models, two.models)), strict=True):
            np.testing.assert_array_equal(old, new)


@pytest.mark.long
@pytest.mark.slow
def test_on_unrelated_tasks_no_recipe_is_below_the_best_constant():
    family = ls.Unrelated(shots=8)
    standard = ls.recipes.regression.standard(steps=5, num_tasks=12)
    question = NewTasks(
        family, seeds=2, shots=(4, 8), validation_tasks=20, test_tasks=150, queries=20
    )
    constant = ls.recipes.regression.constant(family.mean)
    result = compare([*standard, constant], question, ls.Budget(steps=100))
    assert not result.failures
    assert below_constant(result) == []
    at_best = result["best constant"].at(8).mean()
    assert abs(at_best - family.floor) < 4 * (2 / (2 * 150 * 20)) ** 0.5
    scale = result["scratch"].at(8, 0).mean()  # which is all that pooling can learn
    assert result["pooled + fine-tuning"].at(8).mean() < scale


@pytest.mark.slow
def test_a_leak_on_unrelated_tasks_is_found():
    """The test above can fail: a learner that sees the query targets comes out below."""

    class Leaky(ls.AbstractTasks):
        shots: int = 8
        queries: int = 10

        def sample(self, split, *, key):
            task = ls.Unrelated(shots=self.shots, queries=self.queries).sample(split, key=key)
            x, y = task.query.x[: self.shots], task.query.y[: self.shots]
            return ls.Task(ls.Batch(x, y), ls.Batch(x, y))

    r = ls.recipes.regression
    result = compare([r.transfer_ridge(), r.constant(0.0)], asked(family=Leaky()))
    assert "pooled + ridge head at 8 points" in below_constant(result)


def test_optimisers_are_found_again_so_that_programs_are_too():
    from learnset.comparison._learner import _adam

    assert _adam(1e-3) is _adam(1e-3)
    assert isinstance(_adam(1e-3), optax.GradientTransformation)
    assert jax.tree.leaves(_adam(1e-3).init(jnp.zeros(3)))[0].shape == ()


def test_models_of_an_outcome_are_those_that_were_chosen(comparison):
    """By hand: adapting the model of a seed to a task gives the value in the table."""
    outcome, seed = comparison["pooled + fine-tuning"], 1
    choice = outcome.chosen[-1][seed]
    task = QUESTION.ask(ls.Split.TEST, lambda tasks: tasks, jr.key(0))
    model, support, query = (
        of_seed(tree, seed) for tree in (outcome.models, task.support, task.query)
    )
    adapter = ls.FineTune(ls.mse, outcome.recipe.adapters[choice.adapter].lr, choice.steps)

    @eqx.filter_jit
    def value(model, support, query):
        return ls.mse(adapter.adapt(model, support), query)

    first = [jax.tree.map(lambda leaf: leaf[0], batch) for batch in (support, query)]
    np.testing.assert_allclose(value(model, *first), outcome.at(8)[seed, 0], rtol=1e-4)
