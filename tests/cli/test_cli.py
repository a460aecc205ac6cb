"""The command: what it leaves behind, and one clear line for what cannot work."""

import json
import re
from importlib import metadata

import pytest
from result_format import faults

from learnset.cli import main
from learnset.recipes import regression

SOME = ("scratch", "R2D2")  # which are learnt fast

BAD = [
    ("compare sinusoid", "sinusoid"),
    ("compare sinusoids --shots 0", "`--shots 0`"),
    ("compare sinusoids --shots -3", "`--shots -3`"),
    ("compare sinusoids --test-shots 5 5", "rising"),
    ("compare sinusoids --amplitude 5 1", "amplitude"),
    ("compare sinusoids --steps 0", "--steps 0"),
    ("compare sinusoids --seeds 0", "`--seeds 0`"),
    ("compare sinusoids --resume --overwrite", "give one of them"),
    ("compare sinusoids --checkpoint-every -1", "--checkpoint-every -1"),
    ("compare sinusoids --ways 3", "`--ways` is no option of `learnset compare sinusoids`"),
    ("compare glyphs --test-shots 9 3", "`--test-shots` is no option of `learnset compare glyphs`"),
    (
        "compare school --checkpoint-every 7",
        "`--checkpoint-every` is no option of `learnset compare school`",
    ),
    ("train maml sinusoids --method.inner-lr nan", "`--method.inner-lr nan`"),
    ("train maml sinusoids --method.inner-lr fast", "fast"),
    ("train maml sinusoids --lr nan", "--lr nan"),
    ("train maml sinusoids --method.steps -1", "`--method.steps -1`"),
    ("train maml sinusoids --tasks-per-step 0", "--tasks-per-step 0"),
    ("train --tasks-per-steps 3", "Did you mean `--tasks-per-step`?"),
    ("train mam sinusoids", "Did you mean `maml`?"),
    ("compare sinusiods", "Did you mean `sinusoids`?"),
    ("compare school --seed -1", "`--seed -1`, but it must be a whole number from 0"),
    ("compare school --seeds 1e20", "`--seeds 1e20`, but it must be a whole number."),
    ("compare school --seeds 100000000000000000000", "from 0 to 1,000"),
    ("train --seed 9223372036854775808", "from 0 to 2,147,483,647"),
    ("train maml sinusoids --shots 9223372036854775807", "`--shots 9223372036854775807`"),
    ("train maml sinusoids --shots 2000000000", "GiB of memory"),
    ("train maml unrelated --in-size 2000000000", "GiB of memory"),
    ("train --tasks-per-step 2000000000", "GiB of memory"),
    ("compare sinusoids --test-shots 2000000000", "GiB of memory"),
    ("compare linear-gaussian --in-size 2000000000", "GiB of memory"),
    ("draw sinusoids --number 2000000000", "GiB of memory"),
    ("evaluate", "`learnset evaluate` needs RUN"),
    ("train mammal sinusoids", "mammal"),
    ("train protonet sinusoids", "`protonet` tells classes apart"),
    ("study nothing", "nothing"),
    ("evaluate nowhere", "no finished run"),
    ("draw sinusoids --number 0", "--number 0"),
    ("compare sinusoids --out /dev/null", "is a file"),
]


@pytest.mark.parametrize("words, said", BAD, ids=[words for words, _ in BAD])
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
    words = ["train", "anil", "sinusoids", "--method.inner-lr", "0.1", "--steps", "300"]
    assert main([*words, "--out", str(folder)]) == 0
    return folder


def test_train_leaves_a_run_that_evaluate_scores(run, capsys):
    assert main(["evaluate", str(run), "--shots", "5", "10", "--tasks", "50"]) == 0
    assert "5 points: error after 0 steps" in capsys.readouterr().out
    assert faults(run / "result.json") == []
    result = json.loads((run / "result.json").read_text())
    assert (result["format"], result["subject"]) == (2, "sinusoids")
    assert result["questions"][0]["shots"] == [5, 10]
    rows = result["rows"]
    assert {(r["shots"], r["steps"]) for r in rows} == {(5, 0), (5, 1), (10, 0), (10, 1)}
    assert {(r["recipe"], r["setting"], r["measure"]) for r in rows} == {
        ("anil", "meta-learning", "mean squared error")
    }
    error = {(r["shots"], r["steps"]): r["value"] for r in rows}
    assert error[10, 1] < error[10, 0] < 10


def test_evaluate_replaces_its_own_result_alone(run, capsys):
    (run / "result.json").unlink(missing_ok=True)
    words = ["evaluate", str(run), "--shots", "5", "--tasks", "20"]
    assert main(words) == 0 and main(words) == 0
    path = run / "result.json"
    kept = path.read_text()
    for other in (kept.replace("learnset evaluate", "learnset compare"), "{}", "no JSON"):
        path.write_text(other)
        capsys.readouterr()
        assert main(words) == 2
        assert "would be lost" in capsys.readouterr().err
        assert path.read_text() == other
    path.unlink()


