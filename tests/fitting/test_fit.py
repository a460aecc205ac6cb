"""A model to use: what it predicts for known tasks, unknown tasks, and missing cells."""

import dataclasses
import functools

import numpy as np
import polars as pl
import pytest
from tables import fitted, frame, noisy, shops

import learnset as ls

RECIPES = [recipe.name for recipe in ls.recipes.rows.standard(4, 2)]


@functools.cache
def of_shops() -> ls.Fitted:
    table = ls.read_table(
        shops(300, ["a", "b", "c"], ["blue", "green", "red"]), task="shop", target="sales"
    )
    return ls.fit(table, "ridge with offsets", divisions=2)


def r2(y: np.ndarray, predicted: np.ndarray) -> float:
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


@pytest.mark.slow
def test_a_second_file_with_other_words_and_tasks_is_read_as_the_first():
    new = shops(60, ["b", "c"], ["green", "red"], seed=1)
    predicted = of_shops().predict(new.drop("sales"))
    assert r2(new["sales"].to_numpy(), predicted["predicted"].to_numpy()) > 0.9999
    assert set(predicted["basis"]) == {"known task"}


def test_columns_may_come_in_any_order_and_rows_of_one_task_alone():
    new = shops(60, ["b"], ["green", "red"], seed=1)
    one, other = (
        of_shops().predict(new.select(names))
        for names in ("shop colour x".split(), "x colour shop".split())
    )
    assert one.equals(other)


def test_an_unknown_task_is_answered_by_the_mean_of_tasks_and_said():
    new = pl.DataFrame({"shop": ["z", "a", "b", "c"], "colour": ["red"] * 4, "x": [0.5] * 4})
    with pytest.warns(UserWarning) as warned:
        predicted = of_shops().predict(new)
    first, *known = predicted["predicted"].to_list()
    assert first == pytest.approx(np.mean(known), abs=1e-3)
    assert predicted["basis"].to_list() == ["mean of tasks"] + 3 * ["known task"]
    assert any("the task is unknown: 'z'" in str(w.message) for w in warned)


def test_missing_cells_and_unknown_words_are_answered_and_counted():
    new = pl.DataFrame({"shop": ["a", "a"], "colour": ["pink", None], "x": [None, 1.0]})
    with pytest.warns(UserWarning, match="'pink'"):
        predicted = of_shops().predict(new)
    assert np.isfinite(predicted["predicted"].to_numpy()).all()


def test_the_frame_that_comes_out_is_of_the_library_that_went_in():
    pandas = pytest.importorskip("pandas")
    new = pandas.DataFrame({"shop": ["a"], "colour": ["red"], "x": [0.0]}, index=["row 7"])
    predicted = of_shops().predict(new)
    assert isinstance(predicted, pandas.DataFrame) and list(predicted.index) == ["row 7"]


def test_a_missing_input_is_named():
    with pytest.raises(ls.InputError, match="no column 'x'"):
        of_shops().predict(pl.DataFrame({"shop": ["a"], "colour": ["red"]}))


def test_several_targets_are_answered_for_each_row():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 2))
    y = x @ random.normal(size=(2, 3)) + [0, 100, -5]
    table = ls.Table.from_arrays(x, y, columns=("u", "v"), targets=("p", "q", "r"))
    model = ls.fit(table, "ridge per task", divisions=2)
    predicted = model.predict(pl.DataFrame({"v": x[:5, 1], "u": x[:5, 0]}))
    names = ["p predicted", "q predicted", "r predicted"]
    assert np.abs(predicted.select(names).to_numpy() - y[:5]).max() < 0.1
    assert (predicted["q lower"] < predicted["q upper"]).all()
    with pytest.raises(ls.InputError, match="which cannot be added to"):
        model.adapt(pl.DataFrame({"u": [0.0], "v": [0.0], "p": [1.0]}))


@pytest.mark.slow
def test_classes_come_back_by_name_with_calibrated_probabilities():
    x, y, task = noisy(6, 200)
    labels = np.where(y > 0, "high", "low")
    rows = frame(x, task).with_columns(level=pl.Series(labels))
    model = ls.fit(ls.read_table(rows, task="task", target="level"), "mixed model", divisions=2)
    x, y, task = noisy(6, 200, seed=1)
    predicted = model.predict(frame(x, task))
    chance = predicted["probability of high"].to_numpy()
    assert np.allclose(chance + predicted["probability of low"].to_numpy(), 1)
    assert ((predicted["predicted"] == "high").to_numpy() == (chance > 0.5)).all()
    sure, right = np.maximum(chance, 1 - chance), (chance > 0.5) == (y > 0)
    assert ls.core.calibration_error(sure, right.astype(float)) < 0.06
    assert model.calibration.error < 0.06
    few = frame(x[:8], np.full(8, "new")).with_columns(level=pl.lit("high"))
    before, after = (m.predict(few)["probability of high"].mean() for m in _both(model, few))
    assert after > before + 0.1


def _both(model, few):
    with pytest.warns(UserWarning):
        model.predict(few)
    import warnings

    warnings.simplefilter("ignore")
    return model, model.adapt(few)


