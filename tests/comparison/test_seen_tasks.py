"""Comparisons on the rows of a table: what is scored, how, and that nothing is chosen on it."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from sklearn import metrics

import learnset as ls
from learnset.comparison import AbstractLearner, InClosedForm, Recipe, SeenTasks, Setting
from learnset.comparison._rows import roc_auc
from learnset.recipes import rows as recipes_of_rows


def solved(solver, *settings):
    return tuple(InClosedForm(solver(setting)) for setting in settings)


RIDGES = [
    Recipe(
        "alone",
        Setting.SCRATCH,
        solved(ls.multitask.RidgePerTask, 0.1, 1.0, 1e4),
        baseline=True,
    ),
    Recipe("pooled", Setting.POOLED, solved(ls.multitask.PooledRidge, 1.0)),
    Recipe("offsets", Setting.MULTI_TASK, solved(ls.multitask.OffsetRidge, 1.0, 10.0)),
]


def schools(seed=0, tasks=4, rows=20):
    """Schools with an offset each, and one slope."""
    random = np.random.default_rng(seed)
    task = np.repeat(np.arange(tasks), rows)
    x = random.normal(size=(len(task), 2))
    noise = 0.3 * random.normal(size=len(task))
    y = 3 * random.normal(size=tasks)[task] + x @ [1.0, -1.0] + noise
    return x, y, task


def compared(table, recipes=RIDGES, **options):
    question = SeenTasks.of_table(table, seeds=range(2))

    def network(key):
        return ls.MLP(*question.sizes, width=8, depth=1, key=key)

    return ls.compare(recipes, network, question, key=jr.key(0), progress=False, **options)


@pytest.fixture(scope="module")
def comparison():
    return compared(ls.Table.from_arrays(*schools()))


def test_a_ridge_for_each_task_is_that_of_its_training_and_validation_rows(comparison):
    """By hand: the rows of seed 0's division, scaled by those that are trained on, task by task.
    The penalty is chosen, and then both parts are learnt from."""
    x, y, task = schools()
    table = ls.Table.from_arrays(x, y, task)
    part = table.split_rows(seed=0)
    mean, std = x[part == 0].mean(axis=0), x[part == 0].std(axis=0)
    x, z = (x - mean) / std, (y - y[part == 0].mean()) / y[part == 0].std()
    outcome, rows = comparison["alone"], comparison.rows
    l2 = outcome.recipe.learners[outcome.chosen[0][0].learner].solver.l2
    for t in range(4):
        learn, score = (task == t) & (part != 2), (task == t) & (part == 2)
        f = np.c_[np.ones(learn.sum()), x[learn]]
        weight = np.linalg.solve(f.T @ f + np.diag([0, l2, l2]), f.T @ z[learn])
        present = rows.present[0, t]
        np.testing.assert_array_equal(rows.row[0, t][present], np.flatnonzero(score))
        expected = np.c_[np.ones(score.sum()), x[score]] @ weight
        predicted = outcome.predictions[0, t, present, 0]
        np.testing.assert_allclose(predicted, expected, rtol=1e-3, atol=1e-4)


def test_nothing_is_chosen_on_rows_that_are_scored(comparison):
    """Other labels of the rows that seed 0 scores change no setting and no prediction of it."""
    x, y, task = schools()
    part = ls.Table.from_arrays(x, y, task).split_rows(seed=0)
    other = compared(ls.Table.from_arrays(x, np.where(part == 2, -5 * y, y), task))
    for one, two in zip(comparison, other, strict=True):
        assert one.chosen[0][0] == two.chosen[0][0]
        np.testing.assert_array_equal(one.predictions[0], two.predictions[0])
        np.testing.assert_array_equal(one.validation[0, 0], two.validation[0, 0])
    assert comparison.value(comparison["alone"]) != other.value(other["alone"])


def test_each_division_has_the_setting_that_is_best_on_its_validation_rows():
    """A table whose rows with noise are those of one division: the divisions choose differently."""
    x, y, task = schools(rows=12)
    part = ls.Table.from_arrays(x, y, task).split_rows(seed=0)
    y = np.where(part == 0, y + 8 * np.random.default_rng(1).normal(size=len(y)), y)
    table = ls.Table.from_arrays(x, y, task)
    learners = solved(ls.multitask.RidgePerTask, 1e-3, 1.0, 30.0, 1e4)
    recipes = [Recipe(str(i), Setting.SCRATCH, (learner,)) for i, learner in enumerate(learners)]
    result = compared(table, [Recipe("all", Setting.SCRATCH, learners), *recipes])
    alone = [result[recipe.name] for recipe in recipes]
    best = np.stack([outcome.validation[0] for outcome in alone]).argmax(axis=0)
    assert [choice.learner for choice in result["all"].chosen[0]] == best.tolist()
    assert best[0] != best[1]
    picked = result.best_of("best", alone)
    assert picked.members == (tuple(str(i) for i in best),)
    for seed, i in enumerate(best):
        expected = alone[i].predictions[seed]
        np.testing.assert_array_equal(picked.predictions[seed], expected)
        np.testing.assert_allclose(result["all"].predictions[seed], expected, rtol=1e-4, atol=1e-5)


def test_offsets_help_and_pooling_hurts_where_tasks_differ_in_their_offset(comparison):
    assert comparison.difference(comparison["pooled"], comparison["alone"])[0] < -0.3
    assert comparison.value(comparison["offsets"])[0] > 0.8
    assert comparison.baseline() is comparison["alone"]


def test_explained_variance_is_that_of_all_rows_together(comparison):
    rows, outcome = comparison.rows, comparison["pooled"]
    for seed in range(2):
        present = rows.present[seed]
        expected = metrics.r2_score(rows.y[seed][present], outcome.predictions[seed][present])
        np.testing.assert_allclose(outcome.overall_at(None)[seed], expected)


def test_errors_of_tasks_are_in_the_unit_of_the_target(comparison):
    rows, predictions = comparison.rows, comparison["pooled"].predictions
    error = np.where(rows.present[0], (rows.y - predictions)[0, ..., 0], 0) * rows.std[0, 0]
    of_tasks = rows.errors(predictions)[0]
    np.testing.assert_allclose((of_tasks**2 * rows.count[0]).sum(), (error**2).sum())
    assert of_tasks.max() < 10 * schools()[1].std()


def test_the_gain_of_a_task_is_the_paired_mean_over_its_rows(comparison):
    """A row that both divisions score counts once."""
    rows, alone, pooled = comparison.rows, comparison["alone"], comparison["pooled"]
    gain, half = comparison.gains(alone, pooled)
    by_row = {}
    for seed in range(2):
        y, a, b = (v[seed, 1, :, 0] for v in (rows.y, alone.predictions, pooled.predictions))
        gains = (y - b) ** 2 - (y - a) ** 2
        for row, value, present in zip(
            rows.row[seed, 1], gains, rows.present[seed, 1], strict=True
        ):
            if present:
                by_row.setdefault(int(row), []).append(value)
    values = np.array([np.mean(value) for value in by_row.values()])
    low, high = scipy.stats.t.interval(
        0.95, len(values) - 1, values.mean(), scipy.stats.sem(values)
    )
    np.testing.assert_allclose([gain[1], half[1]], [values.mean(), (high - low) / 2], rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_roc_auc_is_that_of_scikit_learn_ties_included(seed):
    random = np.random.default_rng(seed)
    positive = (random.random(40) < 0.3).astype(float)
    score = random.integers(0, 9, 40).astype(float)
    np.testing.assert_allclose(roc_auc(positive, score), metrics.roc_auc_score(positive, score))
    assert np.isnan(roc_auc(np.ones(3), np.arange(3.0)))


@pytest.mark.slow
def test_classes_with_missing_labels_are_scored_by_roc_auc():
    random = np.random.default_rng(3)
    x = random.normal(size=(90, 3))
    y = (x @ random.normal(size=(3, 4)) + 0.3 * random.normal(size=(90, 4)) > 0).astype(float)
    y[random.random(y.shape) < 0.2] = np.nan
    table = ls.Table.from_arrays(x, y, classes=("no", "yes"))
    standard = recipes_of_rows.standard(4, 3, classes=True, steps=4, quick=True)
    names = ("ridge per task", "shared body")
    result = compared(table, [recipe for recipe in standard if recipe.name in names])
    rows = result.rows
    assert result.measure.name == "ROC-AUC" and result.failures == {}
    assert result.value(result["ridge per task"])[0] > 0.9
    assert result["shared body"].predictions.shape == (2, 4, rows.present.shape[2], 2)
    for t in range(4):
        row, present = rows.row[0, t], rows.present[0, t]
        np.testing.assert_array_equal(present, (row >= 0) & np.isfinite(y[row, t]))
        np.testing.assert_array_equal(rows.y[0, t, present, 1], y[row[present], t])


class Diverging(AbstractLearner):
    """Learns a model that predicts NaN."""

    def learn(self, model, past, budget, *, key):
        return ls.multitask.LinearPredictor(jnp.full((2, 1), jnp.nan), jnp.zeros(1))


def test_a_recipe_whose_predictions_are_not_finite_is_named_and_the_others_go_on():
    bad = Recipe("bad", Setting.MULTI_TASK, (Diverging(),))
    result = compared(ls.Table.from_arrays(*schools()), [bad, *RIDGES])
    assert list(result.failures) == ["bad"]
    assert [outcome.name for outcome in result] == ["alone", "pooled", "offsets"]


def test_targets_with_units_of_their_own_count_alike():
    """Explained variance of several targets is the mean over targets, whatever their units."""
    x, y, _ = schools()
    targets = np.stack([y, 1000 * (x @ [1.0, 1.0])], axis=1)
    result = compared(ls.Table.from_arrays(x, targets), RIDGES[:1])
    outcome = result["alone"]
    assert not result.rows.one_target
    np.testing.assert_allclose(outcome.overall_at(None), outcome.at(None).mean(axis=1))


def files(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "recipes").iterdir()}


def test_answers_that_are_kept_are_taken_again_bit_for_bit(tmp_path, comparison):
    out = tmp_path / "run"
    first = compared(ls.Table.from_arrays(*schools()), RIDGES[:2], out=out)
    kept = files(out)
    again = compared(ls.Table.from_arrays(*schools()), out=out, resume=True)
    assert kept.keys() == {"alone.answers", "pooled.answers"} and kept.items() <= files(out).items()
    for one, two in zip(again, comparison, strict=True):
        assert one.chosen == two.chosen
        for field in ("of_tasks", "overall", "validation", "predictions"):
            np.testing.assert_array_equal(getattr(one, field), getattr(two, field))
    for one, two in zip(again, first, strict=False):
        assert one.cost == two.cost  # the seconds of the run that learnt it


def test_a_run_that_was_cut_may_be_replaced(tmp_path):
    """Its answers are known to be those of a run, before there is any result."""
    out, table = tmp_path / "run", ls.Table.from_arrays(*schools())
    compared(table, RIDGES[1:2], out=out)
    assert {path.name for path in out.iterdir()} == {".learnset-run", "recipes"}
    compared(table, RIDGES[2:], out=out, overwrite=True)
    assert files(out).keys() == {"offsets.answers"}


def test_a_run_is_not_resumed_with_another_table_or_other_settings(tmp_path):
    out, table = tmp_path / "run", ls.Table.from_arrays(*schools())
    compared(table, RIDGES[1:2], out=out)
    others = [
        (ls.Table.from_arrays(*schools(seed=1)), RIDGES[1:2], {}),
        (table, [eqx.tree_at(lambda r: r.learners[0].solver.l2, RIDGES[1], 2.0)], {}),
        (table, RIDGES[1:2], {"budget": ls.Budget(steps=3)}),
    ]
    for other, recipes, options in others:
        with pytest.raises(ls.InputError, match="another table or other settings") as error:
            compared(other, recipes, out=out, resume=True, **options)
        assert "\n" not in str(error.value) and "pooled.answers" in str(error.value)


def solver_of(factor):
    """A solver of an edited file: of the same name, with another body of a function it calls."""
    module = {"__name__": "an_edited_file", "ls": ls}
    lines = f"def size(): return {factor}"
    lines += """
