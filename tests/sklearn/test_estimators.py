"""The scikit-learn estimators in the environment for which they are made.

scikit-learn's own checks fit about 200 times, which takes 40 s on a free core, most of it for
compilation.
"""

import io
import os

import joblib
import numpy as np
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import learnset as ls
from learnset.sklearn._classifier import MultiTaskClassifier
from learnset.sklearn._regressor import MultiTaskRegressor

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
TASK = np.tile(["east", "north", "west"], 40)
SLOPE = np.array([{"east": 1.0, "north": 0.0, "west": -1.0}[name] for name in TASK])
Y = SLOPE * X[:, 0] + X[:, 1]
SETTINGS = {"recipe": "network", "steps": 300, "early_stopping": False, "random_state": 0}


NOT_MEANT = {
    name: "mini-batches are drawn at random, so that a row twice is not a row of weight two"
    for name in (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    )
}


@parametrize_with_checks(
    [MultiTaskRegressor(steps=200)], expected_failed_checks=lambda estimator: NOT_MEANT
)
def test_the_regressor_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.long
@parametrize_with_checks(
    [MultiTaskClassifier(steps=200)], expected_failed_checks=lambda estimator: NOT_MEANT
)
def test_the_classifier_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_contradictory_tasks_need_heads_or_models_of_their_own():
    def score(sharing):
        model = MultiTaskRegressor(sharing=sharing, **SETTINGS).fit(X, Y, task=TASK)
        return model.score(X, Y, task=TASK)

    assert score("body") > 0.95 and score("none") > 0.95
    assert score("all") < 0.8  # a third of the variance is between tasks


def test_separate_linear_models_are_ordinary_least_squares_for_each_task():
    y = Y + 0.3 * RNG.normal(size=len(Y))
    model = MultiTaskRegressor(sharing="none", depth=0, **SETTINGS).fit(X, y, task=TASK)
    ours = model.predict(X, task=TASK)
    for name in np.unique(TASK):
        rows = TASK == name
        theirs = LinearRegression().fit(X[rows], y[rows]).predict(X[rows])
        assert np.abs(ours[rows] - theirs).max() < 2e-3


def test_the_prediction_for_a_new_task_is_the_mean_over_known_tasks():
    model = MultiTaskRegressor(**SETTINGS).fit(X, Y, task=TASK)
    known = [model.predict(X, task=[name] * len(X)) for name in model.tasks_]
    with pytest.warns(UserWarning, match="120 of 120 rows are of tasks that were not in `fit`"):
        new = model.predict(X, task=["south"] * len(X))
    assert np.allclose(new, np.mean(known, axis=0), atol=1e-6)
    classes = MultiTaskClassifier(**SETTINGS).fit(X, Y > 0, task=TASK)
    known = [classes.predict_proba(X, task=[name] * len(X)) for name in model.tasks_]
    with pytest.warns(UserWarning, match="south"):
        new = classes.predict_proba(X, task=["south"] * len(X))
    assert np.allclose(new, np.mean(known, axis=0), atol=1e-6)


def test_a_task_column_is_the_same_as_metadata():
    number = np.unique(TASK, return_inverse=True)[1].astype(float)
    metadata = MultiTaskRegressor(**SETTINGS).fit(X, Y, task=number)
    with_column = np.insert(X, 1, number, axis=1)
    column = MultiTaskRegressor(task_column=1, **SETTINGS).fit(with_column, Y)
    assert column.n_features_in_ == 4
    assert np.array_equal(column.predict(with_column), metadata.predict(X, task=number))


def test_the_task_column_of_a_data_frame_has_a_name():
    frame = pl.DataFrame({"a": X[:, 0], "region": TASK, "b": X[:, 1], "c": X[:, 2]})
    named = MultiTaskRegressor(task_column="region", **SETTINGS).fit(frame, Y)
    metadata = MultiTaskRegressor(**SETTINGS).fit(X, Y, task=TASK)
    assert list(named.feature_names_in_) == ["a", "region", "b", "c"]
    assert np.array_equal(named.predict(frame), metadata.predict(X, task=TASK))
    with pytest.raises(ls.InputError, match="no such column. It has a, region, b, c"):
        MultiTaskRegressor(task_column="school").fit(frame, Y)


def test_several_columns_are_several_tasks_on_the_same_rows():
    columns = np.stack([Y, 100 + 50 * X[:, 2]], axis=1)  # of other units
    model = MultiTaskRegressor(**SETTINGS).fit(X, columns, task=TASK)
    predicted = model.predict(X, task=TASK)
    assert predicted.shape == columns.shape
    assert ((predicted - columns) ** 2).mean(axis=0)[1] < 0.01 * columns[:, 1].var()
    assert model.score(X, columns, task=TASK) > 0.95


