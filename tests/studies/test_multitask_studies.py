"""The studies of multi-task learning, run quickly."""

import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset.cli import main
from learnset.report import markdown_of
from learnset_studies import multimnist
from learnset_studies._rows_study import chosen_recipes, compared, Divided
from learnset_studies.multitask_toy import agrees, MultiTaskToy, objectives
from learnset_studies.nyuv2_delta_m import PUBLISHED
from learnset_studies.sarcos import SarcosStudy

pytestmark = pytest.mark.study
needs_data = pytest.mark.skipif("LEARNSET_DATA" not in os.environ, reason="LEARNSET_DATA is unset")


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


def test_minima_of_the_toy_problem_are_where_they_are_published():
    with jax.enable_x64(True):
        first, second, mean = (
            jnp.array(point) for point in ([7.0, -8.43], [-7.0, -8.43], [0.0, -8.3552])
        )
        assert objectives(first, 1.0)[0] == pytest.approx(-20, abs=0.02)
        assert objectives(second, 1.0)[1] == pytest.approx(-20, abs=0.02)
        assert np.allclose(objectives(mean, 1.0), -15.09, atol=0.01)
        slope = jax.grad(lambda point: objectives(point, 1.0).mean())(mean)
        assert np.abs(slope).max() < 1e-3
        assert objectives(mean, 0.1)[0] == pytest.approx(0.1 * objectives(mean, 1.0)[0])


def test_the_start_in_the_middle_has_a_slope_though_it_lies_where_values_are_clipped():
    slopes = jax.jacobian(lambda point: objectives(point, 1.0))(jnp.zeros(2))
    assert jnp.abs(slopes[:, 1]).min() > 0.1  # along y, where both are clipped


def test_an_end_agrees_if_the_reference_is_near_it_or_among_its_copies():
    ends = np.array([[-2.6, -8.4], [-3.2, -8.4]])
    assert agrees(ends, (-2.9, None)) and agrees(ends, (-2.56, None))
    assert not agrees(ends, (-2.4, None)) and not agrees(ends, (-2.9, 2.0))


@pytest.mark.long
def test_a_quick_toy_study_draws_both_scales_and_goes_on_from_what_is_done(tmp_path):
    folder = tmp_path / "toy"
    command = ["study", "multitask-toy", "--quick", "--steps", "250", "--out", str(folder)]
    assert main(command) == 0
    rows = result_of(folder)["rows"]
    assert {(row["scale"], len(row["end"])) for row in rows} == {(1.0, 2), (0.1, 2)}
    assert len(rows) == 9 * 8
    # Adam moves by at most lr (1 - beta1) / sqrt(1 - beta2) in each direction (Kingma & Ba 2015,
    # §2.1).
    most = 250 * 0.001 * 0.1 / 0.001**0.5
    assert all(max(np.abs(np.subtract(row["end"], row["start"]))) < most for row in rows)
    assert (folder / "paths-1.svg").exists() and (folder / "paths-0.1.png").exists()
    assert main([*command, "--resume"]) == 0
    assert result_of(folder)["rows"] == rows
    for other in (["--seed", "7"], ["--steps", "500"]):  # of which none is published as another
        assert main([*command, "--resume", *other]) == 2
    with pytest.raises(ls.InputError, match="of another seed"):
        MultiTaskToy(250, 2).run(folder, jax.random.key(7), resume=True)


def test_the_delta_m_column_is_that_of_the_paper_but_for_one_slip_of_it(tmp_path):
    assert main(["study", "nyuv2-delta-m", "--out", str(tmp_path / "column")]) == 0
    rows = result_of(tmp_path / "column")["rows"]
    assert [r["method"] for r in rows] == list(PUBLISHED)
    assert [r["method"] for r in rows if not r["agrees"]] == ["IMTL-G"]
    assert main(["study", "nyuv2-delta-m", "--steps", "5", "--out", str(tmp_path / "steps")]) == 2


