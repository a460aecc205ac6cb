"""The studies of transfer, run quickly."""

import jax.random as jr
import numpy as np
import pytest

from learnset.core import Batch
from learnset.data import Labelled
from learnset.report import markdown_of
from learnset_studies import surgical, transfer
from learnset_studies._surgical_page import COLUMNS
from learnset_studies._transfer_page import KEEP
from learnset_studies.lp_ft import LPFTStudy, NAMES, statements
from learnset_studies.transfer import divide, recipes, turned

pytestmark = pytest.mark.study
PLAIN = ("scratch", "fine-tuning")


@pytest.mark.slow
def test_fine_tuning_distorts_features_and_probing_first_repairs_it(tmp_path):
    """The signs of the theorem, with a tenth of the steps."""
    result = LPFTStudy(2000, 10).run(tmp_path, jr.key(1))
    of = {(row["feature_error"], row["recipe"]): row for row in result["rows"]}
    probing, tuning, both = NAMES
    assert of[0.01, tuning]["unseen"] > 10 * of[0.01, probing]["unseen"]
    assert of[0.01, both]["unseen"] < of[0.01, tuning]["unseen"] / 10
    assert of[0.1, tuning]["seen"] < of[0.1, probing]["seen"]
    assert len(statements(of)) == 5
    page = markdown_of(LPFTStudy.page(result | {"sizes": {}}))
    assert page.count("| error ") == len(result["rows"])


def test_a_number_that_is_none_makes_no_statement_true():
    rows = {
        (size, name): {"seen": float("nan"), "unseen": float("nan")}
        for size in (0.0, 0.01, 0.03, 0.1)
        for name in NAMES
    }
    assert not any(holds for _, holds in statements(rows))


def test_no_image_is_in_two_parts_and_classes_are_even():
    parts = divide(jr.key(0), 2)
    assert [len(parts[name].y[0]) for name in ("source", "kept", "labels", "validation")] == [
        800,
        200,
        400,
        100,
    ]
    for part in parts.values():
        counts = np.asarray(part.y[0]).sum(axis=0)
        assert set(counts) == {len(part.y[0]) / 10}
    of_source = {
        row.tobytes() for name in ("source", "kept") for row in np.asarray(parts[name].x[0])
    }
    assert len(of_source) > 990
    assert np.asarray(parts["labels"].first(10).y[0]).sum(axis=0).tolist() == [1] * 10


def test_images_are_turned_about_their_centre():
    image = np.zeros((1, 8, 8))
    image[0, 3:5, 3:5] = 1
    assert turned(image).reshape(8, 8)[3:5, 3:5].min() > 0.7


def test_every_recipe_of_the_study_has_settings_to_choose_from():
    sizes = {name: len(adapters) for name, (_, adapters) in recipes(5).items()}
    assert {name for name, size in sizes.items() if size == 1} == {"as it is"}


@pytest.mark.slow
def test_a_quick_run_has_all_rows_and_a_page(tmp_path, monkeypatch):
    few = {n: (of[0], of[1][:1]) for n, of in recipes(2).items() if n in (*KEEP, *PLAIN)}
    monkeypatch.setattr(transfer, "recipes", lambda steps: few)
    monkeypatch.setattr(transfer, "SHOTS", (1,))
    study = transfer.TransferStudy(2, 2)
    result = study.run(tmp_path, jr.key(0))
    assert len(result["rows"]) == len(KEEP) + len(PLAIN)
    study.draw(result, tmp_path)
    assert {path.name for path in tmp_path.glob("*.svg")} == {"labels.svg", "forgotten.svg"}
    text = markdown_of(study.page(result))
    assert "**Forgetting**" in text and text.count("| fine-tuning |") == 2


@pytest.mark.long
def test_a_quick_study_of_surgical_fine_tuning_has_a_row_for_each_block(tmp_path, monkeypatch):
    few = {name: surgical.SHIFTS[name] for name in ("inverted", "permuted")}
    monkeypatch.setattr(surgical, "SHIFTS", few)
    monkeypatch.setattr(surgical, "LRS", (0.01,))
    signs = Labelled.from_arrays(np.zeros((24, 14, 14), np.uint8), np.arange(24) % 2)
    monkeypatch.setattr(surgical, "data_sets", lambda: {"glyphs": signs})
    monkeypatch.setattr(surgical, "PARTS", {"glyphs": (3, 2, 2)})
    study = surgical.SurgicalStudy(2, 2)
    result = study.run(tmp_path, jr.key(0))
    assert [row["block"] for row in result["rows"]] == [*COLUMNS] * 2
    study.draw(result, tmp_path)
    assert (tmp_path / "blocks.svg").exists()
    text = markdown_of(study.page(result | {"sizes": {"steps": 2, "seeds": 2}}))
    assert text.count("glyphs, ") == 3 and "0 of 1 cases" in text


def test_shifts_of_inputs_keep_classes_and_those_of_outputs_keep_images():
    x, rng = np.random.default_rng(0).uniform(size=(6, 14, 14, 1)), np.random.default_rng(1)
    for kind, change in surgical.SHIFTS.values():
        other, classes = change(x, 6, rng)
        assert (kind == "inputs") == (classes.tolist() == list(range(6)))
        assert (kind == "outputs") == (other is x)
    assert surgical.permuted(x, 6, rng)[1].tolist() == [1, 2, 3, 4, 5, 0]
    assert sorted(surgical.merged(x, 6, rng)[1].tolist()) == [0, 0, 1, 1, 2, 2]
    points = surgical.relabelled(Batch(np.zeros((2, 1)), np.eye(3)[[2, 0]]), np.array([1, 2, 0]))
    assert points.y.argmax(axis=1).tolist() == [0, 1]
