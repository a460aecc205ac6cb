"""Pages of results that are kept are those which the studies write of the numbers kept beside them."""

import json
from pathlib import Path

import pytest

from learnset_studies import multimnist, sarcos, school, tox21
from learnset_studies.glyphs import GlyphStudy
from learnset_studies.omniglot import OmniglotStudy

RESULTS = Path(__file__).parents[2] / "docs" / "results"
PAGES = {
    "glyphs": lambda result: GlyphStudy().page(result),
    "multimnist": lambda result: multimnist.page(
        result, multimnist.MultiMNISTStudy(), multimnist.SOURCE
    ),
    "omniglot": lambda result: OmniglotStudy().page(result),
    "sarcos": lambda result: sarcos.page(result, sarcos.SarcosStudy()),
    "school": lambda result: school.page(result, school.SchoolStudy()),
    "tox21": lambda result: tox21.page(result, tox21.Tox21Study()),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_kept_page_says_what_its_study_says_of_the_kept_numbers(name):
    result = json.loads((RESULTS / name / "result.json").read_text())
    assert (RESULTS / name / "README.md").read_text() == PAGES[name](result)