class Mine(ls.multitask.PooledRidge):
    def solve_rows(self, rows):
        return ls.multitask.PooledRidge(size()).solve_rows(rows)
"""
    exec(lines, module)
    return [Recipe("mine", Setting.POOLED, solved(module["Mine"], 1.0))]


def test_a_recipe_whose_code_has_changed_is_run_again_and_that_is_said(tmp_path):
    out, table = tmp_path / "run", ls.Table.from_arrays(*schools())
    first = compared(table, solver_of(1.0), out=out)
    kept = files(out)
    again = compared(table, solver_of("1.0  # a remark"), out=out, resume=True)
    assert files(out) == kept and again["mine"].cost == first["mine"].cost
    with pytest.warns(UserWarning, match="The code of mine has changed: it is run again"):
        other = compared(table, solver_of(1e3), out=out, resume=True)
    assert (other["mine"].of_tasks != first["mine"].of_tasks).any()


@pytest.mark.parametrize("damage", ("cut", "other bytes", "empty"))
def test_a_recipe_whose_answers_are_damaged_is_run_again_and_that_is_said(damage, tmp_path):
    out, table = tmp_path / "run", ls.Table.from_arrays(*schools())
    compared(table, RIDGES[1:2], out=out)
    path = out / "recipes" / "pooled.answers"
    whole = path.read_bytes()
    data = bytearray(whole)
    if damage == "other bytes":
        data[200:300] = bytes(100)
    path.write_bytes(bytes(data[: {"cut": len(data) // 2, "empty": 0}.get(damage, len(data))]))
    with pytest.warns(UserWarning, match=r"pooled\.answers is .*pooled is run again") as warned:
        compared(table, RIDGES[1:2], out=out, resume=True)
    assert "\n" not in str(warned[0].message)
    compared(table, RIDGES[1:2], out=out, resume=True)  # whole again, so no warning


def test_a_recipe_with_nothing_to_choose_can_be_the_best(comparison):
    """Its value on validation rows is known, too: the best of recipes is chosen by it."""
    assert all(np.isfinite(outcome.validation).all() for outcome in comparison)


@pytest.mark.parametrize("column", ("group", "time"))
@pytest.mark.parametrize("shared", (False, True), ids=("task column", "several targets"))
def test_divisions_by_group_or_time_score_rows_of_their_own_numbers(column, shared):
    """Groups of different sizes, and windows with other rows of each task in each division."""
    x, y, task = schools(rows=40)
    random = np.random.default_rng(0)
    targets = np.stack([y, x @ [1.0, 2.0]], axis=1)
    table = ls.Table.from_arrays(x, targets) if shared else ls.Table.from_arrays(x, y, task)
    values = random.integers(0, 30, len(x)) if column == "group" else random.permutation(160)
    table = dataclasses.replace(table, **{column: values})
    result = compared(table)
    rows = result.rows
    parts = table.divisions(range(2))
    for seed, part in enumerate(parts):
        for number in range(len(table)):
            scored = rows.row[seed, number][rows.present[seed, number]]
            expected = np.flatnonzero(part == 2)
            expected = np.intersect1d(expected, table.rows_of(number))
            np.testing.assert_array_equal(np.sort(scored), expected)
            label = table.y[expected, number if shared else 0]
            predicted = rows.y[seed, number][rows.present[seed, number], 0]
            np.testing.assert_allclose(np.corrcoef(label, predicted)[0, 1], 1)


def test_rows_of_a_family_of_numbers_are_no_counts():
    question = SeenTasks.of_family(ls.Sinusoids(), num_tasks=2, points=4, seeds=2, key=jr.key(0))
    assert question.rows(ls.Split.TEST).zero is None
