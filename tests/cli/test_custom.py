"""Tasks, models and recipes of a user's own module, by `module:name`."""

import json
import shutil
from pathlib import Path

import pytest
from test_options import small as small

from learnset.cli import main

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
def test_custom_recipes_are_compared_on_custom_tasks(monkeypatch):
    from learnset.recipes import regression

    known = regression.standard
    few = ("scratch", "pooled + ridge head")
    monkeypatch.setattr(
        regression, "standard", lambda **o: [r for r in known(**o) if r.name in few]
    )
    words = ["custom", "my_things:tasks", "--add", "my_things:scratch", "--out", "run"]
    sizes = ["--quick", "--steps", "20", "--seeds", "2", "--test-shots", "5"]
    assert main(["compare", *words, *sizes]) == 0
    result = json.loads(Path("run/result.json").read_text())
    assert {"mine", *few} <= {row["recipe"] for row in result["rows"]}


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
        ("draw custom my_things:", "it must be `module:name`"),
    ),
)
def test_what_cannot_be_found_is_one_line(words, said, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not Path("runs").exists()
