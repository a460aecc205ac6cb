"""Data that change between training and scoring: what was trained on is never called new."""

import shutil

import numpy as np
import pytest

from learnset.cli import main
from learnset.cli._kept import read_kept
from learnset.cli._train import training_of

COLUMNS = ["--task-column", "school", "--target", "score"]


def write(path, schools=20):
    r = np.random.default_rng(0)
    lines = ["school,hours,score"]
    for school in range(schools):
        lines += [f"s{school:02},{x:.4f},{school * x:.4f}" for x in r.normal(size=25)]
    path.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schools")
    write(folder / "t.csv")
    words = ["train", "reptile", "table", str(folder / "t.csv"), *COLUMNS, "--steps", "5"]
    assert main([*words, "--out", str(folder / "run")]) == 0
    return folder, read_kept(folder / "run").parts


@pytest.fixture
def data(trained):
    """The file, put back afterwards."""
    path = trained[0] / "t.csv"
    text = path.read_text()
    yield path
    path.write_text(text)


def without(path, name):
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith(name)))


def scored(folder):
    """The names of the tasks that `evaluate` calls new."""
    return training_of(folder / "run").given(folder / "run").tasks.names[2]


def test_the_tasks_that_were_held_out_are_scored(trained, tmp_path):
    folder, parts = trained
    assert set(parts) == {"train", "validation", "test"} and all(parts.values())
    assert scored(folder) == tuple(parts["test"])
    words = ["evaluate", str(folder / "run"), "--tasks", "10", "--shots", "5"]
    assert main([*words, "--out", str(tmp_path / "result.json")]) == 0


def test_a_task_less_leaves_the_others_in_their_parts(trained, data):
    folder, parts = trained
    without(data, parts["test"][0])
    assert scored(folder) == tuple(parts["test"])[1:]


def test_further_tasks_move_no_other(trained, data):
    folder, parts = trained
    write(data, schools=30)
    assert scored(folder) == tuple(parts["test"])


@pytest.mark.parametrize("change", ("gone", "another number"))
def test_where_what_was_trained_on_has_changed_there_is_one_line(trained, data, change, capsys):
    folder, parts = trained
    name = parts["train"][0]
    if change == "gone":
        without(data, name)
    else:
        data.write_text(data.read_text().replace(f"{name},", f"{name},1", 1))
    assert main(["evaluate", str(folder / "run"), "--tasks", "10"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "is not what the data hold now" in error
    assert (repr(name) in error) == (change == "gone")


def test_a_run_whose_step_size_was_changed_by_hand_is_refused(trained, tmp_path, capsys):
    run = shutil.copytree(trained[0] / "run", tmp_path / "run")
    path = run / "run.json"
    path.write_text(path.read_text().replace('"5"', '"6"'))
    assert main(["evaluate", str(run)]) == 2
    assert "run.json is damaged" in capsys.readouterr().err
