"""The sentences of the page of a table, from results made by hand."""

from types import SimpleNamespace

import equinox as eqx
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import Choice, Comparison, ExplainedVariance, Outcome, Recipe, Rows
from learnset.recipes.affinity import Affinities
from learnset.report import Numbers, TableResult
from learnset.report._table_answers import _for_which, answers, recommendation

SEEDS, TASKS, POINTS = 3, 4, 30


def sentences(gain):
    """The sentences for tasks `a`, `b`, ... whose gains are known to within 1."""
    seen = SimpleNamespace(
        rows=SimpleNamespace(names=tuple("abcd"[: len(gain)])),
        gains=lambda one, other, **options: (np.array(gain), np.ones(len(gain))),
    )
    return _for_which(SimpleNamespace(seen=seen), None, None)


def test_only_tasks_that_gain_significantly_are_named_as_gaining():
    assert sentences([0.5, -2.0, 3.0, 1.5]).endswith("Tasks c and d gain most. Task b loses.")
    assert sentences([-0.5, 2.0]).endswith("Task b gains most.")
    assert sentences([-0.5, -2.0]).endswith("gain on average. Task b loses.")
    assert sentences([-0.5, 0.2]).endswith("1 gain on average.")


def rows():
    random = np.random.default_rng(0)
    y = random.normal(size=(SEEDS, TASKS, POINTS, 1))
    row = np.arange(y[..., 0].size).reshape(y.shape[:3])
    units = np.ones((SEEDS, TASKS))
    return Rows(y, np.ones(y.shape[:3], bool), row, units, tuple("abcd"), (), True)


def outcome(name, setting, noise, asked, **options):
    """Predictions that are wrong by noise."""
    random = np.random.default_rng(len(name))
    predictions = asked.y + noise * random.normal(size=asked.y.shape)
    measure = ExplainedVariance()
    observed = predictions[:, :, None]
    overall = measure.overall(observed, asked)[None]
    return Outcome(
        Recipe(name, setting, **options),
        (None,),
        measure.of_tasks(observed, asked)[None],
        overall,
        overall[..., 0],
        (0,),
        ((Choice(0, 0, 0),) * SEEDS,),
        of_rows=predictions,
    )


def result(alone=0.5, together=0.3, balanced=0.3):
    """A result with one model per task, a pooled one, a shared body, and a balancer."""
    asked = rows()
    outcomes = (
        outcome("ridge per task", ls.Setting.SCRATCH, alone, asked, baseline=True),
        outcome("pooled ridge", ls.Setting.POOLED, 0.9, asked),
        outcome("shared body", ls.Setting.MULTI_TASK, together, asked),
        outcome("shared body + FAMO", ls.Setting.MULTI_TASK, balanced, asked),
    )
    measure = ExplainedVariance()
    question = SimpleNamespace(
        measure=measure, seeds=SEEDS, shots=(None,), units=None, overlap=0.25, tasks="seen"
    )
    table = ls.Table.from_arrays(np.arange(4.0)[:, None], np.arange(4.0), np.arange(4))
    cosine = np.where(np.eye(TASKS, dtype=bool), 1.0, -0.5)
    affinities = Affinities(cosine, 0.1 * cosine, np.arange(TASKS))
    seen = Comparison(question, outcomes, asked=asked)
    return TableResult(table, seen, affinities, None, ("shared body + FAMO",), "shared body")


def test_the_three_that_are_contrasted_are_the_best_of_their_settings():
    found = result()
    assert found.alone.name == "ridge per task" and found.pooled.name == "pooled ridge"
    assert found.contrasted().keys() == {"one model per task", "pooled", "learnt together"}
    assert {name for of in found.together.members for name in of} <= {
        "shared body",
        "shared body + FAMO",
    }


@pytest.mark.parametrize(
    "alone, together, verdict",
    (
        (0.6, 0.2, "It helps."),
        (0.2, 0.6, "It hurts."),
        (0.02, 0.03, "It makes no difference: less than 1 percentage point."),
        (0.4, 0.35, "It cannot be told from these rows: about"),
    ),
)
def test_learning_together_helps_if_the_paired_difference_is_above_its_interval(
    alone, together, verdict
):
    assert f"**Does learning together help?** {verdict}" in "\n".join(
        answers(result(alone, together, together))
    )


@pytest.mark.parametrize(
    "balanced, verdict", ((0.6, "Yes:"), (0.01, "No:"), (0.29, "It cannot be told from these rows"))
)
def test_a_uniform_sum_would_do_unless_a_balancer_is_significantly_better(balanced, verdict):
    assert f"during training)? {verdict}" in "\n".join(answers(result(0.5, 0.3, balanced)))


def test_the_recommendation_is_the_best_on_validation_rows_and_ends_with_the_command(tmp_path):
    (text,) = recommendation(result(0.6, 0.2, 0.3), tmp_path / "my run")
    assert text.startswith("**Use the shared body** for the 4 tasks")
    assert "it is better: +" in text and text.endswith(f"`learnset fit '{tmp_path}/my run'`")
    record = result(0.6, 0.2, 0.3).recommendation()
    assert record["known"]["recipe"] == "shared body" and record["new"] == []
    assert record["together"]["verdict"] == "better"


def test_a_recommendation_that_is_no_better_than_the_mean_says_so(tmp_path):
    said = "**That is not significantly better than one mean for all rows.**"
    assert said in recommendation(result(1.2, 1.1, 1.1), tmp_path)[0]
    assert said not in recommendation(result(0.6, 0.2, 0.3), tmp_path)[0]


def test_where_a_pooled_model_wins_the_recommendation_says_so(tmp_path):
    asked = result(0.6, 0.5, 0.5)
    pooled = outcome("pooled trees", ls.Setting.POOLED, 0.1, asked.seen.rows)
    seen = eqx.tree_at(lambda c: c.outcomes, asked.seen, (*asked.seen.outcomes, pooled))
    found = eqx.tree_at(lambda r: r.seen, asked, seen)
    (text,) = recommendation(found, tmp_path)
    assert text.startswith("**Use pooled trees**") and "that learns tasks together" in text
    assert found.recommendation()["together"]["verdict"] == "worse"
    said = "help?** One pooled model, which also learns from all tasks, is better."
    assert said in "\n".join(answers(found))


def test_conflicts_are_counted():
    (sentence,) = [text for text in answers(result()) if "hurt each other" in text]
    assert "conflict in 100 % of pairs (median cosine -0.50;" in sentence


def test_errors_and_gains_of_tasks_are_in_the_record():
    first, *_ = result().of_tasks()
    assert first["task"] == "a" and first["scored_rows"] == POINTS
    assert first["rmse, learnt together"] < first["rmse, one model per task"]
    assert first["gain"] > 0 and first["gain_ci95"] > 0


def test_a_percentage_of_useless_predictions_is_only_bounded():
    numbers = Numbers(ExplainedVariance())
    assert numbers.text(-4058.56, 3.0) == numbers.one(-1e29) == "below -1000 %"
    assert numbers.difference(-4058.56, 3.0) == "less than -1000"
    assert numbers.difference(4058.56, 3.0) == "more than +1000"
    assert numbers.text(0.5, float("nan")) == "50.0 %"  # one division has no interval