def test_evaluate_keeps_the_result_of_other_words(run, tmp_path, capsys):
    (run / "result.json").unlink(missing_ok=True)
    words = ["evaluate", str(run), "--tasks", "20", "--shots"]
    assert main([*words, "5"]) == 0
    kept = (run / "result.json").read_text()
    assert main([*words, "10"]) == 2
    assert "--shots 5`, which would be lost" in capsys.readouterr().err
    assert main([*words, "10", "--out", str(tmp_path / "ten.json")]) == 0
    assert (run / "result.json").read_text() == kept
    assert json.loads((tmp_path / "ten.json").read_text())["questions"][0]["shots"] == [10]
    (run / "result.json").unlink()


@pytest.mark.slow
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


@pytest.mark.slow
def test_divergence_is_exit_code_1_with_advice(tmp_path, capsys):
    words = ["train", "maml", "sinusoids", "--lr", "1e30", "--steps", "50"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 1
    assert "met NaN or infinity at step" in capsys.readouterr().err


@pytest.mark.slow
def test_draw_writes_both_kinds_of_picture(tmp_path, capsys):
    for family in ("sinusoids", "linear-gaussian", "unrelated"):
        assert main(["draw", family, "--out", str(tmp_path)]) == 0
        assert (tmp_path / f"{family}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / f"{family}.svg").read_text()


COMMANDS = ("compare", "study", "train", "evaluate", "draw", "lab", "adapt", "predict")


@pytest.mark.parametrize("words", ([], ["--help"], ["-h"]))
def test_help_names_each_command_and_ends_with_0(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(f"  {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert not ended.value.code
    assert f"usage: learnset {command}" in capsys.readouterr().out


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"learnset \d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison with some recipes; `tests/golden` has all that are quick."""
    folder = tmp_path_factory.mktemp("compare") / "run"
    standard = regression.standard

    def some(**options):
        return [recipe for recipe in standard(**options) if recipe.name in SOME]

    sizes = ["--quick", "--steps", "40", "--seeds", "2", "--test-shots", "2", "10"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regression, "standard", some)
        assert main(["compare", "sinusoids", *sizes, "--out", str(folder)]) == 0
    return folder


@pytest.mark.slow
def test_numbers_of_new_and_seen_tasks_are_in_one_result(compared):
    assert faults(compared / "result.json") == []
    result = json.loads((compared / "result.json").read_text())
    assert (result["format"], result["subject"], result["failures"]) == (2, "sinusoids", {})
    new, seen = result["questions"]
    assert (new["tasks"], new["shots"], new["baselines"]) == ("new", [2, 10], ["scratch"])
    assert (seen["tasks"], seen["shots"], seen["baselines"]) == ("seen", [], ["single-task"])
    settings = {row["recipe"]: row["setting"] for row in result["rows"]}
    assert settings == {
        "scratch": "from scratch",
        "R2D2": "meta-learning",
        "single-task": "from scratch",
        "multi-task": "multi-task",
    }
    assert {recipe["recipe"] for recipe in result["recipes"]} == settings.keys()
    assert all(row["value"] is not None for row in result["rows"] if row["chosen"])
    assert result["meta"]["command"].startswith("learnset compare sinusoids --quick")


@pytest.mark.slow
def test_the_page_has_all_figures_and_needs_nothing_else(compared):
    page = (compared / "report.html").read_text()
    assert page.count("<svg") == 2  # without `steps`: none of these recipes takes any
    assert not re.search(r"(src|href)=\"https?:", page)
    for name in ("shots", "differences"):
        assert (compared / f"{name}.png").exists() and (compared / f"{name}.svg").exists()
    assert "R2D2" in (compared / "README.md").read_text()


@pytest.mark.slow
def test_checkpoints_and_metrics_of_all_trainings_are_left(compared):
    assert (compared / "metrics.jsonl").read_text().count('"run"') > 1
    assert (compared / "checkpoints" / "r2d2").is_dir()
    assert (compared / "seen-tasks" / "checkpoints" / "multi-task").is_dir()


def test_the_lab_is_copied_where_one_asks_and_opened_otherwise(tmp_path, monkeypatch, capsys):
    if not metadata.entry_points(group="learnset.studies"):
        pytest.skip("The studies are not installed.")
    assert main(["lab", "--out", str(tmp_path / "lesson")]) == 0
    assert "The lab" in (tmp_path / "lesson" / "lab.html").read_text()
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)))
    assert main(["lab"]) == 0
    (address,) = opened
    assert address.startswith("file://") and address in capsys.readouterr().out


def test_the_lab_needs_the_studies(monkeypatch, capsys):
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    assert main(["lab"]) == 2
    assert "`pip install learnset-studies`" in capsys.readouterr().err