def test_rows_without_a_label_change_nothing():
    twice, targets = np.concatenate([X, X]), np.concatenate([Y, np.full(len(Y), np.nan)])
    with_gaps = MultiTaskRegressor(**SETTINGS).fit(twice, targets, task=np.tile(TASK, 2))
    without = MultiTaskRegressor(**SETTINGS).fit(X, Y, task=TASK)
    assert np.allclose(with_gaps.predict(X, task=TASK), without.predict(X, task=TASK), atol=1e-4)
    score = with_gaps.score(twice, targets, task=np.tile(TASK, 2))
    assert score == pytest.approx(without.score(X, Y, task=TASK))


def test_columns_of_classes_have_their_own_classes_and_missing_labels():
    colour = np.where(X[:, 0] > 0, "red", "blue").astype(object)
    size = np.digitize(X[:, 1], [-0.5, 0.5]).astype(object)
    labels = np.stack([colour, size], axis=1)
    labels[::5, 0], labels[1::5, 1] = None, np.nan
    model = MultiTaskClassifier(**SETTINGS).fit(X, labels)
    assert [list(classes) for classes in model.classes_] == [["blue", "red"], [0, 1, 2]]
    assert [p.shape for p in model.predict_proba(X)] == [(120, 2), (120, 3)]
    assert all(np.allclose(p.sum(axis=1), 1, atol=1e-6) for p in model.predict_proba(X))
    assert model.score(X, labels) > 0.9


@pytest.mark.parametrize("method", [ls.Mean(), ls.Pooled()])
def test_one_task_is_plain_training_by_any_method_with_or_without_a_name(method):
    plain = MultiTaskRegressor(**SETTINGS).fit(X, Y)
    named = MultiTaskRegressor(method, **SETTINGS).fit(X, Y, task=["one"] * len(X))
    assert np.allclose(plain.predict(X), named.predict(X, task=["one"] * len(X)), atol=1e-5)


@pytest.mark.slow
def test_soft_sharing_pulls_separate_models_to_one():
    distances = []
    for strength in (0.0, 10.0):
        method = ls.SoftSharing(to_mean=strength)
        model = MultiTaskRegressor(method, sharing="none", **SETTINGS).fit(X, Y, task=TASK)
        east, west = (model.predict(X, task=[name] * len(X)) for name in ("east", "west"))
        distances.append(np.abs(east - west).mean())
    assert distances[1] < 0.2 * distances[0]


def test_a_model_stored_by_joblib_predicts_the_same():
    models = MultiTaskRegressor(**SETTINGS), MultiTaskClassifier(**SETTINGS)
    for model, targets in zip(models, (Y, Y > 0), strict=True):
        file = io.BytesIO()
        joblib.dump(model.fit(X, targets, task=TASK), file)
        file.seek(0)
        assert np.array_equal(joblib.load(file).predict(X, task=TASK), model.predict(X, task=TASK))


def test_a_clone_has_the_same_settings_and_learns_the_same():
    model = MultiTaskRegressor(ls.Mean(), l2=0.01, **SETTINGS)
    copy = clone(model.fit(X, Y, task=TASK))
    assert repr(copy) == repr(model) and not hasattr(copy, "model_")
    copy.fit(X, Y, task=TASK)
    assert np.array_equal(copy.predict(X, task=TASK), model.predict(X, task=TASK))


def test_tasks_are_routed_through_a_pipeline_and_a_search():
    with sklearn.config_context(enable_metadata_routing=True):
        model = MultiTaskRegressor(**SETTINGS).set_fit_request(task=True)
        model = model.set_predict_request(task=True).set_score_request(task=True)
        pipeline = make_pipeline(StandardScaler(), model)
        sharing, l2 = "multitaskregressor__sharing", "multitaskregressor__l2"
        grid = {sharing: ["all", "body"], l2: [0.0, 3.0]}
        search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y, task=TASK)
        assert search.best_params_ == {sharing: "body", l2: 0.0}
        assert search.best_estimator_.predict(X, task=TASK).shape == Y.shape