def test_differences_are_to_a_model_for_each_task_though_a_pooled_one_is_better(tmp_path, getkey):
    random = np.random.default_rng(0)
    x, task = random.normal(size=(160, 12)), np.repeat(np.arange(10), 16)
    table = ls.Table.from_arrays(x, x.sum(axis=1) + random.normal(size=160), task)
    names = ("ridge per task", "pooled ridge")
    recipes = chosen_recipes(table, names, steps=1, lrs=(0.1,))
    shape = {"seeds": 3, "width": 2, "depth": 1}
    rows = compared(recipes, table, tmp_path / "run", getkey(), **shape)["rows"][:2]
    assert rows[0]["difference"] == 0
    gap = np.mean(rows[1]["by_seed"]) - np.mean(rows[0]["by_seed"])
    assert rows[1]["difference"] == pytest.approx(gap, abs=1e-3) and gap > 0


@needs_data
@pytest.mark.long
def test_a_quick_study_of_a_table_compares_every_recipe_with_a_model_for_each_task(tmp_path):
    folder = tmp_path / "sarcos"
    assert main(["study", "sarcos", "--quick", "--out", str(folder)]) == 0
    result = result_of(folder)
    recipes = [row for row in result["rows"] if row["part"] == "recipes"]
    assert {row["measure"] for row in recipes} == {"explained variance"}
    assert any(row["setting"] == "from scratch" for row in recipes)
    assert any("to_uniform" in row for row in recipes)
    assert all(np.isfinite(row["value"]) and len(row["by_seed"]) == 2 for row in recipes)
    page = (folder / "README.md").read_text()
    assert all(row["recipe"] in page for row in recipes)
    assert (folder / "scores.svg").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "recipes").iterdir()}
    assert len(kept) == len(recipes)
    assert main(["study", "sarcos", "--quick", "--resume", "--out", str(folder)]) == 0
    again = result_of(folder)["rows"]
    assert again == result["rows"]
    assert kept == {path.name: path.stat().st_mtime_ns for path in (folder / "recipes").iterdir()}


def test_a_recipe_that_diverged_is_named_on_the_page():
    result = result_of(Path(__file__).parents[2] / "docs" / "results" / "sarcos")
    result["rows"] = [row for row in result["rows"] if row["recipe"] != "shared body + MGDA"]
    assert "Diverged" not in markdown_of(SarcosStudy.page(result))
    result["failures"] = {"shared body + MGDA": "its predictions are not finite"}
    assert "Diverged, and left out: shared body + MGDA." in markdown_of(SarcosStudy.page(result))


def test_a_table_with_parts_of_its_own_is_divided_into_them():
    x = np.arange(200.0)
    table = ls.Table.from_arrays(x[:, None], 2 * x, np.repeat(["a", "b"], 100))
    question = ls.comparison.SeenTasks.of_table(Divided.of(table, (0.6, 0.15, 0.25)), seeds=(0, 1))
    for split, number in ((ls.Split.VALIDATION, 15), (ls.Split.TEST, 25)):
        assert (question.rows(split).count == number).all()


@pytest.mark.long
@needs_data
def test_a_quick_multimnist_study_scores_both_digits_by_each_method(tmp_path, monkeypatch):
    three = {name: multimnist.methods()[name] for name in ("single task", "uniform", "MGDA-UB")}
    monkeypatch.setattr(multimnist, "methods", lambda: three)
    folder = tmp_path / "multimnist"
    assert main(["study", "multimnist", "--quick", "--out", str(folder)]) == 0
    rows = result_of(folder)["rows"]
    assert [(row["method"], row["digit"]) for row in rows] == [
        (name, digit) for name in three for digit in ("left", "right")
    ]
    assert all(0 <= row["value"] <= 100 and len(row["by_seed"]) == 2 for row in rows)
    assert (folder / "images.svg").exists() and (folder / "accuracies.svg").exists()


@pytest.mark.parametrize("name", ["multimnist", "school", "sarcos", "tox21"])
def test_without_the_data_there_is_one_line(name, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LEARNSET_DATA", raising=False)
    assert main(["study", name, "--quick", "--out", str(tmp_path / name)]) == 2
    assert "LEARNSET_DATA" in capsys.readouterr().err


def test_bad_sizes_are_refused():
    with pytest.raises(ls.InputError, match="`steps=10`"):
        MultiTaskToy(10)
    with pytest.raises(ls.InputError, match="`copies=0`"):
        MultiTaskToy(copies=0)
