"""Kept results of the studies of multi-task learning."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.study
RESULTS = Path(__file__).parents[3] / "docs" / "results"
TOY = json.loads((RESULTS / "multitask-toy" / "result.json").read_text())["rows"]


def ends(method, scale):
    """Where each start leads."""
    return {
        tuple(r["start"]): r["end"] for r in TOY if r["method"] == method and r["scale"] == scale
    }


def on_front(end):
    return end[1] < -8


def test_ends_of_the_toy_problem_are_those_of_the_reference():
    compared = [r for r in TOY if "reference" in r]
    assert len(compared) == 6 * 8
    # Nash-MTL's direction keeps its length on the front: rounding decides how far it slides there.
    assert all(r["agrees"] or (r["method"] == "Nash-MTL" and on_front(r["end"])) for r in compared)
    assert sum(r["agrees"] for r in compared) >= 47


def test_the_mean_gets_stuck_from_two_of_three_starts_and_cagrad_reaches_its_minimum_from_all():
    assert sum(not on_front(end) for end in ends("Mean", 1.0).values()) == 2
    for c in (0.4, 0.5):
        assert all(
            end == pytest.approx([0, -8.355], abs=0.02)
            for end in ends(f"CAGrad (c = {c})", 1.0).values()
        )


@pytest.mark.parametrize("method", ["MGDA", "PCGrad"])
def test_where_on_the_front_a_path_ends_depends_on_its_start(method):
    places = [end[0] for end in ends(method, 1.0).values()]
    assert all(map(on_front, ends(method, 1.0).values())) and max(places) - min(places) > 5


def test_the_mean_and_cagrad_see_the_scale_of_an_objective_and_nash_mtl_hardly_does():
    far = (-8.5, 7.5)
    assert ends("CAGrad (c = 0.4)", 0.1)[far][0] == pytest.approx(-5.73, abs=0.02)
    assert ends("Nash-MTL", 0.1)[far][0] == pytest.approx(ends("Nash-MTL", 1.0)[far][0], abs=0.3)


def test_one_printed_delta_m_is_a_slip():
    rows = json.loads((RESULTS / "nyuv2-delta-m" / "result.json").read_text())["rows"]
    assert [r["method"] for r in rows if not r["agrees"]] == ["IMTL-G"]
