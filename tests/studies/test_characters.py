"""The studies of characters: their pages of made-up results, and what they compare with."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import learn
from learnset.data import omniglot
from learnset.models import Headed, Raw
from learnset.report import markdown_of
from learnset.training import write_sealed_json
from learnset_studies._characters_parts import done, ended, Part
from learnset_studies._characters_recipes import embedded, SettledBy
from learnset_studies.glyphs import GlyphStudy
from learnset_studies.omniglot import OmniglotStudy

pytestmark = pytest.mark.study


PROTOCOL = {"omniglot": "random characters", "glyphs": "new scripts"}


def row(protocol, recipe, ways, shots, value, transductive=False, tasks="new"):
    return {
        "protocol": protocol,
        "recipe": recipe,
        "tasks": tasks,
        "ways": ways,
        "shots": shots,
        "value": value,
        "ci95": 0.25,
        "transductive": transductive,
    }


def result_of(study, rows):
    """A result with made-up rows."""
    classes = {"train": 3, "validation": 2, "test": 1}
    cells = study.trained_cells(PROTOCOL[study.name], "MAML")
    part = {"protocol": PROTOCOL[study.name], "data": "made up", "classes": classes}
    part |= {
        "training": {"ProtoNet": 12.4},
        "trained_shots": [shots for _, shots in cells],
    }
    return {"sizes": dataclasses.asdict(study), "rows": rows, "protocols": [part]}


def test_a_table_has_a_row_for_each_learner_and_the_published_values_below():
    study = OmniglotStudy()
    of = PROTOCOL["omniglot"]
    rows = [row(of, "raw pixels", ways, shots, 41.5) for ways, shots in study.cells]
    rows += [row(of, "ProtoNet", ways, shots, 90.0) for ways, shots in study.cells]
    page = markdown_of(study.page(result_of(study, [*rows, row(of, "MAML", 5, 1, 97.25, True)])))
    assert "| **raw pixels** | 41.50 ± 0.25 | 41.50 ± 0.25 |" in page
    assert "| **MAML**\\* | 97.25 ± 0.25 |  |" in page
    assert "| published | 98.7 | 99.9 | 95.8 | 98.9 |" in page


@pytest.mark.parametrize("accuracy, agrees", [(98.6, False), (98.7, True), (99.4, True)])
def test_a_row_holds_the_published_value_and_whether_it_is_reached(accuracy, agrees):
    about = OmniglotStudy().compared("random characters", "ProtoNet", 5, 1, accuracy, 0.1)
    assert (about["published"], about["agrees"]) == (98.8, agrees)


def test_what_was_never_published_is_compared_with_nothing():
    assert OmniglotStudy().compared("random characters", "raw pixels", 5, 1, 40.0, 0.1) == {}
    assert OmniglotStudy().compared("new alphabets", "ProtoNet", 5, 1, 98.8, 0.1) == {}
    assert GlyphStudy().compared("new scripts", "MAML", 5, 1, 40.0, 0.1) == {"chance": 20.0}


@pytest.mark.long
def test_the_papers_protocol_tests_on_423_characters_of_all_alphabets():
    if omniglot.find("images_evaluation.zip") is None:
        pytest.skip("the official zips are not in LEARNSET_DATA")
    ((protocol, words),) = OmniglotStudy().protocols().items()
    splits = OmniglotStudy().splits(protocol)
    assert len(splits.train) + len(splits.validation) == 1200 and len(splits.test) == 423
    assert "1,200" in words


def test_a_complete_study_trains_maml_for_each_cell_and_has_both_protocols():
    study = OmniglotStudy().full()
    parts = study.parts("random characters")
    of_maml = [(part.ways, part.shots) for part in parts if part.learner == "MAML"]
    assert of_maml == list(study.cells) and len({part.name for part in parts}) == len(parts)
    assert list(study.protocols()) == ["random characters", "new alphabets"]
    assert {part.ways for part in OmniglotStudy().parts("random characters")} == {0, 5}


def test_maml_is_trained_as_in_its_paper():
    """Finn et al. 2017, §A.1: one step of 0.4 and 32 tasks with five ways, tested after three; five
    steps of 0.1 and 16 tasks with twenty."""
    study = OmniglotStudy().full()
    classes = ls.data.Labelled.from_arrays(np.zeros((2, 28, 28, 1), np.uint8), np.arange(2))
    narrow, wide = (
        study.recipe(Part("random characters", "MAML", ways, 1), classes) for ways in (5, 20)
    )
    for recipe, steps, lr, tasks, tested in ((narrow, 1, 0.4, 32, 3), (wide, 5, 0.1, 16, 5)):
        learner: Any
        adapter: Any
        (learner,), (adapter,) = recipe.learners, recipe.adapters
        assert (learner.method.steps, learner.method.inner_lr) == (steps, lr)
        assert learner.tasks_per_step == tasks
        assert (adapter.steps, adapter.lr) == (tested, lr)


def test_a_resumed_study_reads_what_is_done(tmp_path):
    part = Part("random characters", "MAML", 20, 5)
    folder = tmp_path / "random-characters" / "maml-20-way-5-shot"
    folder.mkdir(parents=True)
    (folder / "answers.json").write_text('{"rows": [7]}')
    assert done(tmp_path, {"resume": True}, part) == {"rows": [7]}
    assert done(tmp_path, {"resume": False}, part) is None
    assert done(tmp_path, {"resume": True}, part._replace(shots=1)) is None


def test_a_run_that_is_stopped_returns_what_is_done(tmp_path, monkeypatch):
    study = OmniglotStudy().quick()
    rows = [row(PROTOCOL["omniglot"], "ANIL", *cell, 96.0) for cell in study.cells]

    def of_part(study, folder, key, options, part):
        if (part.learner, part.shots) == ("ANIL", 1):
            raise KeyboardInterrupt
        return {"rows": rows if part.learner == "ANIL" else [], "seconds": 1.0}

    monkeypatch.setattr("learnset_studies._characters.answers", of_part)
    blank = ls.data.Labelled.from_arrays(np.zeros((20, 28, 28, 1), np.uint8), np.zeros(20, int))
    splits = ls.data.Splits(blank, blank, blank)
    monkeypatch.setattr("learnset_studies._characters.characters", lambda *_: splits)
    result = study.run(tmp_path, jr.key(0))
    (part,) = result["protocols"]
    assert [one | other for one, other in zip(result["rows"], rows, strict=True)] == result["rows"]
    assert result["rows"][2]["published"] == 96.2 and "ANIL 1-shot" in part["left"]
    assert "ANIL 5-shot" not in part["left"] and "ANIL 5-shot" in part["training"]
    page = markdown_of(study.page(result | {"sizes": dataclasses.asdict(study)}))
    assert "Not trained: " in page


@pytest.fixture
def parts_of_one_row(monkeypatch) -> list[str]:
    """Studies without data, whose parts answer one row each; the labels of those that did."""
    worked: list[str] = []

    def of_part(study, folder, key, options, part):
        worked.append(part.label)
        one = row(part.protocol, part.learner, part.ways, part.shots, 96.0)
        return {"rows": [one], "seconds": 1.5, "device": f"card {len(worked)}"}

    blank = ls.data.Labelled.from_arrays(np.zeros((20, 28, 28, 1), np.uint8), np.zeros(20, int))
    splits = ls.data.Splits(blank, blank, blank)
    monkeypatch.setattr("learnset_studies._characters.answers", of_part)
    monkeypatch.setattr("learnset_studies._characters.characters", lambda *_: splits)
    return worked


def kept_as_result(study, folder, **options):
    """What a run finds, written where the next one reads it."""
    found = study.run(folder, jr.key(0), **options)
    result = {"sizes": dataclasses.asdict(study)} | found
    folder.mkdir(exist_ok=True)
    write_sealed_json(folder / "result.json", result | {"meta": {"command": "learnset study"}})
    return found


def test_parts_are_added_to_a_result_and_each_keeps_the_card_it_was_trained_on(
    tmp_path, parts_of_one_row
):
    study, folder = OmniglotStudy().full(), tmp_path / "run"
    first = kept_as_result(study, folder, only=["Reptile 20-way 1-shot", "MAML 1-shot"])
    assert parts_of_one_row == ["Reptile 20-way 1-shot", "MAML 1-shot"] and "earlier" not in first
    again = {"resume": True, "only": ["R2D2 5-shot", "MAML 1-shot"]}
    second = kept_as_result(study, folder, **again)
    assert parts_of_one_row[2:] == ["R2D2 5-shot"]
    assert [one["recipe"] for one in second["rows"]] == ["R2D2", "MAML", "Reptile"]
    assert second["rows"][1:] == first["rows"] and second["rows"][1]["published"] == 98.7
    assert second["earlier"] == [{"command": "learnset study"}]
    (about,) = second["protocols"]
    cards = {"R2D2 5-shot": "card 3", "MAML 1-shot": "card 2", "Reptile 20-way 1-shot": "card 1"}
    assert about["devices"] == cards and not cards.keys() & set(about["left"])
    nothing_more = study.run(folder, jr.key(0), resume=True, only=())
    assert nothing_more["rows"] == second["rows"] and len(parts_of_one_row) == 3


def test_parts_that_cannot_be_added_are_refused(tmp_path, parts_of_one_row):
    study = OmniglotStudy().full()
    with pytest.raises(ls.InputError, match="`only=MAML 3-shot` is no part of the study"):
        study.run(tmp_path, jr.key(0), only=["MAML 3-shot"])
    with pytest.raises(ls.InputError, match="No part has ended"):
        study.run(tmp_path, jr.key(0), only=())
    kept_as_result(study, tmp_path, only=["MAML 1-shot"])
    with pytest.raises(ls.InputError, match="of a study of other sizes"):
        study.with_steps(7).run(tmp_path, jr.key(0), resume=True, only=())


def test_all_rows_of_the_kept_result_belong_to_a_part():
    study, folder = OmniglotStudy().full(), Path(__file__).parents[2] / "docs/results/omniglot"
    rows = json.loads((folder / "result.json").read_text())["rows"]
    parts = [part for protocol in study.protocols() for part in study.parts(protocol)]
    kept, _ = ended(study, folder, parts)
    assert sum(len(found["rows"]) for found in kept.values()) == len(rows)
    assert all("device" in found for found in kept.values())


def test_cells_without_a_published_number_stay_empty():
    study = OmniglotStudy()
    assert study.compared("random characters", "ANIL", 5, 1, 98.0, 0.1) == {}
    assert study.compared("random characters", "ANIL", 20, 1, 96.0, 0.2)["agrees"]
    rows = [
        row(PROTOCOL["omniglot"], name, *cell, 96.0)
        for cell in study.cells
        for name in ("raw pixels", "ANIL")
    ]
    assert "| published |  |  | 96.2 | 98.0 |" in markdown_of(study.page(result_of(study, rows)))


@pytest.mark.parametrize("study", [OmniglotStudy(), GlyphStudy()], ids=lambda study: study.name)
def test_the_page_has_data_sizes_and_every_cell(study):
    rows, of = [], PROTOCOL[study.name]
    for ways, shots in study.cells:
        compared = study.compared(of, "ProtoNet", ways, shots, 90.0, 0.25)
        rows.append(row(of, "raw pixels", ways, shots, 30.0))
        rows.append(row(of, "ProtoNet", ways, shots, 90.0) | compared)
        rows.append(row(of, "ProtoNet", ways, shots, 99.0, tasks="seen"))
    words = markdown_of(study.page(result_of(study, rows)))
    assert all(f"{ways}-way {shots}-shot" in words for ways, shots in study.cells)
    assert "made up" in words and "3 characters to train on, 2 to choose settings on and 1" in words
    assert "ProtoNet, has an accuracy of **90.00 ± 0.25 %**" in words and "ProtoNet 12 s" in words
    assert "| **ProtoNet** | 90.00 ± 0.25 |" in words
    assert "| ProtoNet | 99.00 ± 0.25 | 99.00 ± 0.25 |" in words


def test_every_cell_can_be_drawn_from_the_characters_that_are_scored():
    study = GlyphStudy()
    splits = study.scored(study.splits("new scripts"))
    for cell in study.cells:
        assert (study.tasks(splits, *cell).ways, study.tasks(splits, *cell).shots) == cell
    assert len(splits.test) > 200


def test_the_lecture_s_cell_is_among_those_of_glyphs():
    assert (2, 4) in GlyphStudy.cells


@pytest.mark.parametrize("study", [OmniglotStudy, GlyphStudy])
def test_other_training_is_asked_for_by_steps(study):
    assert dataclasses.astuple(study().with_steps(7))[::3][:2] == (7, 7)
    with pytest.raises(ls.InputError, match=f"{study.name}: `steps=0`"):
        study().with_steps(0)
    with pytest.raises(ls.InputError, match=f"{study.name}: `filters="):
        dataclasses.replace(study(), filters=(8, 8, 0, 8))


@pytest.mark.long
def test_an_episode_of_features_is_scored_as_one_of_images(getkey):
    images = np.random.default_rng(0).integers(0, 256, (42, 28, 28, 1), np.uint8)
    classes = ls.data.Labelled.from_arrays(images, np.repeat(np.arange(6), 7))
    model = Headed(ls.Conv4((28, 28, 1), filters=4, key=getkey()), None)
    model = SettledBy(jnp.asarray(images[::10]))(model, None, getkey())
    splits = ls.data.Splits(*(classes.subset(pair) for pair in ([0, 1], [2, 3], [4, 5])))
    study = dataclasses.replace(GlyphStudy(), test_tasks=20)

    def question(splits):
        return study.question(ls.Episodes(*splits, ways=2, shots=1, queries=3))

    recipe = ls.Recipe("nearest mean", ls.Setting.META, adapters=(ls.Prototypes(),))
    experience = learn(lambda key: model, question(splits), key=jr.key(1))
    features = ls.data.Splits(*(embedded(model, part, most=9) for part in splits))
    of_features = experience.ask(
        question(features), [recipe], models={recipe.name: Headed(Raw(), None)}
    )
    of_images = experience.ask(question(splits), [recipe])
    of_both = (comparison[recipe.name].at(1) for comparison in (of_features, of_images))
    np.testing.assert_allclose(*of_both, atol=1e-6)
