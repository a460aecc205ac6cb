"""Recipes for new tasks: fitted, adapted by their own adapters, saved and asked."""

import subprocess
import sys

import numpy as np
import pytest
from tables import fitted, frame, noisy

import learnset as ls

ONLY_FOR_NEW = [
    "R2D2",
    "MAML",
    "pooled + ridge head",
    "boosting + shrunken offset",
    "mixed model + slopes",
    "pooled boosting",
    "ridge from scratch",
    "network from scratch",
    "in context, one table",
    "in context, related tables",
]


def error(predicted, y):
    return float(np.sqrt(((predicted["predicted"].to_numpy() - y) ** 2).mean()))


def test_every_recipe_for_new_tasks_has_a_name_that_can_be_fitted():
    table = ls.Table.from_arrays(*noisy(10, 20))
    names = [recipe.name for recipe in ls.fitting.recipes_for_new(table)]
    assert set(ONLY_FOR_NEW) < set(names)
    with pytest.raises(ls.InputError, match="There are: .*R2D2"):
        ls.fit(table, "R2D3")


def test_a_plan_is_that_of_the_largest_number_of_rows_that_is_not_above():
    plans = tuple(ls.fitting.Plan(n, "", 0, ls.Ridge()) for n in (2, 5, 10))
    newcomers = ls.fitting.Newcomers((), plans)
    assert [newcomers.plan(rows).shots for rows in (1, 2, 4, 5, 9, 10, 99)] == [
        2, 2, 2, 5, 5, 10, 10,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*task is unknown", "ignore:The mean of tasks")
@pytest.mark.parametrize(
    "recipe",
    [
        "R2D2",
        pytest.param("boosting + shrunken offset", marks=pytest.mark.long),
        pytest.param("in context, related tables", marks=pytest.mark.long),
    ],
)
def test_a_recipe_for_new_tasks_is_fitted_adapted_saved_and_asked_elsewhere(recipe, tmp_path):
    model = fitted(recipe, tasks=16, rows=30)
    assert model.card["recipe"]["name"] == recipe
    x, y, task = noisy(16, 20, seed=2)
    known = model.predict(frame(x, task))
    assert set(known["basis"]) == {"known task"}
    assert error(known, y) < 1.4
    lower, upper = (known[name].to_numpy() for name in ("lower", "upper"))
    assert ((lower < y) & (y < upper)).mean() > 0.85
    x, y, task = noisy(1, 60, first=20, seed=4)
    before = error(model.predict(frame(x, task)), y)
    for shots in (2, 5, 10):
        adapted = model.adapt(frame(x[:shots], task[:shots], y[:shots]))
        assert (adapted.added[0].recipe, adapted.added[0].shots) == (recipe, shots)
    assert error(adapted.predict(frame(x, task)), y) < before
    adapted.save(tmp_path / "new.learnset")
    rows = frame(*noisy(16, 4, seed=3)[::2]).vstack(frame(x, task))
    rows.write_csv(tmp_path / "rows.csv")
    program = (
        "import sys, learnset as ls; m = ls.load(sys.argv[1]); p = m.predict(sys.argv[2]);"
        " p.write_csv(sys.argv[3]); print(m.adapt(sys.argv[4]).added[-1].recipe)"
    )
    frame(x, np.full(60, "another"), y)[:5].write_csv(tmp_path / "few.csv")
    words = [sys.executable, "-c", program, "new.learnset", "rows.csv", "out.csv", "few.csv"]
    said = subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert said.stdout.strip() == recipe
    import polars as pl

    theirs = pl.read_csv(tmp_path / "out.csv")
    for name in ("predicted", "lower", "upper"):
        assert np.abs((theirs[name] - adapted.predict(rows)[name]).to_numpy()).max() < 1e-6


@pytest.mark.long
@pytest.mark.slow
def test_new_tasks_are_learnt_by_the_recipe_of_their_number_of_rows(tmp_path):
    table = ls.Table.from_arrays(*noisy(16, 30))
    new = {2: "mixed model", 5: "R2D2"}
    model = ls.fit(table, "ridge with offsets", divisions=2, new_tasks=new)
    x, y, task = noisy(1, 8, first=20, seed=4)
    learnt = [model.adapt(frame(x[:n], task[:n], y[:n])).added[0].recipe for n in (1, 2, 4, 5, 8)]
    assert learnt == ["mixed model"] * 3 + ["R2D2"] * 2
    model.save(tmp_path / "both.learnset")
    again = ls.load(tmp_path / "both.learnset")
    few = frame(x[:5], task[:5], y[:5])
    one, other = (m.adapt(few).predict(frame(x, task)) for m in (model, again))
    assert np.abs((one["predicted"] - other["predicted"]).to_numpy()).max() < 1e-6
    text = str(ls.fitting.card(model))
    assert "from 2 rows', 'mixed model" in text and "from 5 rows', 'R2D2" in text


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*task is unknown", "ignore:The mean of tasks")
def test_classes_of_a_new_task_have_calibrated_probabilities(tmp_path):
    x, y, task = noisy(16, 40)
    labels = (y > 0).astype(float)
    table = ls.Table.from_arrays(x, labels, task, classes=("low", "high"))
    model = ls.fit(table, "R2D2", divisions=2)
    nx, ny, new = noisy(1, 400, first=20, seed=4)
    few = frame(nx[:10], new[:10]).with_columns(target=np.where(ny[:10] > 0, "high", "low"))
    adapted = model.adapt(few)
    adapted.save(tmp_path / "m.learnset")
    predicted = ls.load(tmp_path / "m.learnset").predict(frame(nx, new))
    assert predicted.equals(adapted.predict(frame(nx, new)))
    assert abs(predicted["probability of high"].mean() - (ny > 0).mean()) < 0.15
    known = model.predict(frame(x, task))
    assert abs(known["probability of high"].mean() - labels.mean()) < 0.1


@pytest.mark.long
@pytest.mark.parametrize("recipe", ONLY_FOR_NEW)
def test_every_recipe_for_new_tasks_is_saved_and_loaded(recipe, tmp_path):
    model = fitted(recipe, tasks=16, rows=30)
    x, y, task = noisy(1, 10, first=20, seed=4)
    model = model.adapt(frame(x, task, y))
    model.save(tmp_path / "model.learnset")
    again = ls.load(tmp_path / "model.learnset")
    rows = frame(*noisy(16, 5, seed=4)[::2]).vstack(frame(x, task))
    assert (
        np.abs(
            (again.predict(rows)["predicted"] - model.predict(rows)["predicted"]).to_numpy()
        ).max()
        < 1e-6
    )


def test_tables_with_few_tasks_targets_and_weights_are_refused_in_one_line():
    x, y, task = noisy(4, 20)
    table = ls.Table.from_arrays(x, y, task)
    with pytest.raises(ls.InputError, match="too few tasks"):
        ls.fit(table, "R2D2")
    with pytest.raises(ls.InputError, match="no weights"):
        ls.fit(table, "R2D2", weight=np.ones(len(x)))
    targets = ls.Table.from_arrays(x, np.stack([y, -y], axis=1))
    with pytest.raises(ls.InputError, match="There is no recipe 'R2D2'"):
        ls.fit(targets, "R2D2")
    with pytest.raises(ls.InputError, match="needs a column of tasks"):
        ls.fit(targets, new_tasks={2: "R2D2"})
