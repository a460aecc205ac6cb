"""`learnset compare` on a table, as a user meets it."""

import csv
import json
import re

import numpy as np
import pytest

from learnset.cli import main

SCHOOLS = 10


def write(path, schools=SCHOOLS, rows=26):
    """Schools with an offset and a slope of their own, gaps, and a column of words."""
    random = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["school", "age", "kind", "score"])
        for school in range(schools):
            offset, slope = random.normal(0, 3), random.normal(1, 0.3)
            for _ in range(rows):
                age, kind = random.normal(12, 3), random.choice(["day", "night"])
                score = 50 + offset + slope * age + 2 * (kind == "day") + random.normal()
                writer.writerow(
                    [
                        f"school {school}",
                        "" if random.random() < 0.05 else f"{age:.2f}",
                        kind,
                        f"{score:.2f}",
                    ]
                )
    return path


WORDS = ["--task-column", "school", "--target", "score"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    words = [
        *WORDS,
        "--quick",
        "--steps",
        "20",
        "--test-shots",
        "5",
        "10",
        "--out",
        str(folder / "run"),
    ]
    assert main(["compare", str(write(folder / "mydata.csv")), *words]) == 0
    return folder, words


def test_a_quick_comparison_leaves_everything(run):
    folder = run[0] / "run"
    result = json.loads((folder / "result.json").read_text())
    recipes = {row["recipe"] for row in result["rows"]}
    assert {
        "ridge per task",
        "network per task",
        "pooled ridge",
        "pooled network",
        "shared body",
        "mixed model",
    } <= recipes
    assert all(row["score"] is None or row["score"] <= 1 for row in result["rows"])
    assert len(result["tasks"]) == SCHOOLS and {"gain", "gain_ci95", "rmse, together"} <= set(
        result["tasks"][0]
    )
    assert np.shape(result["affinity"]["cosine"]) == (SCHOOLS, SCHOOLS)
    np.testing.assert_allclose(np.diag(result["affinity"]["cosine"]), 1, atol=1e-5)
    assert {row["shots"] for row in result["new_rows"]} == {5, 10}
    assert result["meta"]["command"].startswith("learnset compare table ")
    page = (folder / "report.html").read_text()
    for question in (
        "Does learning together help?",
        "For which tasks?",
        "How much data",
        "Which tasks hurt",
        "uniform sum",
    ):
        assert question in page
    assert page.count("<svg") == 4 and not re.search(r"(src|href)=\"https?:", page)
    for name in ("recipes", "gains", "affinity", "shots"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    with (folder / "tasks.csv").open() as file:
        assert [row["task"] for row in csv.DictReader(file)] == [
            f"school {i}" for i in range(SCHOOLS)
        ]


def test_offsets_of_schools_are_worth_learning(run):
    """Schools differ in their offset by more than the noise: who tells them apart does better than the pooled model."""
    rows = json.loads((run[0] / "run" / "result.json").read_text())["rows"]
    score = {row["recipe"]: row["score"] for row in rows if row["seed"] is None}
    assert score["mixed model"] > score["pooled ridge"] + 0.1
    assert score["ridge with offsets"] > score["pooled ridge"] + 0.1
    assert score["mean of each task"] > 0 if "mean of each task" in score else True


def test_a_used_directory_is_refused_and_so_is_going_on_with_other_settings(run, capsys):
    folder, words = run
    assert main(["compare", str(folder / "mydata.csv"), *words]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main(["compare", str(folder / "mydata.csv"), *words, "--resume", "--seed", "1"]) == 2
    assert "another table or other settings" in capsys.readouterr().err


BAD = (
    (["--task-column", "scool", "--target", "score"], "Did you mean 'school'"),
    (["--task-column", "school", "--target", "scores"], "Did you mean 'score'?"),
    (["--target", "score"], "only one task"),
    ([], "which columns?"),
    ([*WORDS, "--min-rows", "1000"], "Lower `min_rows`"),
    ([*WORDS, "--test-shots", "5", "5"], "rising"),
    ([*WORDS, "--kind", "guess"], "guess"),
    ([*WORDS, "--seeds", "0"], "`seeds=0`"),
)


@pytest.mark.parametrize("words, said", BAD, ids=[" ".join(words) or "nothing" for words, _ in BAD])
def test_bad_input_gets_one_line_exit_code_2_and_leaves_nothing(
    words, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mydata.csv", schools=3, rows=5)
    assert main(["compare", "mydata.csv", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("learnset: ") and error.count("\n") == 1 and "Traceback" not in error
    assert said in error
    assert [path.name for path in tmp_path.iterdir()] == ["mydata.csv"]


@pytest.mark.parametrize("name", ("nowhere.csv", "sheet.xlsx", "no/such/data.parquet"))
def test_a_file_that_is_no_table_gets_one_line(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", name, *WORDS]) == 2
    error = capsys.readouterr().err
    assert "does not exist" in error and error.count("\n") == 1


def test_a_source_that_is_not_at_hand_gets_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LEARNSET_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "school"]) == 2
    assert "contains `school/`" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_table_is_drawn_and_trained_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = str(write(tmp_path / "mydata.csv"))
    assert main(["draw", "table", path, *WORDS, "--out", str(tmp_path / "drawn")]) == 0
    assert (tmp_path / "drawn" / "table.png").read_bytes().startswith(b"\x89PNG")
