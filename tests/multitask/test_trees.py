"""Trees as models: their predictions are those of the library that fitted them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import ensemble

import learnset as ls
from learnset.multitask._boosting import bins_of
from learnset.tasks import TaskRows

asked = eqx.filter_jit(lambda trees, x: jax.vmap(trees)(x))
of_tasks = eqx.filter_jit(
    lambda model, task, x: jax.vmap(lambda task, x: model.for_task(task)(x))(task, x)
)


def table(seed=0, rows=400, categories=50):
    """A category, three numbers, and gaps in one of them."""
    random = np.random.default_rng(seed)
    task = random.integers(0, categories, rows)
    x = np.c_[task, random.normal(size=(rows, 3))].astype(np.float32)
    y = np.sin(task) * x[:, 1] + x[:, 2] ** 2
    x[random.random(rows) < 0.1, 2] = np.nan
    return x, y


def tasks_of(seed=0, tasks=4, rows=240, noise=0.1):
    """Tasks whose steps stand at different places, as rows."""
    random = np.random.default_rng(seed)
    task = np.repeat(np.arange(tasks), rows)
    x = random.uniform(-1, 1, (len(task), 2)).astype(np.float32)
    y = np.where(x[:, 0] > task / tasks - 0.5, 2.0, -1.0) + noise * random.normal(size=len(task))
    part = random.permutation(len(task)) % 4
    return [
        TaskRows(
            x[here], np.arange(here.sum()), y[here, None], np.ones(here.sum()), task[here], tasks
        )
        for here in (part < 2, part == 2, part == 3)
    ]


BOOSTED = {
    "numbers": (ensemble.HistGradientBoostingRegressor, None, None),
    "a category": (ensemble.HistGradientBoostingRegressor, [0], None),
    "two classes": (ensemble.HistGradientBoostingClassifier, [0], [0]),
    "four classes": (ensemble.HistGradientBoostingClassifier, [0], [-1, 0, 1]),
}


@pytest.mark.parametrize("kind", BOOSTED)
def test_boosted_trees_predict_as_scikit_learn_does(kind):
    make, categorical, cuts = BOOSTED[kind]
    x, y = table()
    y = y if cuts is None else np.digitize(y, cuts)
    model = make(max_iter=30, categorical_features=categorical).fit(x, y)
    query = table(seed=1)[0]
    query[:20, 0] = np.nan  # a category that was never met
    ours = np.asarray(asked(ls.multitask.Trees.of_boosting(model), jnp.asarray(query)))
    theirs = model.predict(query) if cuts is None else model.decision_function(query)
    if cuts == [0]:
        ours = ours[:, 1] - ours[:, 0]
    np.testing.assert_allclose(np.squeeze(ours), theirs, rtol=1e-4, atol=1e-4)


def test_boosting_that_finds_nothing_is_the_mean():
    """The best number of trees on validation rows is none."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 60, 1))
    rows, other = (
        TaskRows(x, np.arange(60), sign * y, np.ones(60), np.repeat([0, 1], 30), 2)
        for sign in (1, -1)
    )
    model, rounds = ls.multitask.Boosting().grown(rows, other)
    answer = model.for_task(jnp.asarray(0))(jnp.zeros(1))
    assert rounds == 0
    np.testing.assert_allclose(answer, y.mean(axis=0), rtol=1e-5)


def test_a_forest_predicts_as_scikit_learn_does():
    x, y = table()
    model = ensemble.RandomForestRegressor(20, random_state=0).fit(x, np.c_[y, -(y**2)])
    query = table(seed=1)[0]
    ours = asked(ls.multitask.Trees.of_forest(model), jnp.asarray(query))
    np.testing.assert_allclose(ours, model.predict(query), rtol=1e-4, atol=1e-4)


def test_numbers_at_a_threshold_go_where_they_went():
    """A threshold between two neighbours of single precision parts them in single precision."""
    low = np.float32(1.0)
    x = np.repeat([low, np.nextafter(low, np.float32(2))], 30)[:, None]
    model = ensemble.HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=1).fit(
        x, np.repeat([0.0, 1.0], 30)
    )
    ours = asked(ls.multitask.Trees.of_boosting(model), jnp.asarray(x))[:, 0]
    np.testing.assert_allclose(ours, model.predict(x), rtol=1e-6)
    assert ours[0] != ours[-1]


def explained(model, rows):
    left = rows.y - np.asarray(of_tasks(model, rows.task, rows.x.astype(np.float32)))
    return 1 - (left**2).sum() / ((rows.y - rows.y.mean()) ** 2).sum()