def test_predictions_need_tasks_if_fit_had_them():
    with pytest.raises(ls.InputError, match="this call was not"):
        MultiTaskRegressor(**SETTINGS).fit(X, Y, task=TASK).predict(X)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"sharing": "heads"}, "`sharing='heads'`, but it must be 'body', 'all' or 'none'"),
        ({"width": 0}, "`width=0`"),
        ({"depth": -1}, "`depth=-1`"),
        ({"batch_size": 1}, "`batch_size=1`"),
        ({"learning_rate": 0.0}, "`learning_rate=0.0`"),
        ({"l2": -1.0}, "`l2=-1.0`"),
        ({"method": ls.SoftSharing()}, "Set `sharing='none'`"),
        ({"task_column": 3}, "`task_column=3`"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(ls.InputError, match=words):
        MultiTaskRegressor(**settings).fit(X, Y)


def test_bad_arrays_are_refused():
    empty = np.stack([Y, np.full(len(Y), np.nan)], axis=1)
    with pytest.raises(ls.InputError, match="Column 1 of `y` has no labels"):
        MultiTaskRegressor().fit(X, empty)
    with pytest.raises(ls.InputError, match="`task` has 3 labels, but there are 120 rows"):
        MultiTaskRegressor().fit(X, Y, task=TASK[:3])
    with pytest.raises(ls.InputError, match="Give one of them"):
        MultiTaskRegressor(task_column=0).fit(X, Y, task=TASK)


def test_too_large_a_step_size_is_named():
    with pytest.raises(ls.DivergedError, match="`learning_rate=1e\\+30`"):
        settings = SETTINGS | {"steps": 20}
        MultiTaskRegressor(depth=3, learning_rate=1e30, **settings).fit(X, Y)


# By recipes


def simple(n=240, seed=0):
    random = np.random.default_rng(seed)
    x, task = random.normal(size=(n, 3)), np.arange(n) % 4
    y = 5.0 * task + x[:, 0] + 0.3 * random.normal(size=n)
    return x, y, task


@pytest.mark.slow
def test_several_tasks_are_learnt_by_the_best_recipe():
    x, y, task = simple()
    model = MultiTaskRegressor(random_state=0).fit(x, y, task=task)
    new, truth, which = simple(seed=1)
    assert model.score(new, truth, task=which) > 0.99


def test_several_tasks_are_learnt_by_the_recipe_that_is_named():
    x, y, task = simple()
    named = MultiTaskRegressor(recipe="ridge with offsets", random_state=0).fit(x, y, task=task)
    new, truth, which = simple(seed=1)
    assert named.score(new, truth, task=which) > 0.99
    assert named.fitted_.card["recipe"]["name"] == "ridge with offsets"
    file = io.BytesIO()
    joblib.dump(named, file)
    file.seek(0)
    assert np.array_equal(
        joblib.load(file).predict(new, task=which), named.predict(new, task=which)
    )


def test_labels_of_another_type_are_refused_and_unknown_ones_counted():
    x, y, task = simple()
    model = MultiTaskRegressor(recipe="ridge with offsets", random_state=0).fit(x, y, task=task)
    expected = model.predict(x, task=task)
    assert np.array_equal(model.predict(x, task=task.astype(float)), expected)
    for asked in (task.astype(str), task.astype(str).astype(object)):
        with pytest.raises(ls.InputError, match="has '0', a str, but `fit` had 0, a int"):
            model.predict(x, task=asked)
    with pytest.warns(UserWarning, match="240 of 240 rows are of tasks that were not in `fit`"):
        model.predict(x, task=task + 6)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_a_missing_task_is_no_task(missing):
    x, y, task = simple()
    labels = [missing if name == 3 else name for name in task.tolist()]
    with pytest.raises(ls.InputError, match="missing in 60 of 240 rows, row 3 first"):
        MultiTaskRegressor().fit(x, y, task=np.array(labels, object if missing is None else float))


def test_a_new_task_is_adapted_from_a_few_rows():
    x, y, task = simple()
    model = MultiTaskRegressor(recipe="mixed model", random_state=0).fit(x, y, task=task)
    adapted = model.adapt(x[:5], x[:5, 0] - 3, task=[9] * 5)
    error = adapted.predict(x[5:], task=[9] * 235) - (x[5:, 0] - 3)
    assert np.abs(error).mean() < 0.3
    assert np.array_equal(adapted.predict(x, task=task), model.predict(x, task=task))
    with pytest.raises(ls.InputError, match="known already"):
        model.adapt(x[:5], y[:5], task=task[:5])
    classes = MultiTaskClassifier(recipe="mixed model", random_state=0).fit(
        x, x[:, 0] > task - 1.5, task=task
    )
    yes = classes.adapt(x[:6], [True] * 6, task=["new"] * 6).predict_proba(x, task=["new"] * 240)
    assert yes[:, 1].mean() > 0.7
    with pytest.raises(ls.InputError, match="class 2"):
        classes.adapt(x[:1], [2], task=["new"])


def test_missing_cells_and_words_are_taken():
    x, y, task = simple()
    colour = np.where(x[:, 1] > 0, "red", "blue")
    frame = pl.DataFrame({"a": x[:, 0], "colour": colour, "task": task})
    y = y + 4 * (colour == "red")
    for settings in ({"recipe": "ridge with offsets"}, SETTINGS):
        model = MultiTaskRegressor(task_column="task", **settings).fit(frame, y)
        assert model.score(frame, y) > 0.98
        other = frame.with_columns(colour=pl.lit("green"), a=pl.lit(None, pl.Float64))
        with pytest.warns(UserWarning, match="240 cells of 'colour'"):
            assert np.isfinite(model.predict(other)).all()


def test_a_row_of_weight_two_is_a_row_twice_and_one_of_none_is_absent():
    x, y, task = simple()
    first = np.arange(240) < 120
    y, weight = y + 3.0 * first, np.where(first, 9.0, 1.0)
    rows = np.concatenate([np.arange(240), np.tile(np.arange(120), 8)])
    model = MultiTaskRegressor(recipe="ridge with offsets", random_state=0)
    ours = model.fit(x, y, weight, task=task).predict(x, task=task)
    theirs = model.fit(x[rows], y[rows], task=task[rows]).predict(x, task=task)
    without = model.fit(x, y, task=task).predict(x, task=task)
    # Penalties are chosen on other divisions, and the scale of targets differs.
    assert np.abs(ours - theirs).mean() < 0.1 < 1 < np.abs(ours - without).mean()
    x, y, task = simple()
    weight = (np.arange(240) % 40 >= 4).astype(float)
    network = MultiTaskRegressor(**SETTINGS).fit(x, np.where(weight > 0, y, 50), weight, task=task)
    assert network.score(x, y, weight, task=task) > 0.95


@pytest.mark.parametrize(
    "settings", [{"recipe": "logistic + task"}, {"sharing": "body", "steps": 300, "l2": 0.1}]
)
def test_classes_of_a_large_weight_are_predicted_more(settings):
    x, y, task = simple()
    score = y + np.std(y) * RNG.normal(size=len(y))
    labels = np.where(score > np.quantile(score, 0.8), "rare", "usual")
    part = 0.2
    means = {}
    for weight in (None, "balanced", {"rare": 50.0, "usual": 1.0}):
        model = MultiTaskClassifier(class_weight=weight, random_state=0, **settings)
        chance = model.fit(x, labels, task=task).predict_proba(x, task=task)[:, 0]
        means[str(weight)] = float(chance.mean())
    plain, balanced, heavy = means.values()
    assert abs(plain - part) < 0.1
    assert plain + 0.1 < balanced < heavy


def test_weights_of_classes_are_of_one_column_with_classes_that_are_there():
    x, y, task = simple()
    labels = np.where(y > 0, 1, 0)
    with pytest.raises(ls.InputError, match="one column of `y`"):
        MultiTaskClassifier(class_weight="balanced").fit(x, np.stack([labels, labels], axis=1))
    with pytest.raises(ValueError, match="balanced"):
        MultiTaskClassifier(class_weight="even").fit(x, labels, task=task)


def test_a_recipe_needs_several_tasks():
    with pytest.raises(ls.InputError, match="needs several tasks"):
        MultiTaskRegressor(recipe="mixed model").fit(X, Y)
    with pytest.raises(ls.InputError, match="Give one of them"):
        MultiTaskRegressor(recipe="mixed model", sharing="all").fit(X, Y, task=TASK)


@pytest.mark.long
def test_defaults_explain_pupils_at_least_as_well_as_gradient_boosting():
    from sklearn.ensemble import HistGradientBoostingRegressor

    if "LEARNSET_DATA" not in os.environ:
        pytest.skip("LEARNSET_DATA is unset: no School data here")
    table = ls.data.school()
    y, with_task = table.y[:, 0], np.c_[table.x, table.task]
    ours, theirs = [], []
    for seed in range(3):
        part = table.split_rows(seed=seed)
        train, test = part < 2, part == 2
        model = MultiTaskRegressor(random_state=seed)
        model.fit(table.x[train], y[train], task=table.task[train])
        ours.append(model.score(table.x[test], y[test], task=table.task[test]))
        rival = HistGradientBoostingRegressor(random_state=seed).fit(with_task[train], y[train])
        theirs.append(rival.score(with_task[test], y[test]))
    assert np.mean(ours) > np.mean(theirs) and np.mean(ours) > 0.378
