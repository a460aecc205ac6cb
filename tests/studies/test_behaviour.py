"""The studies of behaviour with the agents that come with the package."""

import json

import jax.random as jr
import pytest

import learnset as ls
from learnset.cli import main
from learnset.studies import BanditStudy, HarlowStudy, WaterMazeStudy


def test_stored_agents_have_a_learning_set(tmp_path):
    result = HarlowStudy(problems=60, earlier_problems=20).run(tmp_path, jr.key(0), from_pretrained=True)
    mine = {row["trial"]: row["value"] for row in result["rows"] if row["part"] == "trials" and row["recipe"] == "RL²"}
    assert 40 < mine[1] < 60 and min(mine[t] for t in range(2, 7)) > 97
    assert (tmp_path / "learning-set.png").stat().st_size > 10_000
    assert "win-stay" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("study", [HarlowStudy, WaterMazeStudy, BanditStudy])
def test_sizes_below_one_are_refused(study):
    with pytest.raises(ls.InputError, match="seeds=0"):
        study(seeds=0)


def test_a_study_without_trained_agents_says_so(tmp_path, capsys):
    assert main(["study", "maml-sinusoids", "--from-pretrained", "--out", str(tmp_path / "run")]) == 2
    assert "no trained agents" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_training_goes_on_where_it_was_cut(tmp_path):
    """A study that is resumed says what the uncut one says."""
    study = HarlowStudy(steps=6, seeds=2, problems=20, earlier_problems=5, tasks_per_step=8, width=8)
    whole = study.run(tmp_path, jr.key(0))
    again = study.run(tmp_path, jr.key(0), resume=True)
    assert json.dumps(whole["rows"]) == json.dumps(again["rows"])
