"""The study's parts, run quickly."""

import json
import re

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.cli import main
from learnset_studies._maml_sinusoids_edge import curvature, EDGE
from learnset_studies._maml_sinusoids_page import PUBLISHED
from learnset_studies._study import DIVERGED, figure_data, row
from learnset_studies.maml_sinusoids import MAMLSinusoids

pytestmark = pytest.mark.study


def test_agreement_is_by_the_drawing_of_tasks():
    errors = np.random.default_rng(0).normal(1.0, 1.0, (5, 600))
    assert row(errors, 1.0, "a source")["agrees"]
    assert not row(errors, 1.2, "a source")["agrees"]
    assert "agrees" not in row(errors)


def test_tasks_that_diverged_are_counted_and_left_out_of_the_mean():
    errors = np.ones((2, 3))
    errors[0, 0], errors[1, 1] = np.inf, 2 * DIVERGED
    both = row(errors)
    assert both["diverged_tasks"] == 2 and both["value"] == 1.0


def test_a_figure_without_data_stays_if_it_is_there_and_is_an_error_otherwise(tmp_path):
    with pytest.raises(ls.InputError, match="no data of the figure 'paths'"):
        figure_data({"figures": {}}, "paths", tmp_path)
    (tmp_path / "paths.svg").touch()
    assert figure_data({}, "paths", tmp_path) is None
    assert figure_data({"figures": {"paths": [1]}}, "paths", tmp_path) == [1]


def test_bad_settings_are_refused():
    with pytest.raises(ls.InputError, match="`seeds=0`"):
        MAMLSinusoids(seeds=0)


def test_gradient_descent_diverges_beyond_the_edge_of_a_linear_model():
    """Of `w x + b` at 1 and 2 the curvature is that of twice the mean of (x, 1) (x, 1)'."""
    points = ls.Batch(jnp.array([[1.0], [2.0]]), jnp.ones((2, 1)))
    model = ls.models.Linear(1, 1, key=jr.key(0))
    steepest = curvature(model, points)
    assert float(steepest) == pytest.approx((7 + 45**0.5) / 2)
    for product, diverges in ((0.95 * EDGE, False), (1.05 * EDGE, True)):
        tuned = ls.FineTune(ls.mse, product / float(steepest), 200).adapt(model, points)
        assert bool(ls.mse(tuned, points) > 10) == diverges


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "study"
    assert main(["study", "maml-sinusoids", "--quick", "--steps", "20", "--out", str(folder)]) == 0
    return folder


@pytest.mark.long
def test_a_quick_study_has_all_rows(folder):
    rows = json.loads((folder / "result.json").read_text())["rows"]
    parts = {"table 2", "curves", "figure 2", "gradient conflict", "edge of stability"}
    assert {r["part"] for r in rows} == parts
    assert {r["recipe"] for r in rows if r["part"] == "table 2"} == set(PUBLISHED)


@pytest.mark.long
def test_its_page_holds_its_figures_and_says_that_it_is_far_from_the_paper(folder):
    for name in ("curves", "edge", "figure2", "conflict"):
        assert (folder / f"{name}.png").exists() and (folder / f"{name}.svg").exists()
    page = (folder / "report.html").read_text()
    words = re.sub(r"<svg.*?</svg>", "", page, flags=re.S)
    assert page.count("<svg") == 4 and "<table" in words and "&lt;" not in words
    assert "trained too little" in (folder / "README.md").read_text()


@pytest.mark.long
def test_a_run_is_drawn_again_from_its_result_alone_to_the_same_bytes(folder, capsys):
    files = ("README.md", "report.html", "curves.svg", "edge.svg", "figure2.svg", "conflict.svg")
    before = {name: (folder / name).read_bytes() for name in files}
    for name in files:
        (folder / name).unlink()
    assert main(["study", "maml-sinusoids", "--redraw", str(folder)]) == 0
    assert {name: (folder / name).read_bytes() for name in files} == before
    assert "trained too little" in capsys.readouterr().out


@pytest.mark.long
def test_a_finished_run_that_is_resumed_trains_nothing_and_has_the_same_rows(folder):
    before = json.loads((folder / "result.json").read_text())["rows"]
    command = ["study", "maml-sinusoids", "--quick", "--steps", "20", "--out", str(folder)]
    assert main([*command, "--resume"]) == 0
    assert json.loads((folder / "result.json").read_text())["rows"] == before
