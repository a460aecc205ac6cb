"""The table network in comparisons: `--in-context`."""

import json

import numpy as np
import pytest

import learnset as ls
from learnset.cli import main
from learnset.cli.subjects._in_context import reading_recipes

NAMES = ["in context, one table", "in context, related tables"]


def table(targets: int = 1) -> ls.Table:
    random = np.random.default_rng(0)
    x, task = random.normal(size=(256, 2)), np.repeat(np.arange(16), 16)
    if targets > 1:
        return ls.Table.from_arrays(x, random.normal(size=(256, targets)))
    return ls.Table.from_arrays(x, x[:, 0] + random.normal(size=16)[task], task)


def test_tables_that_it_does_not_read_are_refused_in_one_line():
    assert [recipe.name for recipe in reading_recipes(table(), 2, 1)] == NAMES
    with pytest.raises(ls.InputError, match="is for tasks of rows, but here each target is a task"):
        reading_recipes(table(3), 2, 1)
    with pytest.raises(ls.InputError, match="out of its range: it reads at most 100 inputs"):
        reading_recipes(table(), 101, 1)


@pytest.mark.long
def test_a_comparison_has_its_rows_for_known_and_new_tasks_and_they_are_fitted(tmp_path, capsys):
    rows = table()
    lines = ["a,b,task,y"]
    lines += [
        f"{a},{b},t{task},{y}"
        for (a, b), task, y in zip(rows.x, rows.task, rows.y[:, 0], strict=True)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    words = ["compare", "table", str(tmp_path / "rows.csv"), "--task-column", "task"]
    words += ["--target", "y", "--quick", "--seeds", "2", "--in-context"]
    main([*words, "--out", str(tmp_path / "run")])
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    for name in NAMES:
        asked = {row["shots"] is None for row in result["rows"] if row["recipe"] == name}
        assert asked == {True, False}
    model = tmp_path / "model.learnset"
    main(["fit", str(tmp_path / "run"), "--recipe", NAMES[1], "--out", str(model)])
    assert ls.load(model).card["recipe"]["name"] == NAMES[1]
