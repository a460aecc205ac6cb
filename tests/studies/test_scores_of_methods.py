"""Scores of recipes are read from kept results, and compared as their pages compare them."""

import json
import math
from pathlib import Path

import pytest

from learnset_studies import scores
from learnset_studies.scores import Entry, Field

pytestmark = pytest.mark.study
RESULTS = Path(__file__).parents[2] / "docs" / "results"


def field(entry: Entry, baseline: Entry, less: bool) -> Field:
    return Field("", "", "", less, (entry, baseline), baseline)


@pytest.mark.parametrize(
    ("value", "half", "paired", "outcome"),
    [
        (1.5, 0.1, None, 1),
        (0.5, 0.1, None, -1),
        (1.2, 0.1, None, 0),  # √(0.1² + 0.2²) is more than 0.2
        (1.2, 0.1, (0.2, 0.05), 1),  # paired differences vary less
        (1.5, math.nan, None, None),
    ],
)
def test_better_is_by_more_than_the_interval_of_the_difference(value, half, paired, outcome):
    baseline = Entry("scratch", 1.0, 0.2)
    entry = Entry("other", value, half, paired=paired)
    assert field(entry, baseline, less=False).against_baseline(entry) == outcome
    less = None if outcome is None else -outcome
    assert field(entry, baseline, less=True).against_baseline(entry) == less
    assert field(entry, baseline, less=True).against_baseline(baseline) is None


def test_fields_are_those_of_the_pages():
    fields = {(field.result, field.of): field for field in scores.fields(RESULTS)}
    sines = fields["compare-sinusoids", "new tasks, 10-shot"]
    assert sines.less and sines.best.recipe == "R2D2" and sines.baseline.recipe == "scratch"
    page = (RESULTS / "compare-sinusoids" / "README.md").read_text()
    assert f"| {sines.best.value:.4f} ± {sines.best.half:.4f} | -1.73" in page
    assert "oracle" not in [entry.recipe for entry in sines.contestants]
    school = fields["school", ""]
    page = (RESULTS / "school" / "README.md").read_text()
    for entry in school.entries:
        line = next(line for line in page.splitlines() if line.startswith(f"| {entry.recipe} |"))
        assert f"| {entry.value:.1f} ± {entry.half:.1f} |" in line
        low, high = (100 * (entry.paired[0] + sign * entry.paired[1]) for sign in (-1, 1))
        assert school.against_baseline(entry) in (None, (low > 0) - (high < 0))
    page = (RESULTS / "benchmarks-new-tasks" / "README.md").read_text()
    assert "| recipe | " + " | ".join(f"{shots} rows" for shots in scores.SHOTS) + " |" in page


def test_a_recipe_that_occurs_twice_in_a_field_is_refused(tmp_path):
    rows = [{"method": "UW", "digit": "left", "measure": "accuracy (%)", "value": 1.0}] * 2
    (tmp_path / "multimnist").mkdir()
    (tmp_path / "multimnist" / "result.json").write_text(json.dumps({"rows": rows}))
    with pytest.raises(ValueError, match="multimnist, : a recipe occurs twice"):
        scores.fields(tmp_path)
