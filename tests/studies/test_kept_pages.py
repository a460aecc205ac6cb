"""Kept pages of results are those that the studies write from the kept numbers."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from learnset.report import html_of, markdown_of

pytestmark = pytest.mark.study
RESULTS = Path(__file__).parents[2] / "docs" / "results"
STUDIES = {entry.name: entry for entry in metadata.entry_points(group="learnset.studies")}


def test_each_study_has_kept_results():
    assert {folder.name for folder in RESULTS.iterdir()} >= set(STUDIES)


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_a_kept_page_is_what_its_study_writes_of_the_kept_numbers(name):
    folder = RESULTS / name
    result = json.loads((folder / "result.json").read_text())
    assert result["format"] == 2 and result["study"] == name
    page = STUDIES[name].load().page(result)._replace(origin=result["meta"])
    assert (folder / "README.md").read_text() == markdown_of(page)
    assert (folder / "report.html").read_text() == html_of(page, folder)
