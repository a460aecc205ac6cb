"""A table in use on the command line: fit, predict, adapt, inspect."""

import numpy as np
import polars as pl
import pytest

from learnset import cli
from learnset.cli._result import write_result

rng = np.random.default_rng(0)
SHOP = np.array(["a", "b", "c", "d"])[np.arange(80) % 4]
LEVEL = {name: 10.0 * i for i, name in enumerate("abcd")}
PRICE = rng.normal(5, 1, 80)
SALES = np.array([LEVEL[s] for s in SHOP]) - 2 * PRICE + 0.1 * rng.normal(size=80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("use")
    columns = {"shop": SHOP, "price": PRICE, "sales": SALES}
    pl.DataFrame(columns).write_csv(path / "shops.csv")
    new = pl.DataFrame({"price": [5.0, 6.0, None], "shop": ["a", "=z", "d"]})
    new.write_csv(path / "new.csv")
    few = pl.DataFrame({"shop": ["=z"] * 3, "price": [4.0, 5.0, 6.0], "sales": [52.0, 50.0, 48.0]})
    few.write_csv(path / "few.csv")
    words = ["fit", path / "shops.csv", "--task-column", "shop", "--target", "sales"]
    words += ["--recipe", "ridge with offsets", "--out", path / "shops.learnset"]
    assert cli.main(list(map(str, words))) == 0
    return path


def run(*words):
    return cli.main([str(word) for word in words])


def test_predictions_come_row_for_row_with_intervals(folder, capsys):
    out = folder / "predictions.csv"
    assert run("predict", folder / "shops.learnset", folder / "new.csv", "--out", out) == 0
    said = capsys.readouterr().out
    assert "the task is unknown" in said and "3 predictions" in said
    table = pl.read_csv(out)
    assert table.columns == ["row", "shop", "predicted", "lower", "upper", "basis"]
    assert table["row"].to_list() == [1, 2, 3]
    assert table["shop"].to_list() == ["a", "'=z", "d"]  # no formula
    assert abs(table["predicted"][0] - -10) < 0.3
    assert run("predict", folder / "shops.learnset", folder / "new.csv", "--out", out) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_predictions_stand_next_to_the_columns_of_the_file_where_these_are_kept(folder, capsys):
    lines = 'shop,price,predicted,row,"a, note"\na,5,x,y,=1+1\nd,6.50,,,-\n'
    (folder / "wide.csv").write_text(lines)
    out = folder / "wide-out.csv"
    words = ["predict", folder / "shops.learnset", folder / "wide.csv", "--keep-columns"]
    assert run(*words, "--out", out) == 0
    table = pl.read_csv(out, infer_schema=False)
    names = ["row number", "shop", "price", "predicted", "row", "a, note", "predicted (model)"]
    assert table.columns[:7] == names
    assert table["a, note"].to_list() == ["'=1+1", "'-"] and table["price"].to_list() == [
        "5",
        "6.50",
    ]
    assert abs(float(table["predicted (model)"][0]) - -10) < 0.3
    parquet = folder / "wide.parquet"
    pl.read_csv(folder / "new.csv").write_parquet(parquet)
    words = ["predict", folder / "shops.learnset", parquet, "--keep-columns"]
    assert run(*words, "--out", folder / "kept.parquet") == 0
    kept = pl.read_parquet(folder / "kept.parquet")
    assert kept.columns == ["row", "price", "shop", "predicted", "lower", "upper", "basis"]


def test_what_a_result_recommends_for_new_tasks_is_taken_where_it_is_another_recipe():
    from learnset.cli._use import _recommended

    new = [{"shots": 2, "recipe": "mixed model"}, {"shots": 5, "recipe": "R2D2"}]
    result = {"recommendation": {"known": {"recipe": "mixed model"}, "new": new}}
    assert _recommended(result) == (("mixed model",), {2: "mixed model", 5: "R2D2"})
    result["recommendation"]["new"] = new[:1]
    assert _recommended(result) == (("mixed model",), None)


def test_a_new_task_is_adapted_into_another_file(folder, capsys):
    out = folder / "new-shop.learnset"
    assert run("adapt", folder / "shops.learnset", folder / "few.csv", "--out", out) == 0
    assert run("predict", out, folder / "new.csv") == 0
    assert "few rows" in capsys.readouterr().out
    assert run("adapt", folder / "shops.learnset", folder / "shops.csv", "--out", out) == 2


def test_the_card_is_shown(folder, capsys):
    assert run("inspect", folder / "shops.learnset") == 0
    said = capsys.readouterr().out
    for words in ("ridge with offsets", "explained variance", "90 % interval", "price"):
        assert words in said


FIT = ("fit", "shops.csv", "--task-column", "shop", "--target", "sales")


@pytest.mark.parametrize("words", (FIT, ("adapt", "shops.learnset", "new.csv")))
def test_a_model_has_a_name_by_which_predict_finds_it(folder, capsys, monkeypatch, words):
    monkeypatch.chdir(folder)
    assert run(*words, "--out", "model") == 2
    assert "name it model.learnset" in capsys.readouterr().err


def test_a_run_of_compare_is_fitted_by_what_it_recommends(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    run_folder = folder / "compare-shops"
    run_folder.mkdir()
    command = "learnset compare table shops.csv --task-column shop --target sales"
    known = {"recipe": "ridge with offsets", "value": 0.9}
    result = {"meta": {"command": command}, "recommendation": {"known": known, "new": []}}
    path = run_folder / "result.json"
    write_result(path, result)
    assert run("fit", run_folder, "--out", "of-run.learnset") == 0
    assert "ridge with offsets of 80 rows and 4 tasks" in capsys.readouterr().out
    changed = path.read_text().replace("ridge with offsets", "ridge with offsetz")
    for text in (changed, "{"):
        path.write_text(text)
        assert run("fit", run_folder, "--out", "other.learnset") == 2
        said = capsys.readouterr().err
        assert "is damaged" in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("words", [("inspect", "new.csv"), ("predict", "no.learnset", "new.csv")])
def test_what_is_no_model_is_refused_in_one_line(folder, capsys, words):
    command, *files = words
    assert run(command, *(folder / file for file in files)) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
