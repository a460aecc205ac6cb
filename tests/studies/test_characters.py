"""The studies of characters: their pages of made-up results, and what they compare with."""

import dataclasses

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import learn
from learnset.data import omniglot
from learnset.models import Headed, Raw
from learnset.report import markdown_of
from learnset_studies._characters import embedded, SettledBy
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
    part = {"protocol": PROTOCOL[study.name], "data": "made up", "classes": classes}
    part |= {"training": {"ProtoNet": 12.4}, "trained_shots": list(study.trained_shots)}
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
    ((splits, words),) = OmniglotStudy().protocols().values()
    assert len(splits.train) + len(splits.validation) == 1200 and len(splits.test) == 423
    assert "1,200" in words
    assert set(dataclasses.replace(OmniglotStudy(), alphabets=True).protocols()) == {
        "random characters",
        "new alphabets",
    }


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
    ((splits, _),) = study.protocols().values()
    splits = study.scored(splits)
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
