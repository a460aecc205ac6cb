"""`learnset compare` on a table, as a user meets it."""

import csv
import dataclasses
import json
import re

import numpy as np
import pytest
from result_format import faults

import learnset as ls
from learnset.cli import main
from learnset.cli.subjects._tables import OwnTableSubject
from learnset.data import with_rows_in_each_part
from learnset.recipes import held_out, rows

SCHOOLS = 10
SOME = {
    rows: ("ridge per task", "pooled ridge", "ridge with offsets", "shared body"),
    held_out: ("ridge from scratch", "mixed model"),
}


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


def only(module, names):
    """The standard recipes of a module, but for those of other names."""
    standard = module.standard
    return lambda *a, **options: [r for r in standard(*a, **options) if r.name in names]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A comparison with some recipes of each kind."""
    folder = tmp_path_factory.mktemp("tables")
    sizes = ["--steps", "20", "--seeds", "2", "--test-shots", "5", "10"]
    words = [*WORDS, "--quick", *sizes, "--out", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch:
        for module, names in SOME.items():
            patch.setattr(module, "standard", only(module, names))
        assert main(["compare", str(write(folder / "mydata.csv")), *words]) == 0
    return folder, words


@pytest.fixture
def result(run):
    path = run[0] / "run" / "result.json"
    assert faults(path) == []
    return json.loads(path.read_text())


def test_numbers_of_both_questions_are_in_one_result(result):
    assert (result["format"], result["subject"], result["failures"]) == (2, "table", {})
    seen, new = result["questions"]
    assert (seen["tasks"], seen["measure"], seen["seeds"]) == ("seen", "explained variance", 2)
    assert (new["tasks"], new["measure"]) == ("new", "mean squared error")
    assert seen["shots"] == [] and new["shots"] == [5, 10]
    rivals = [recipe.name for recipe in rows.standard(3, 2) if recipe.baseline]
    assert set(seen["baselines"]) == set(rivals) & set(SOME[rows])
    assert new["baselines"] == ["ridge from scratch"]
    names = {
        tasks: {r["recipe"] for r in result["rows"] if r["tasks"] == tasks}
        for tasks in ("seen", "new")
    }
    assert names == {"seen": set(SOME[rows]), "new": set(SOME[held_out])}
    assert all(row["value"] <= 1 for row in result["rows"] if row["tasks"] == "seen")
    assert result["meta"]["command"].startswith("learnset compare table ")


def test_pooled_models_have_a_setting_of_their_own():
    standard = rows.standard(3, 2)
    pooled = [recipe.name for recipe in standard if recipe.setting is ls.Setting.POOLED]
    assert {"pooled ridge", "pooled network", "ridge + task", "boosting + task"} <= set(pooled)


def test_pooled_is_the_setting_of_the_pooled_ridge_in_the_result(result):
    settings = {row["recipe"]: row["setting"] for row in result["rows"] if row["tasks"] == "seen"}
    assert settings["pooled ridge"] == ls.Setting.POOLED.value == "pooled"
    assert settings["shared body"] == "multi-task"
    kept = {recipe["recipe"]: recipe["setting"] for recipe in result["recipes"]}
    assert kept["pooled ridge"] == "pooled"


def test_tasks_and_their_affinities_are_in_the_result(result, run):
    assert [task["task"] for task in result["tasks"]] == [f"school {i}" for i in range(SCHOOLS)]
    assert {"gain", "gain_ci95", "rmse, learnt together"} <= result["tasks"][0].keys()
    assert np.shape(result["affinity"]["cosine"]) == (SCHOOLS, SCHOOLS)
    np.testing.assert_allclose(np.diag(result["affinity"]["cosine"]), 1, atol=1e-5)
    with (run[0] / "run" / "tasks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["task"] for row in rows] == [task["task"] for task in result["tasks"]]
    assert float(rows[0]["gain"]) == result["tasks"][0]["gain"]


def test_the_best_of_each_kind_is_named_for_each_division(result):
    best = result["best_of"]
    assert best["one model per task"] == ["ridge per task"] * 2
    assert best["pooled"] == ["pooled ridge"] * 2
    assert len(best["learnt together"]) == 2


def test_the_page_answers_each_question_and_needs_nothing_else(run):
    folder = run[0] / "run"
    page = (folder / "report.html").read_text()
    for question in (
        "Does learning together help?",
        "For which tasks?",
        "How much data",
        "Which tasks hurt",
    ):
        assert question in page
    assert page.count("<svg") == 4 and not re.search(r"(src|href)=\"https?:", page)
    for name in ("recipes", "gains", "affinity", "shots"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_offsets_of_schools_are_worth_learning(result):
    """Schools differ in their offset by more than the noise; a pooled model has one for all."""
    rows = [row for row in result["rows"] if row["tasks"] == "seen" and row["seed"] is None]
    value = {row["recipe"]: row["value"] for row in rows}
    assert value["ridge with offsets"] > value["pooled ridge"] + 0.1


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
    ([*WORDS, "--min-rows", "1000"], "Lower `--min-rows`"),
    ([*WORDS, "--test-shots", "5", "5"], "rising"),
    ([*WORDS, "--kind", "guess"], "guess"),
    ([*WORDS, "--seeds", "0"], "`--seeds 0`"),
    ([*WORDS, "--group-column", "kind"], "has 2 groups, but it needs one to train on"),
    ([*WORDS, "--time-column", "age", "--seeds", "40"], "windows"),
    ([*WORDS, "--group-column", "nobody"], "no column 'nobody'"),
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


def divided(tmp_path, parts, *words):
    """A table of three schools with a column `part` of train, validation and test."""
    path = write(tmp_path / "mydata.csv", schools=3, rows=10)
    head, *lines = path.read_text().splitlines()
    pairs = zip(lines, parts, strict=True)
    path.write_text("\n".join([f"{head},part", *(f"{line},{part}" for line, part in pairs)]))
    return [str(path), *WORDS, "--split-column", "part", *words]


def test_a_given_division_is_one_and_has_no_seeds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = divided(tmp_path, (["train"] * 6 + ["validation"] * 2 + ["test"] * 2) * 3)
    assert main(["compare", *words, "--seeds", "3"]) == 2
    error = capsys.readouterr().err
    assert "`--seeds 3`, but a split column is one division" in error and error.count("\n") == 1


def test_tasks_that_lack_rows_in_a_part_are_left_out_and_named():
    task, part = np.repeat(np.arange(3), 10), np.tile([0] * 6 + [1] * 2 + [2] * 2, 3)
    part[20:] = 0
    table = ls.Table.from_arrays(np.zeros((30, 1)), np.arange(30.0), task)
    some = with_rows_in_each_part(dataclasses.replace(table, part=part), range(1))
    assert some.names == ("0", "1") and len(some.x) == 20
    assert some.notes[-1].startswith("1 of 3 tasks have no row to train on")


@pytest.mark.parametrize(("rows", "quick", "count"), ((60_000, True, 3), (60_000, False, 5)))
def test_a_quick_look_at_many_rows_divides_them_three_times_and_says_so(rows, quick, count):
    y = np.arange(float(rows))
    table = ls.Table.from_arrays(y[:, None], y, np.arange(rows) % 2)
    some, seeds = OwnTableSubject(quick=quick)._divided(table)
    assert len(seeds) == count
    said = ("--quick divides more than 50,000 rows 3 times, not 5.",)
    assert some.notes == (said if quick else ())


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


@pytest.mark.slow
def test_a_table_is_drawn_and_trained_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = str(write(tmp_path / "mydata.csv"))
    assert main(["draw", "table", path, *WORDS, "--out", str(tmp_path / "drawn")]) == 0
    assert (tmp_path / "drawn" / "table.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_read_how_is_on_the_page_and_in_a_schema_that_reads_alike(run):
    folder = run[0] / "run"
    page = (folder / "README.md").read_text()
    assert (
        "## What was read how" in page and "| kind | input | words | 2 words: day, night |" in page
    )
    table = ls.read_table(run[0] / "mydata.csv", schema=folder / "schema.json")
    assert table.schema == ls.data.Schema.load(folder / "schema.json")
    assert (len(table), table.columns, table.targets) == (SCHOOLS, ("age", "kind"), ("score",))
