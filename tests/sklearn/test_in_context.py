"""In-context estimators."""

import io

import joblib
import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import learnset as ls
from learnset.sklearn import InContextClassifier, InContextRegressor

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
TASK = np.tile(["east", "north", "west"], 20)
Y = X[:, 0] + np.repeat([[10.0, 0.0, -10.0]], 20, axis=0).reshape(-1)


@pytest.mark.long
@parametrize_with_checks([InContextRegressor(), InContextClassifier()])
def test_they_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def model():
    return InContextRegressor(random_state=0).fit(X, Y, task=TASK)


def test_tasks_are_told_apart_and_copies_answer_alike(model):
    assert model.score(X, Y, task=TASK) > 0.9
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    predicted = model.predict(X[:6], task=TASK[:6])
    assert np.array_equal(joblib.load(file).predict(X[:6], task=TASK[:6]), predicted)
    each = [model.predict(X[i : i + 1], task=TASK[i : i + 1])[0] for i in range(3)]
    assert np.allclose(each, predicted[:3])


@pytest.mark.long
def test_quantiles_rise_around_the_mean_and_new_tasks_are_adapted(model):
    low, middle, high = model.quantiles(X, task=TASK).T
    assert (low < middle).all() and (middle < high).all()
    assert np.allclose(middle, model.predict(X, task=TASK))
    with pytest.warns(UserWarning, match="that were not in `fit` \\('south'\\): what is known"):
        unknown = model.predict(X[:5], task=["south"] * 5)
    adapted = model.adapt(X[:5], X[:5, 0] + 30, task=["south"] * 5)
    after = adapted.predict(X[:5], task=["south"] * 5)
    assert np.abs(after - X[:5, 0] - 30).mean() < np.abs(unknown - X[:5, 0] - 30).mean()
    with pytest.raises(ls.InputError, match="Task 'east' was in `fit`"):
        model.adapt(X[:1], Y[:1], task=["east"])
    with pytest.raises(ls.InputError, match="must be between 0 and 1"):
        model.quantiles(X, [0.5, 1.0], task=TASK)


@pytest.mark.long
def test_probabilities_sum_to_one_and_are_of_the_classes_of_fit():
    labels = np.where(X[:, 0] > 0, "up", "down")
    model = InContextClassifier(random_state=0).fit(X, labels, task=TASK)
    chances = model.predict_proba(X, task=TASK)
    assert np.allclose(chances.sum(axis=1), 1) and (chances > 0).all()
    assert model.score(X, labels, task=TASK) > 0.85


def test_tables_out_of_range_are_refused():
    with pytest.raises(ls.InputError, match="at most 100 inputs, and here are 101"):
        InContextRegressor().fit(RNG.normal(size=(3, 101)), np.arange(3))
    with pytest.raises(ls.InputError, match="at most 10 classes apart, and here are 11"):
        InContextClassifier().fit(np.zeros((11, 1)), np.arange(11))
    with pytest.raises(ls.InputError, match="`siblings=-1`, but it must be a whole number"):
        InContextRegressor(siblings=-1).fit(X, Y)
