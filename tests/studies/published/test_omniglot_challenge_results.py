"""The kept result of the study of the Omniglot challenge."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.study

RESULT = Path(__file__).parents[3] / "docs" / "results" / "omniglot-challenge" / "result.json"


@pytest.fixture(scope="module")
def rows():
    found = json.loads(RESULT.read_text())["rows"]
    return {(row["part"], row["recipe"], row["alphabets"]): row for row in found}


def errors(rows, part, alphabets):
    return {
        recipe: row["value"]
        for (of, recipe, on), row in rows.items()
        if (of, on) == (part, alphabets)
    }


def test_the_distance_on_the_official_runs(rows):
    """On all 20 it is 38.8 % (Lake et al. 2015); on runs 1 and 2 the demo has 45 % and 35 %."""
    row = rows["official runs", "modified Hausdorff", "none"]
    assert row["by_run"]["run01"] == 0.45 and row["by_run"]["run02"] == 0.35
    assert row["agrees"] or len(row["by_run"]) < 20


def test_sets_of_pixels_beat_squared_differences_of_pixels(rows):
    untrained = errors(rows, next(iter(rows))[0], "none")
    assert untrained["modified Hausdorff"] + 0.1 < untrained["nearest raw pixels"] < 0.95
