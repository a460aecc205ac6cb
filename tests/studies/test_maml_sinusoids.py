"""The study's parts, run quickly."""

import json
import re

import numpy as np
import pytest

import learnset as ls
from learnset.cli import main
from learnset_studies._study import DIVERGED, row
from learnset_studies.maml_sinusoids import MAMLSinusoids, PUBLISHED


def test_agreement_is_by_the_drawing_of_tasks():
    errors = np.random.default_rng(0).normal(1.0, 1.0, (5, 600))
    assert row(errors, 1.0, "a source")["agrees"]
    assert not row(errors, 1.2, "a source")["agrees"]
    assert "agrees" not in row(errors)


def test_tasks_that_diverged_are_counted_and_left_out_of_the_mean():
    errors = np.ones((2, 3))
    errors[0, 0], errors[1, 1] = np.inf, 2 * DIVERGED
    found = row(errors)
    assert found["diverged_tasks"] == 2 and found["error"] == 1.0


def test_bad_settings_are_refused():
    with pytest.raises(ls.InputError, match="`seeds=0`"):
        MAMLSinusoids(seeds=0)


def test_a_quick_study_leaves_everything_and_says_that_it_is_far_from_the_paper(tmp_path, capsys):
    folder = tmp_path / "study"
    assert main(["study", "maml-sinusoids", "--quick", "--steps", "60", "--out", str(folder)]) == 0
    result = json.loads((folder / "result.json").read_text())
    assert {r["part"] for r in result["rows"]} == {
        "table 2",
        "curves",
        "figure 2",
        "gradient conflict",
    }
    assert {r["recipe"] for r in result["rows"] if r["part"] == "table 2"} == set(PUBLISHED)
    for name in ("curves", "figure2", "conflict"):
        assert (folder / f"{name}.png").exists() and (folder / f"{name}.svg").exists()
    page = (folder / "report.html").read_text()
    assert (
        page.count("<svg") == 3
        and "<table>" in page
        and "&lt;" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.S)
    )
    assert "trained too little" in capsys.readouterr().out
    assert main(["study", "maml-sinusoids", "--quick", "--steps", "60", "--out", str(folder)]) == 2
