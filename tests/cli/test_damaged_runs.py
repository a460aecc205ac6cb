"""Whatever became of a file in a run's folder, a command ends with one line or the right result."""

import json
import shutil
import warnings

import numpy as np
import pytest

from learnset.cli import main

STEPS = ["--steps", "20", "--checkpoint-every", "10"]


def rows(path):
    r = np.random.default_rng(0)
    lines = [f"s{t},{x:.3f},{t * x:.3f}" for t in range(8) for x in r.normal(size=24)]
    path.write_text("\n".join(["t,x,y", *lines]))
    return str(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each command, and how it is resumed."""
    folder = tmp_path_factory.mktemp("runs")
    commands = {
        "train": ["train", "reptile", "sinusoids", *STEPS],
        "study": ["study", "multitask-toy", "--quick", "--steps", "250"],
        "compare": ["compare", rows(folder / "t.csv"), "--task-column", "t", "--target", "y"],
    }
    commands["compare"] += ["--quick", "--steps", "10"]
    for name, words in commands.items():
        assert main([*words, "--out", str(folder / name)]) == 0
    return folder, commands


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one byte less": lambda content: content[:-1],
    "one byte more": lambda content: content + b"\x00",
    "binary": lambda content: bytes(range(256)) * 8,
    "a list": lambda content: b"[1, 2]",
    "a number": lambda content: b"3",
    "other types": lambda content: content.replace(b'"', b"")[:-1],
    "deep": lambda content: b"[" * 50_000,
    "no text": lambda content: b"\xff\xfe" + content,
}


def damaged(path, damage):
    content = path.read_bytes()
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    elif damage == "gone":
        path.unlink()
    elif damage == "a link to itself":
        path.unlink()
        path.symlink_to(path.name)
    else:
        path.write_bytes(DAMAGES[damage](content))


FILES = {
    "train": (
        "run.json",
        "metrics.jsonl",
        "checkpoints/10.checkpoint",
        "checkpoints/20.checkpoint",
    ),
    "study": ("result.json", "checkpoints/famo.paths"),
    "compare": ("result.json", "recipes/one-ridge-per-task.answers"),
}
CASES = [(name, file) for name, files in FILES.items() for file in (*files, ".learnset-run")]
KINDS = (*DAMAGES, "a folder", "gone", "a link to itself")


def ended(words, capsys):
    """The exit code of a command that ends in order, and what it says."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code = main(words)
    said = capsys.readouterr().err
    assert code in (0, 1, 2) and "unexpected" not in said and "Traceback" not in said, said
    assert code == 0 or said.splitlines()[-1].startswith("learnset: ")
    return code, said


@pytest.mark.long
@pytest.mark.study
@pytest.mark.parametrize("name, file", CASES)
def test_a_damaged_file_is_one_line_or_changes_nothing(runs, name, file, tmp_path, capsys):
    folder, commands = runs
    for damage in KINDS[:: 4 if name == "compare" else 1]:  # which takes a while
        copy = shutil.copytree(folder / name, tmp_path / damage)
        damaged(copy / file, damage)
        others = [["--redraw", str(copy)]] if name == "study" else []
        for words in others:
            ended([*commands[name][:2], *words], capsys)
        if name == "train":
            ended(["evaluate", str(copy), "--tasks", "10", "--shots", "5"], capsys)
        code, _ = ended([*commands[name], "--out", str(copy), "--resume"], capsys)
        if code == 0 and name != "train":
            found, expected = (
                json.loads((path / "result.json").read_text()) for path in (copy, folder / name)
            )
            assert _timeless(found["rows"]) == _timeless(expected["rows"])
        shutil.rmtree(copy)


def _timeless(rows):
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]
