"""The command, as a new user meets it: what it leaves behind, and one clear line for what cannot work."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from learnset.cli import main

BAD = [
    ("compare sinusoid", "sinusoid"),
    ("compare sinusoids --shots 0", "`shots=0`"),
    ("compare sinusoids --shots -3", "`shots=-3`"),
    ("compare sinusoids --test-shots 5 5", "rising"),
    ("compare sinusoids --amplitude 5 1", "amplitude"),
    ("compare sinusoids --steps 0", "--steps 0"),
    ("compare sinusoids --seeds 0", "`seeds=0`"),
    ("compare sinusoids --resume --overwrite", "give one of them"),
    ("compare sinusoids --checkpoint-every -1", "--checkpoint-every -1"),
    ("train maml sinusoids --method.inner-lr nan", "`inner_lr=nan`"),
    ("train maml sinusoids --method.inner-lr fast", "fast"),
    ("train maml sinusoids --lr nan", "--lr nan"),
    ("train maml sinusoids --method.steps -1", "`steps=-1`"),
    ("train mammal sinusoids", "mammal"),
    ("train protonet sinusoids", "`protonet` tells classes apart"),
    ("study nothing", "nothing"),
    ("evaluate nowhere", "no finished run"),
    ("draw sinusoids --number 0", "--number 0"),
    ("compare sinusoids --out /dev/null", "is a file"),
    ("", ""),
]


@pytest.mark.parametrize("words, said", BAD, ids=[words or "nothing" for words, _ in BAD])
def test_bad_input_gets_one_line_exit_code_2_and_leaves_nothing(
    words, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("learnset: ") and error.count("\n") == 1
    assert said in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_an_unwritable_directory_is_said_in_one_line(tmp_path, capsys):
    assert main(["draw", "sinusoids", "--out", "/proc/nowhere"]) == 2
    assert re.fullmatch(r"learnset: /proc/nowhere cannot be created .*\n", capsys.readouterr().err)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "run"
    assert (
        main(
            [
                "train",
                "anil",
                "sinusoids",
                "--method.inner-lr",
                "0.1",
                "--steps",
                "300",
                "--out",
                str(folder),
            ]
        )
        == 0
    )
    return folder


def test_train_leaves_a_run_that_evaluate_scores(run, capsys):
    assert main(["evaluate", str(run), "--shots", "5", "10", "--tasks", "50"]) == 0
    said = capsys.readouterr().out
    assert "5 points: error after 0 steps" in said
    rows = json.loads((run / "result.json").read_text())["rows"]
    assert {(r["shots"], r["steps"]) for r in rows} == {(5, 0), (5, 1), (10, 0), (10, 1)}
    error = {(r["shots"], r["steps"]): r["error"] for r in rows}
    assert error[10, 1] < error[10, 0] < 10


def test_a_used_directory_is_refused_and_resume_goes_on(run, capsys):
    arguments = ["train", "anil", "sinusoids", "--method.inner-lr", "0.1", "--out", str(run)]
    assert main([*arguments, "--steps", "400"]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main([*arguments, "--steps", "400", "--resume"]) == 0
    assert json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 400
    assert main(["train", "maml", "sinusoids", "--out", str(run), "--resume"]) == 2
    assert "another method" in capsys.readouterr().err


def test_evaluate_of_a_damaged_run_is_one_line(run, tmp_path, capsys):
    (tmp_path / "run.json").write_text('{"arguments": ["tra')
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "damaged" in capsys.readouterr().err
    (tmp_path / "run.json").write_text((run / "run.json").read_text())
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "no checkpoints" in capsys.readouterr().err


def test_divergence_is_exit_code_1_with_advice(tmp_path, capsys):
    assert (
        main(
            [
                "train",
                "maml",
                "sinusoids",
                "--lr",
                "1e30",
                "--steps",
                "50",
                "--out",
                str(tmp_path / "run"),
            ]
        )
        == 1
    )
    assert "met NaN or infinity at step" in capsys.readouterr().err


def test_draw_writes_both_kinds_of_picture(tmp_path, capsys):
    for family in ("sinusoids", "linear-gaussian", "unrelated"):
        assert main(["draw", family, "--out", str(tmp_path)]) == 0
        assert (tmp_path / f"{family}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / f"{family}.svg").read_text()


def test_help_reads_well_and_ends_with_0(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert not ended.value.code
    said = capsys.readouterr().out
    assert all(command in said for command in ("compare", "study", "train", "evaluate", "draw"))


def test_a_quick_comparison_leaves_everything(tmp_path):
    """In a process of its own, as a user runs it. Offline: no page may need anything beside it."""
    command = [sys.executable, "-c", "import sys; from learnset.cli import main; sys.exit(main())"]
    words = [
        "compare",
        "sinusoids",
        "--quick",
        "--steps",
        "40",
        "--seeds",
        "2",
        "--out",
        str(tmp_path / "run"),
    ]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "140"}
    environment.pop("JAX_COMPILATION_CACHE_DIR")  # the command has its own
    done = subprocess.run([*command, *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "MAML" in done.stdout and "multi-task" in done.stdout
    folder = tmp_path / "run"
    result = json.loads((folder / "result.json").read_text())
    assert {row["setting"] for row in result["rows"]} == {
        "scratch",
        "transfer",
        "multi-task",
        "meta",
        "oracle",
    }
    assert result["meta"]["command"].startswith("learnset compare sinusoids --quick")
    assert all(np.isfinite(row["error"]) for row in result["rows"] if row["error"] is not None)
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 3
    assert not re.search(r"(src|href)=\"https?:", page)
    for name in ("steps", "shots", "differences"):
        assert (folder / f"{name}.png").exists() and (folder / f"{name}.svg").exists()
    assert (folder / "metrics.jsonl").exists() and (folder / "checkpoints" / "maml").is_dir()
    assert list(
        (tmp_path / "cache" / "learnset" / "xla").iterdir()
    )  # the next start finds its programs compiled
