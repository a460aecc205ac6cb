"""The kept result of `learnset study maml-sinusoids`, at published scale."""

import json
from pathlib import Path

import pytest

from learnset_studies._maml_sinusoids_page import ANCHORS, PUBLISHED, TABLE_STEPS

pytestmark = pytest.mark.study

FOLDER = Path(__file__).parents[3] / "docs" / "results" / "maml-sinusoids"
ROWS = json.loads((FOLDER / "result.json").read_text())["rows"]


def row_of(part, **about):
    (row,) = [r for r in ROWS if (r | {"part": part, **about}) == r]
    return row


def test_every_row_of_table_2_stands_next_to_the_published_one():
    for name, published in PUBLISHED.items():
        for steps, value in zip(TABLE_STEPS, published, strict=True):
            row = row_of("table 2", recipe=name, steps=steps)
            assert row["published"] == value and "table 2" in row["source"] and "agrees" in row


@pytest.mark.parametrize(
    "name, steps", [("MAML", 1), *(("pretrained on all tasks", steps) for steps in TABLE_STEPS)]
)
def test_maml_after_one_step_and_the_pretrained_net_agree_with_the_paper(name, steps):
    assert row_of("table 2", recipe=name, steps=steps)["agrees"]


def test_maml_is_several_times_better_than_every_baseline_after_any_number_of_steps():
    for steps in TABLE_STEPS:
        maml = row_of("table 2", recipe="MAML", steps=steps)["value"]
        baselines = {name for name in PUBLISHED if not name.startswith("MAML")}
        for name in baselines - {"averaged + pull to the mean"}:
            assert row_of("table 2", recipe=name, steps=steps)["value"] > 3 * maml


def test_before_any_step_the_pretrained_net_is_the_best_function_that_knows_nothing_of_the_task():
    row = row_of("curves", recipe="pretrained on all tasks", shots=5, steps=0)
    assert abs(row["value"] - ANCHORS["best constant function"]) < row["ci95"]


def test_maml_is_not_below_the_oracle_by_more_than_chance():
    for shots in (5, 10, 20):
        oracle = row_of("curves", recipe="oracle", shots=shots, steps=0)
        maml = row_of("curves", recipe="MAML", shots=shots, steps=10)
        assert maml["value"] > oracle["value"] - oracle["ci95"]


def test_maml_fills_in_the_half_without_points_and_the_pretrained_net_does_not():
    maml, pretrained = (
        row_of("figure 2", recipe=name, scored_in="left half", steps=10)["value"]
        for name in ("MAML", "pretrained on all tasks")
    )
    assert maml < 0.5 * pretrained
    assert pretrained > 0.9 * ANCHORS["best constant function"]  # no better than knowing nothing


def test_the_page_has_the_numbers_of_the_result():
    page = (FOLDER / "README.md").read_text()
    for name in PUBLISHED:
        row = row_of("table 2", recipe=name, steps=10)
        assert f"{row['value']:.2f} ± {row['ci95']:.2f}" in page