GROWERS = (
    ls.multitask.Boosting(leaves=8),
    ls.multitask.BoostingPerTask(),
    ls.multitask.MixedBoosting(),
    ls.multitask.RandomForest(features=1.0),
)


@pytest.mark.parametrize("grower", GROWERS, ids=lambda grower: type(grower).__name__)
def test_trees_that_know_the_task_find_its_step_and_answer_for_a_new_one(grower):
    train, validation, test = tasks_of()
    model, rounds = grower.grown(train, validation)
    assert explained(model, test) > 0.9
    again, same = grower.grown(train.joined(validation), rounds=rounds)
    assert same == rounds and explained(again, test) > 0.9
    new = of_tasks(model, np.array([-1]), np.array([[0.9, 0.0]], np.float32))
    assert 1.0 < float(new[0, 0]) < 2.5


def test_without_the_task_trees_cannot_find_its_step():
    train, validation, test = tasks_of()
    alone, _ = ls.multitask.Boosting(task=False).grown(train, validation)
    assert explained(alone, test) < 0.8


def test_more_tasks_than_categories_are_given_by_their_means():
    train, validation, _ = tasks_of(tasks=300, rows=8)
    model, _ = ls.multitask.Boosting().grown(train, validation)
    assert np.isfinite(np.asarray(model.codes)).all() and model.codes.shape == (301, 1)


@pytest.mark.slow
@pytest.mark.parametrize("grower", (ls.multitask.StackedBoosting(), ls.multitask.ForestOfTargets()))
def test_trees_of_several_targets_learn_all_of_them(grower):
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 3)).astype(np.float32)
    y = np.stack([np.sign(x[:, 0]), np.sign(x[:, 0]) + x[:, 1]], axis=1)
    task, row = np.repeat([0, 1], 200), np.tile(np.arange(200), 2)

    def rows_of(start):
        return TaskRows(
            x, row % 100 + start, y[row % 100 + start, task][:, None], np.ones(400), task, 2
        )

    model, _ = grower.grown(rows_of(0), rows_of(100))
    assert explained(model, rows_of(200)) > 0.8


@pytest.mark.parametrize("grower", (ls.multitask.Boosting(), ls.multitask.RandomForest()))
def test_a_class_without_rows_is_never_the_answer(grower):
    train, validation, test = tasks_of()
    one_hot = [rows.with_y(np.eye(3)[(rows.y[:, 0] > 0) * 2]) for rows in (train, validation, test)]
    model, _ = grower.grown(*one_hot[:2])
    answer = np.asarray(of_tasks(model, test.task, test.x.astype(np.float32))).argmax(axis=1)
    assert (answer == one_hot[2].y.argmax(axis=1)).mean() > 0.9


def test_equal_weights_cost_no_pass_over_all_points_for_each_bin(monkeypatch):
    """scikit-learn finds bins under weights by such passes, which took hours on large tables."""
    train, validation, _ = tasks_of()
    grower = ls.multitask.Boosting(rounds=5)
    expected, _ = grower.grown(train, validation)

    def percentile(*_, **__):
        raise AssertionError("bins were found under weights")

    binning = ensemble._hist_gradient_boosting.binning
    monkeypatch.setattr(binning, "_weighted_percentile", percentile)
    equal, _ = grower.grown(train, validation)
    np.testing.assert_array_equal(equal.trees.value, expected.trees.value)
    train.weight[0] = 2.0
    with pytest.raises(AssertionError, match="under weights"):
        grower.grown(train, validation)


def test_tasks_with_few_validation_rows_have_one_number_of_rounds():
    """Each task's own, chosen among hundreds by a few rows, is chosen by chance."""
    train, validation, _ = tasks_of(rows=120, noise=1.0)
    own = ls.multitask.BoostingPerTask(ls.multitask.Boosting(rounds=40), enough=1)
    shared = ls.multitask.BoostingPerTask(ls.multitask.Boosting(rounds=40), enough=1000)
    _, of_each = own.grown(train, validation)
    model, common = shared.grown(train, validation)
    assert len(set(of_each[:-1])) > 1 and len(set(common[:-1])) == 1 and common[-1] == of_each[-1]
    again, rounds = shared.grown(train, rounds=common)
    assert rounds == common
    for task in (0, 3, -1):
        x = jnp.array([0.3, -0.2])
        first, second = (m.for_task(jnp.asarray(task))(x) for m in (model, again))
        np.testing.assert_array_equal(first, second)


def test_many_inputs_have_fewer_bins_but_as_many_as_the_task_needs():
    x = np.zeros((200, 600))
    x[:, 0] = np.arange(200)
    assert bins_of(x[:, :512]) == 255
    assert (bins_of(x), bins_of(x, category=True)) == (63, 200)
