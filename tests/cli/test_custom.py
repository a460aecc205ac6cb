"""Tasks, models and recipes of a user's own module, by `module:name`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_options import small as small

import learnset as ls
from learnset.cli import main
from learnset.cli.subjects._tables import Network

THINGS = Path(__file__).with_name("own_things.py")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(THINGS, tmp_path / "my_things.py")


@pytest.mark.slow
def test_a_custom_model_is_trained_on_custom_tasks_and_scored(capsys):
    words = ["custom", "my_things:make_tasks", "--model", "my_things:network", "--steps", "3"]
    assert main(["train", "maml", *words, "--out", "run"]) == 0
    assert main(["evaluate", "run", "--shots", "5", "--tasks", "20"]) == 0
    assert "5 points: error after 0 steps" in capsys.readouterr().out
    result = json.loads(Path("run/result.json").read_text())
    assert result["subject"] == "custom"


@pytest.mark.slow
def test_several_seeds_are_trained_and_scored_together(capsys):
    assert main(["train", "maml", "sinusoids", "--steps", "3", "--seeds", "3", "--out", "run"]) == 0
    assert main(["evaluate", "run", "--shots", "5", "--tasks", "20"]) == 0
    assert "mean over 60 tasks of 3 seeds" in " ".join(capsys.readouterr().out.split())
    result = json.loads(Path("run/result.json").read_text())
    assert result["questions"][0]["seeds"] == 3


def test_several_seeds_of_data_are_refused(small, capsys):
    assert main(["train", "maml", "school", "--seeds", "2", "--out", "run"]) == 2
    assert "Train with one `--seed` after the other" in capsys.readouterr().err


@pytest.mark.slow
def test_custom_recipes_are_compared_on_new_and_known_tasks(monkeypatch, capsys):
    from learnset.recipes import regression

    known = regression.standard
    few = ("scratch", "pooled + ridge head")
    monkeypatch.setattr(
        regression, "standard", lambda **o: [r for r in known(**o) if r.name in few]
    )
    words = ["custom", "my_things:tasks", "--add", "my_things:both", "--out", "run"]
    sizes = ["--quick", "--steps", "20", "--seeds", "2", "--test-shots", "5"]
    assert main(["compare", *words, *sizes]) == 0
    result = json.loads(Path("run/result.json").read_text())
    new, seen = ({r["recipe"] for r in result["rows"] if r["tasks"] == t} for t in ("new", "seen"))
    assert {"mine", *few} <= new and {"mine", "offsets"} <= seen
    (note,) = result["notes"]
    said = "offsets (`--add`) is not compared on new tasks: it learns from rows of known tasks"
    assert note == said and note in capsys.readouterr().out


@pytest.mark.parametrize(
    "recipe, known, new", (("mine", 1, 1), ("offsets", 1, 1), ("broken", 0, 0))
)
def test_a_recipe_of_a_user_is_in_each_question_about_a_table_that_it_can_answer(
    recipe, known, new, small
):
    import own_things

    random = np.random.default_rng(0)
    x, y = random.normal(size=(96, 3)), random.normal(size=96)
    table = ls.Table.from_arrays(x, y, np.arange(96) % 12)
    asked = ls.comparison.SeenTasks.of_table(table, seeds=range(1))
    some = ls.comparison.NewTableTasks.of_table(
        table, np.arange(len(table)), shots=(2,), queries=2, seeds=range(1)
    )
    width = some.family.train.x.shape[-1]
    mine = {"mine": own_things.scratch, "offsets": own_things.offsets}
    mine = mine.get(recipe, own_things.broken)
    for question, size, fits in ((asked, asked.sizes[0], known), (some, width, new)):
        misfit = ls.comparison.misfit(mine, Network(size, 1), question)
        assert bool(misfit) != bool(fits)


@pytest.mark.parametrize(
    "words, said",
    (
        ("train maml custom my_things", "it must be `module:name`"),
        ("train maml custom", "it must be `module:name`"),
        ("train maml custom nowhere:tasks", "there is no module 'nowhere'"),
        ("train maml custom my_things:nothing", "has no attribute 'nothing'"),
        ("train maml custom my_things:number", "is a int, but it must be tasks"),
        ("train maml custom my_things:tasks --model my_things:nothing", "no attribute 'nothing'"),
        ("compare sinusoids --add my_things:number", "it must be a list of `learnset.Recipe`"),
        (
            "compare custom my_things:tasks --add my_things:broken",
            "broken (`--add`) is not compared on new tasks",
        ),
        ("draw custom my_things:", "it must be `module:name`"),
    ),
)
def test_what_cannot_be_found_is_one_line(words, said, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not Path("runs").exists()
