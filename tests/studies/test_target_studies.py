"""The study of simulated shifts, run quickly."""

import dataclasses
import os

import jax.random as jr
import numpy as np
import pytest

from learnset.report import markdown_of
from learnset_studies import simulated_shifts, SimulatedShiftsStudy
from learnset_studies._simulated_shifts import CENTRE, shifted, SHIFTS

pytestmark = pytest.mark.study
needs_data = pytest.mark.skipif("LEARNSET_DATA" not in os.environ, reason="LEARNSET_DATA is unset")


def drawn(study, folder):
    """The result of a study, its page, and its figures in the folder."""
    result = study.run(folder, jr.key(0)) | {"sizes": dataclasses.asdict(study)}
    study.draw(result, folder)
    return result, markdown_of(study.page(result))


@pytest.mark.parametrize("shift", SHIFTS)
def test_each_shift_changes_what_its_name_says(shift):
    points = shifted(shift, 0)
    sizes = {"subspace": (1200, 1200)}.get(shift, (800, 800))
    assert (len(points.source), len(points.target)) == sizes
    assert points.labels.mean() == 0.5
    share = {"target_shift": 0.1}.get(shift, 0.5)
    assert points.truth.mean() == pytest.approx(share, abs=0.05)
    near, before = (
        np.linalg.norm(x - CENTRE, axis=1).mean() for x in (points.target, points.source)
    )
    assert (near < before / 2) == (shift == "covariate_shift")


@needs_data
@pytest.mark.slow
def test_a_quick_study_of_simulated_shifts_chooses_by_three_rules(tmp_path, monkeypatch):
    few = {name: simulated_shifts.METHODS[name][:2] for name in ("Train Src", "CORAL")}
    monkeypatch.setattr(simulated_shifts, "METHODS", few)
    result, page = drawn(SimulatedShiftsStudy().quick(), tmp_path)
    of = {(row["method"], row["chosen_by"]): row for row in result["rows"]}
    assert len(of) == 2 * 3 + 1
    by_labels = of["CORAL", simulated_shifts.BY_LABELS]
    for rule in simulated_shifts.SCORERS:
        assert of["CORAL", rule]["value"] <= by_labels["value"]
    assert by_labels["value"] > of["Train Src", simulated_shifts.BY_LABELS]["value"] + 5
    assert (tmp_path / "gains.svg").exists() and "concept drift: CORAL" in page
