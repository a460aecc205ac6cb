"""The studies of tables in context, run quickly."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import norm

import learnset as ls
from learnset.comparison import compare, NewTableTasks, Recipe
from learnset.models import TableTransformer
from learnset.multitask import BLUP, MixedModel, MixedPredictor
from learnset.report import markdown_of
from learnset_studies import _related_sets, _table_sets, related_tables, simulated_tables
from learnset_studies._boosted_newcomers import boosted
from learnset_studies._cover import _of_mixed, covers
from learnset_studies._in_context_tables_page import verdicts
from learnset_studies.in_context_tables import InContextTablesStudy, means, score
from learnset_studies.related_tables import RelatedTablesStudy

pytestmark = pytest.mark.study


def small():
    return TableTransformer(width=8, heads=1, depth=1, thinking=1, key=jr.key(0))


def sizes_of(study):
    return {"sizes": {name: getattr(study, name) for name in study.__dataclass_fields__}}


def without_data(monkeypatch):
    monkeypatch.delenv("LEARNSET_DATA", raising=False)


def test_sets_without_data_are_left_out_by_name(monkeypatch):
    without_data(monkeypatch)
    there, missing = _table_sets.made(("iris", "SARCOS torque 1", "Tox21 NR-AhR"), 50)
    assert [one.name for one in there] == ["iris"] and there[0].x.shape == (50, 4)
    assert set(missing) == {"SARCOS torque 1", "Tox21 NR-AhR"}
    assert all("LEARNSET_DATA" in why for why in missing.values())
    tables, missing = _related_sets.made(("schools", "people", "torques", "smooth"))
    assert list(tables) == ["smooth"] and set(missing) == {"schools", "people", "torques"}


def test_all_sets_that_come_with_the_study_are_within_the_range_of_the_network(monkeypatch):
    without_data(monkeypatch)
    there, missing = _table_sets.made(_table_sets.ALL, 1000)
    assert len(there) == 11 and len(missing) == 4
    for one in there:
        assert np.isfinite(one.x).all() and one.x.shape[1] <= 100 and len(one.x) <= 1000
        assert set(one.y) == set(range(one.classes)) or not one.classes


def test_scores_are_those_of_random_order_and_of_the_truth():
    y = np.arange(300) % 3
    assert score(np.eye(3)[y] + 0.1, y) == 1 and score(np.ones((300, 3)), y) == 0.5
    number = np.arange(10.0)
    assert score(number, number) == 1 and score(np.full(10, 4.5), number) == 0


def row(recipe, value, one, measure="R²"):
    return {
        "recipe": recipe, "value": value, "set": one, "ci95": 0.3, "measure": measure,
        "setting": "from scratch", "difference": value - 0.5, "difference_ci95": 0.4,
        "part": "sets", "fit_seconds": 1.0, "predict_seconds": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("value, word", [(0.6, "yes"), (0.4, "no")])
def test_a_verdict_on_tables_is_what_the_numbers_say(value, word):
    rows = [row("in context", value, "a"), row("in context", value, "b")]
    rows += [row("random forest", 0.5, "a"), row("random forest", 0.5, "b")]
    both = means(rows)
    assert both[0]["value"] == value and both[0]["ci95"] == pytest.approx(0.3 / 2**0.5)
    assert both[0]["best_on"] == (2 if word == "yes" else 0)
    lines = verdicts({"rows": rows + both})
    assert f"at least a random forest's mean: {word}." in lines[0] and "chance" in lines[0]
    assert "in context 1.50" in lines[1]


def test_the_interval_of_a_mixed_model_is_that_of_its_joint_distribution():
    """The variance of a new row given three others, from the covariance of all four."""
    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(30, 6, 1)), jnp.float32)
    y = x + jnp.asarray(random.normal(size=(30, 1, 1)) + random.normal(size=(30, 6, 1)), x.dtype)
    model = MixedModel(slopes=True).solve(ls.Batch(x, y, jnp.ones((30, 6))))
    new = model.for_task(jnp.asarray(-1))
    support, query = ls.Batch(x[0, :3], y[0, :3], jnp.ones(3)), x[0, 3:4]
    mean, std = _of_mixed(new, support, query)
    z = np.concatenate([np.ones((4, 1)), np.asarray(x[0, :4])], axis=1)
    joint = z @ np.diag(np.asarray(new.spread)[:, 0]) @ z.T + float(new.noise[0]) * np.eye(4)
    left = joint[3, 3] - joint[3, :3] @ np.linalg.solve(joint[:3, :3], joint[:3, 3])
    assert float(std[0, 0]) == pytest.approx(left**0.5, rel=1e-3)
    assert jnp.allclose(mean[0], BLUP().adapt(new, support)(query[0]), atol=1e-5)


def test_mean_and_interval_of_mixed_models_come_from_one_program():
    """Two factorisations at a time may wait for each other for ever, on two cores."""
    many = MixedPredictor(jnp.zeros((250, 13, 1)), jnp.ones((250, 1)), jnp.ones((250, 13, 1)))
    x = jr.normal(jr.key(0), (250, 6, 12))
    support = ls.Batch(x, x[..., :1], jnp.ones((250, 6)))
    _, std = eqx.filter_jit(jax.vmap(_of_mixed))(many, support, x)
    assert (std > 1).all()


@pytest.mark.slow
def test_boosting_grown_anew_finds_offsets_and_intervals_of_a_true_model_hold(monkeypatch):
    """Noise of standard deviation one and offsets of three: a model with the task leaves little but
    noise, and 90 % intervals of the mixed model hold nine in ten rows."""
    random = np.random.default_rng(1)
    task, x = np.repeat(np.arange(20), 40), random.normal(size=(800, 2))
    y = x[:, 0] + random.normal(0, 3, 20)[task] + random.normal(size=800)
    question = NewTableTasks.of_table(
        ls.Table.from_arrays(x, y, task), np.arange(20), shots=(0, 10), seeds=range(5)
    )
    question = dataclasses.replace(question, validation_tasks=4, test_tasks=4)
    outcome = boosted(question, jr.key(0))
    none, ten = outcome.overall[:, :, 0].mean(axis=1)
    assert 0.8 / np.var(y) < ten < 0.5 * none and outcome.of_tasks.shape == (
        2,
        5,
        question.test_tasks,
        1,
    )
    learners = (ls.comparison.InClosedForm(MixedModel()),)
    mixed = Recipe("mixed model", ls.Setting.MULTI_TASK, learners, (BLUP(),))
    result = compare(
        [mixed], lambda key: ls.MLP(2, 1, key=key), question, key=jr.key(0), progress=False
    )
    rows = covers(result, ("mixed model", "not compared"), jr.key(0))
    assert [row["shots"] for row in rows] == [0, 10]
    # Of 20 tasks without a row, each is in or out as a whole: 3 standard errors are 0.2.
    for row, chance in zip(rows, (0.2, 0.07), strict=True):
        assert abs(row["cover"] - 0.9) < chance, row
    assert rows[1]["half_width"] * np.std(y) == pytest.approx(norm.ppf(0.95), rel=0.25)


@pytest.mark.long
def test_a_quick_run_on_tables_has_all_rows_and_a_page(tmp_path, monkeypatch):
    without_data(monkeypatch)
    study = InContextTablesStudy(("iris", "Friedman 1", "SARCOS torque 1"), 60, 2, 5)
    result = study.run(tmp_path, jr.key(0), network=small()) | sizes_of(study)
    assert len(result["rows"]) == 2 * 5 + 2 * 5 and list(result["missing"]) == ["SARCOS torque 1"]
    assert all(np.isfinite(row["value"]) for row in result["rows"])
    study.draw(result, tmp_path)
    assert (tmp_path / "differences.svg").is_file()
    text = markdown_of(study.page(result))
    assert text.count("| mean over sets |") == 2 and "left out**: SARCOS torque 1" in text


@pytest.mark.long
def test_a_quick_run_on_related_tables_has_all_rows_and_a_page(tmp_path, monkeypatch):
    without_data(monkeypatch)
    monkeypatch.setattr(related_tables, "SHOTS", (0, 5))
    monkeypatch.setattr(simulated_tables, "ROWS", 20)
    monkeypatch.setattr(related_tables, "RIVALS", ("ridge from scratch", "mixed model"))
    study = RelatedTablesStudy(("smooth", "schools"), 2, 2)
    result = study.run(tmp_path, jr.key(0), network=small()) | sizes_of(study)
    names = {row["recipe"] for row in result["rows"] if row["part"] == "sets"}
    assert len(names) == 6 and not result["failures"]
    assert len(result["rows"]) == 2 * 2 * (6 + 3) and list(result["missing"]) == ["schools"]
    own = next(row for row in result["rows"] if row["recipe"] == "in context, related tables")
    assert own["to_context"] == 0 and own["to_context_ci95"] == 0
    study.draw(result, tmp_path)
    assert (tmp_path / "errors.svg").is_file()
    text = markdown_of(study.page(result))
    assert "| mixed model | multi-task |" in text and "left out**: schools" in text


def test_bad_sizes_and_sets_are_refused():
    with pytest.raises(ls.InputError, match="`folds=1`"):
        InContextTablesStudy(folds=1)
    with pytest.raises(ls.InputError, match="no set 'irises'"):
        InContextTablesStudy(sets=("irises",))
    with pytest.raises(ls.InputError, match="`divisions` must be at least 2"):
        RelatedTablesStudy(divisions=1)
