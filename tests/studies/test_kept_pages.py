"""Kept pages of results are those that the studies write from the kept numbers."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from learnset.report import html_of, markdown_of
from learnset_studies import published

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


def test_the_table_of_published_numbers_is_that_of_the_kept_results():
    assert (RESULTS / "README.md").read_text() == markdown_of(published.page(RESULTS))


def test_each_published_number_is_counted_once_and_has_its_source():
    page = published.page(RESULTS)
    counts, *tables = [part for section in page.sections for part in section.parts[-1:]]
    for line, table in zip(counts.rows, tables, strict=False):
        assert sum(map(int, line[2:])) == len(table.rows) > 0
        assert len(line[1]) > 5
