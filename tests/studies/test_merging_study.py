"""The study of merging, on noise."""

import jax.random as jr
import numpy as np
import pytest

from learnset.data import Labelled
from learnset.report import markdown_of
from learnset_studies import merging
from learnset_studies._merging_page import EQUAL, SEPARATE, START, SUM

pytestmark = pytest.mark.study


@pytest.fixture
def two_tasks(monkeypatch):
    """The study of merging on two tasks of two classes of noise."""
    noise = np.random.default_rng(0).integers(0, 255, (60, 14, 14), np.uint8)
    images = Labelled.from_arrays(noise, np.arange(60) % 2, groups=["Latin", "Latin"])
    made = {"one": merging.plain, "other": merging.turned}
    small = {"SETS": {"noise": (lambda: images, made)}, "TASKS": tuple(made), "FIT": 4}
    small |= {"VALIDATION": 3, "TEST": 6, "LRS": (0.01,), "OF_LRS": [{"lr": 0.01}], "WIDTH": 4}
    small |= {"SCALES": (0.0, 0.5), "SOURCE": (2, 8), "BATCH": 4}
    small |= {"JOINT": {EQUAL: merging.JOINT[EQUAL]}}
    small |= {"MERGED": {SUM: merging.MERGED[SUM]}}
    for name, value in small.items():
        monkeypatch.setattr(merging, name, value)
    monkeypatch.setattr(merging.glyphs, "characters", lambda: images)


def test_no_image_is_in_two_tasks_or_parts(two_tasks):
    parts = merging.divide(np.random.default_rng(1), 1)
    upright = [
        image if task == 0 else np.rot90(image.reshape(14, 14), -1).ravel()
        for part in parts.values()
        for task in range(2)
        for image in np.asarray(part.x[0, task])
    ]
    assert len({image.tobytes() for image in upright}) == len(upright) == 2 * 2 * (4 + 3 + 6)


@pytest.mark.long
def test_a_uniform_soup_is_the_plain_sum_at_one_over_the_tasks(two_tasks, tmp_path):
    study = merging.MergingStudy(3, 2)
    result = study.run(tmp_path, jr.key(0))
    rows = {row["recipe"]: row for row in result["rows"]}
    assert list(rows) == [START, SEPARATE, EQUAL, *merging.SOUPS, SUM]
    curve = result["figures"]["scales"]["curves"][SUM]
    assert rows["uniform soup"]["value"] == pytest.approx(curve[1])
    assert rows[START]["value"] == pytest.approx(curve[0])  # heads stand still
    assert rows[SEPARATE]["difference"] == 0
    study.draw(result, tmp_path)
    assert (tmp_path / "scales.svg").exists()
    text = markdown_of(study.page(result | {"sizes": {"steps": 3, "seeds": 2}}))
    assert text.count("| merged |") == 3 and "points more than the start" in text