def test_targets_on_a_log_scale_come_back_as_they_were_measured():
    x, y, task = noisy(6, 40)
    table = ls.data.logged(ls.Table.from_arrays(x, np.exp(y), task))
    model = ls.fit(table, "ridge with offsets", divisions=2)
    plain = ls.fit(ls.Table.from_arrays(x, y, task), "ridge with offsets", divisions=2)
    ours, theirs = (m.predict(frame(x, task)) for m in (model, plain))
    for name in ("predicted", "lower", "upper"):
        assert np.allclose(np.log(ours[name].to_numpy()), theirs[name].to_numpy(), atol=1e-4)
    few = frame(x[:5], np.full(5, "new"), np.exp(y[:5]))
    shift = (y[:5] - x[:5] @ [1.0, -0.5]).mean()
    near = model.adapt(few).predict(frame(0 * x[:1], np.array(["new"])))["predicted"][0]
    assert abs(np.log(near) - shift) < 1
    with pytest.raises(ls.InputError, match="has its log"):
        model.adapt(frame(x[:1], np.array(["other"]), np.array([-1.0])))


@pytest.mark.long
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_fitted_adapted_saved_and_loaded(recipe, tmp_path):
    model = fitted(recipe, tasks=4, rows=30)
    x, y, _ = noisy(1, 10, first=7, seed=3)
    model = model.adapt(frame(x, np.full(10, "new"), y))
    model.save(tmp_path / "model.learnset")
    rows = frame(*noisy(4, 5, seed=4)[::2]).vstack(frame(x, np.full(10, "new")))
    again = ls.load(tmp_path / "model.learnset")
    assert repr(again) == repr(model)
    assert again.predict(rows).equals(model.predict(rows))


def test_tasks_that_lack_rows_in_a_window_of_time_are_learnt_but_not_scored():
    x, y, task = noisy(6, 40)
    day = np.arange(240)
    keep = (task != "t05") | (day < 60)  # that task ends early
    rows = frame(x[keep], task[keep], y[keep]).with_columns(day=day[keep])
    table = ls.read_table(rows, task="task", target="target", time="day")
    with pytest.warns(UserWarning, match="1 of 6 tasks have no rows in some part"):
        model = ls.fit(table, "ridge with offsets", divisions=2)
    assert len(model.mean) == 6 and model.card["data"]["rows"] == keep.sum()
    assert "t05" in model.card["data"]["notes"][-1]
    new = frame(x[:50], np.full(50, "t05"))
    predicted = model.predict(new)
    assert set(predicted["basis"]) == {"known task"}
    level = (y - x @ [1.0, -0.5])[task == "t05"].mean()
    assert abs((predicted["predicted"].to_numpy() - x[:50] @ [1.0, -0.5]).mean() - level) < 1.0
    assert (predicted["upper"] > predicted["lower"]).all()


def test_tasks_one_after_the_other_are_refused_in_one_line():
    x, y, task = noisy(4, 30)
    order = np.argsort(task)
    rows = frame(x[order], task[order], y[order]).with_columns(day=np.arange(120))
    table = ls.read_table(rows, task="task", target="target", time="day")
    with pytest.raises(ls.InputError, match="divide rows at random"):
        ls.fit(table, "ridge with offsets")


def test_the_best_of_several_recipes_is_taken():
    x, y, task = noisy(6, 40, spread=10.0)
    table = ls.Table.from_arrays(x, y, task)
    model = ls.fit(table, ["pooled ridge", "ridge with offsets"], divisions=2)
    assert model.card["recipe"]["name"] == "ridge with offsets"


def test_a_recipe_that_does_not_exist_is_named():
    with pytest.raises(ls.InputError, match="no recipe 'boost'.*ridge per task"):
        fitted("boost")


def test_a_number_beyond_all_bounds_is_refused_and_not_answered():
    model = fitted()
    huge = dataclasses.replace(model, std=np.full_like(model.std, 1e308))
    rows = pl.DataFrame({"task": ["t00"] * 2, "x1": [0.0, 1e3], "x2": [0.0, 0.0]})
    with pytest.raises(ls.InputError, match="row 2 is not finite"):
        huge.predict(rows)


@pytest.mark.parametrize("least", (1.0, 0.0), ids=("log", "log1p"))
def test_a_model_of_logarithms_predicts_the_target_itself(least):
    random = np.random.default_rng(0)
    shop, x = np.array(["a", "b", "c", "d"])[np.arange(240) % 4], random.normal(size=240)
    log = 3.0 + (shop == "b") + 0.5 * x
    y = np.exp(log + 0.01 * random.normal(size=240)) - 1 + least
    y[0] = least if least == 0 else y[0]
    rows = pl.DataFrame({"shop": shop, "x": x, "sales": y})
    known = rows.filter(pl.col("shop") != "d")
    table = ls.data.logged(ls.read_table(known, task="shop", target="sales"))
    model = ls.fit(table, "ridge with offsets", divisions=2)
    model = model.adapt(rows.filter(pl.col("shop") == "d")[:10])
    answers = model.predict(rows.drop("sales"))[4:]
    assert np.abs(answers["predicted"].to_numpy() / y[4:] - 1).max() < 0.3
    inside = (answers["lower"].to_numpy() <= y[4:]) & (y[4:] <= answers["upper"].to_numpy())
    assert inside.mean() > 0.85 and (answers["lower"].to_numpy() > 0).all()


@pytest.mark.slow
def test_trees_are_fitted_to_so_few_rows_that_one_alone_stops_them():
    random = np.random.default_rng(0)
    table = ls.Table.from_arrays(random.normal(size=(10, 2)), random.normal(size=(10, 2)))
    rows = pl.DataFrame({"x1": table.x[:, 0], "x2": table.x[:, 1]})
    predicted = ls.fit(table, "boosting + task", seed=1).predict(rows)
    assert np.isfinite(predicted["y1 predicted"].to_numpy()).all()
