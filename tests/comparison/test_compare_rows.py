"""Comparisons on the rows of a table: what is scored, how, and that nothing is chosen on rows that are scored."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
import scipy.stats
from sklearn import metrics

import learnset as ls
from learnset.recipes import rows as tables
from learnset.cli._words import Network
from learnset.comparison._compare_rows import AbstractFit, compare_rows, RowRecipe
from learnset.comparison._recipe import Setting
from learnset.comparison._row_comparison import roc_auc, RowComparison, RowOutcome, Rows

RIDGES = [
    RowRecipe(
        "alone",
        Setting.SCRATCH,
        tuple(tables.Solved(ls.multitask.RidgePerTask(l2)) for l2 in (0.1, 1.0, 1e4)),
    ),
    RowRecipe("pooled", Setting.TRANSFER, (tables.Solved(ls.multitask.PooledRidge(1.0)),)),
    RowRecipe(
        "offsets",
        Setting.MULTI_TASK,
        tuple(tables.Solved(ls.multitask.OffsetRidge(l2)) for l2 in (1.0, 10.0)),
    ),
]


def schools(seed=0, tasks=4, rows=20):
    random = np.random.default_rng(seed)
    task = np.repeat(np.arange(tasks), rows)
    x = random.normal(size=(len(task), 2))
    y = 3 * random.normal(size=tasks)[task] + x @ [1.0, -1.0] + 0.3 * random.normal(size=len(task))
    return x, y, task


def compared(table, recipes=RIDGES, **options):
    return compare_rows(recipes, Network, table, key=jr.key(0), seeds=2, progress=False, **options)


@pytest.fixture(scope="module")
def found():
    return compared(ls.Table.from_arrays(*schools()))


def test_a_ridge_for_each_task_is_that_of_its_training_rows(found):
    """By hand: the rows of seed 0's division, scaled by their training rows, solved one task after the other."""
    x, y, task = schools()
    table = ls.Table.from_arrays(x, y, task)
    part = table.split_rows(seed=0)
    mean, std = x[part == 0].mean(axis=0), x[part == 0].std(axis=0)
    x, z = (x - mean) / std, (y - y[part == 0].mean()) / y[part == 0].std()
    outcome = found["alone"]
    l2 = {" ".join(repr(c).split()): c.solver.l2 for c in RIDGES[0].candidates}[outcome.chosen[0]]
    for t in range(4):
        learn, score = (task == t) & (part == 0), (task == t) & (part == 2)
        f = np.c_[np.ones(learn.sum()), x[learn]]
        weight = np.linalg.solve(f.T @ f + np.diag([0, l2, l2]), f.T @ z[learn])
        there = found.rows.there[0, t]
        np.testing.assert_array_equal(found.rows.row[0, t][there], np.flatnonzero(score))
        expected = np.c_[np.ones(score.sum()), x[score]] @ weight
        np.testing.assert_allclose(outcome.answers[0, t, there, 0], expected, rtol=1e-3, atol=1e-4)


def test_nothing_is_chosen_on_rows_that_are_scored(found):
    """Seed 0's scored rows get other labels: no setting and no prediction of that division changes."""
    x, y, task = schools()
    part = ls.Table.from_arrays(x, y, task).split_rows(seed=0)
    other = compared(ls.Table.from_arrays(x, np.where(part == 2, -5 * y, y), task))
    for mine, theirs in zip(found, other, strict=True):
        assert mine.chosen[0] == theirs.chosen[0]
        np.testing.assert_array_equal(mine.answers[0], theirs.answers[0])
    assert found.score(found["alone"]) != other.score(other["alone"])


def test_offsets_are_found_to_help_and_pooling_to_hurt(found):
    assert found.difference(found["pooled"], found["alone"])[0] < -0.3
    assert found.score(found["offsets"])[0] > 0.8
    assert {o.name for o in (found.alone(), found.pooled(), found.together())} == {
        "one model each",
        "pooled",
        "together",
    }


def test_explained_variance_is_that_of_all_rows_together(found):
    rows, answers = found.rows, found["pooled"].answers
    for seed in range(2):
        there = rows.there[seed]
        expected = metrics.r2_score(rows.y[seed][there], answers[seed][there])
        np.testing.assert_allclose(rows.score(answers)[seed], expected)
    y = schools()[1]
    error = (
        np.concatenate([(rows.y - answers)[0, t, rows.there[0, t], 0] for t in range(4)])
        * rows.std[0, 0]
    )
    per_task = rows.errors(answers)[0]
    np.testing.assert_allclose((per_task**2 * rows.there[0].sum(axis=1)).sum(), (error**2).sum())
    assert per_task.max() < 10 * y.std()


def test_the_gain_of_a_task_is_the_paired_mean_over_its_rows(found):
    rows, alone, pooled = found.rows, found["alone"].answers, found["pooled"].answers
    gain, half = rows.gains(alone, pooled)
    by_row = {}
    for seed in range(2):
        for row, y, a, b in zip(
            rows.row[seed, 1],
            rows.y[seed, 1, :, 0],
            alone[seed, 1, :, 0],
            pooled[seed, 1, :, 0],
            strict=True,
        ):
            by_row.setdefault(int(row), []).append((y - b) ** 2 - (y - a) ** 2)
    values = np.array([np.mean(v) for row, v in by_row.items() if row >= 0])
    low, high = scipy.stats.t.interval(
        0.95, len(values) - 1, values.mean(), scipy.stats.sem(values)
    )
    np.testing.assert_allclose([gain[1], half[1]], [values.mean(), (high - low) / 2], rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_roc_auc_is_that_of_scikit_learn_ties_included(seed):
    random = np.random.default_rng(seed)
    positive, score = (
        (random.random(40) < 0.3).astype(float),
        random.integers(0, 9, 40).astype(float),
    )
    np.testing.assert_allclose(roc_auc(positive, score), metrics.roc_auc_score(positive, score))
    assert np.isnan(roc_auc(np.ones(3), np.arange(3.0)))


def test_the_best_of_several_is_chosen_for_each_seed_on_validation_rows():
    y = np.zeros((2, 1, 3, 1))
    rows = Rows(y, y[..., 0] == 0, np.zeros((2, 1, 3), int), np.ones((2, 1)), ("t",), (), True)

    def outcome(name, validation, answer):
        return RowOutcome(
            name, Setting.MULTI_TASK, "", np.array(validation)[:, None], y + answer, ("", ""), 0.0
        )

    comparison = RowComparison(rows, (outcome("a", [0.9, 0.1], 1.0), outcome("b", [0.5, 0.2], 2.0)))
    best = comparison.together()
    assert best.chosen == ("a", "b")
    np.testing.assert_array_equal(best.answers[:, 0, 0, 0], [1.0, 2.0])


def test_classes_with_missing_labels_are_scored_by_roc_auc():
    random = np.random.default_rng(3)
    x = random.normal(size=(90, 3))
    y = (x @ random.normal(size=(3, 4)) + 0.3 * random.normal(size=(90, 4)) > 0).astype(float)
    y[random.random(y.shape) < 0.2] = np.nan
    table = ls.Table.from_arrays(x, y, classes=("no", "yes"))
    recipes = [
        r
        for r in tables.standard_rows(4, 3, classes=True, steps=4, lrs=(0.01,))
        if r.name in ("ridge per task", "shared body")
    ]
    found = compared(table, recipes)
    assert found.rows.measure == "ROC-AUC" and found.failures == {}
    assert found.score(found["ridge per task"])[0] > 0.9
    assert found["shared body"].answers.shape == (2, 4, found.rows.there.shape[2], 2)
    for t in range(4):
        row, there = found.rows.row[0, t], found.rows.there[0, t]
        np.testing.assert_array_equal(there, (row >= 0) & np.isfinite(y[row, t]))
        np.testing.assert_array_equal(found.rows.y[0, t, there, 1], y[row[there], t])


class Diverging(AbstractFit):
    def fit(self, model, tasks, *, key):
        return lambda x: jnp.full(1, jnp.nan)


def test_a_recipe_that_diverges_is_named_and_the_others_go_on():
    found = compared(
        ls.Table.from_arrays(*schools()),
        [*RIDGES, RowRecipe("bad", Setting.MULTI_TASK, (Diverging(),))],
    )
    assert list(found.failures) == ["bad"] and len(found.outcomes) == 3


def test_two_recipes_of_one_name_are_refused():
    with pytest.raises(ls.InputError, match="different names"):
        compared(ls.Table.from_arrays(*schools()), [RIDGES[0], RIDGES[0]])


def test_a_run_that_was_cut_goes_on_to_the_same_end(tmp_path, found):
    compared(ls.Table.from_arrays(*schools()), RIDGES[:2], out=tmp_path / "run")
    kept = (tmp_path / "run" / "recipes" / "alone.npz").stat().st_mtime_ns
    again = compared(ls.Table.from_arrays(*schools()), out=tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "recipes" / "alone.npz").stat().st_mtime_ns == kept
    for mine, theirs in zip(again, found, strict=True):
        assert mine.chosen == theirs.chosen
        np.testing.assert_array_equal(mine.answers, theirs.answers)


def test_a_run_that_is_resumed_with_another_table_is_refused(tmp_path):
    compared(ls.Table.from_arrays(*schools()), RIDGES[1:2], out=tmp_path / "run")
    with pytest.raises(ls.InputError, match="another table or other settings"):
        compared(
            ls.Table.from_arrays(*schools(seed=1)), RIDGES[1:2], out=tmp_path / "run", resume=True
        )


# What the standard recipes are made of.


def numbered(key):
    return ls.FiniteTasks.from_family(
        ls.Sinusoids(4, 4), num_tasks=3, points=12, held_out=10, key=key
    )


def test_early_stopping_changes_no_step_and_keeps_the_best_model(getkey):
    tasks, model = numbered(getkey()), ls.MLP(1, 1, width=6, depth=1, key=getkey())
    method, key, optimiser = (
        ls.multitask.EarlyStopping(ls.Pooled(), tasks.held_out, ls.mse, every=1),
        getkey(),
        optax.sgd(0.02),
    )
    options = {"steps": 12, "key": key, "tasks_per_step": 3}
    watched, plain = (
        ls.train(m, model, tasks, optimiser, **options) for m in (method, ls.Pooled())
    )
    for a, b in zip(jax.tree.leaves(watched.model), jax.tree.leaves(plain.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    shorter = [
        ls.train(ls.Pooled(), model, tasks, optimiser, **options | {"steps": n}).model
        for n in (3, 7)
    ]
    losses = [float(held_out(m, tasks)) for m in (model, *shorter, plain.model)]
    best = float(held_out(method.best(watched.model, watched.state), tasks))
    assert best <= min(losses) + 1e-6
    np.testing.assert_allclose(min(float(watched.state.error), losses[-1]), best, rtol=1e-5)


def held_out(model, tasks):
    return ls.mse(
        model, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), tasks.held_out)
    )


def test_affinity_is_cosines_and_relative_falls_of_losses_one_pair_after_the_other(getkey):
    tasks = numbered(getkey())
    model = ls.SharedBody(ls.MLP(1, 1, width=5, depth=1, key=getkey()), num_tasks=3, key=getkey())
    method = ls.multitask.Affinity(ls.Pooled(), ls.mse, tasks.points, jnp.arange(3), lr=0.05)
    cosine, lookahead = method.observe(model)
    points = [jax.tree.map(lambda leaf, i=i: leaf[i], tasks.points) for i in range(3)]

    def loss(layers, i):
        whole = eqx.tree_at(lambda m: m.model.layers, model, layers)
        return ls.mse(whole.for_task(jnp.asarray(i)), points[i])

    layers = model.model.layers
    grads = [jax.grad(loss)(layers, i) for i in range(3)]
    flat = [
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(g)]).astype(float) for g in grads
    ]
    for i in range(3):
        after = jax.tree.map(lambda p, g: p - 0.05 * g, layers, grads[i])
        for j in range(3):
            expected = flat[i] @ flat[j] / np.linalg.norm(flat[i]) / np.linalg.norm(flat[j])
            np.testing.assert_allclose(cosine[i, j], expected, atol=1e-4)
            np.testing.assert_allclose(
                lookahead[i, j], 1 - loss(after, j) / loss(layers, j), atol=1e-4
            )


def test_tasks_that_contradict_each_other_are_in_conflict(getkey):
    """Two tasks with opposite targets and one model: a step for one raises the loss of the other."""
    x = jr.normal(getkey(), (1, 30, 2))
    y = x.sum(axis=2, keepdims=True)
    points = ls.Batch(jnp.concatenate([x, x]), jnp.concatenate([y, -y]), jnp.ones((2, 30)))
    model = ls.multitask.LinearPredictor(jnp.full((2, 1), 1e-3), jnp.zeros(1))
    cosine, lookahead = ls.multitask.Affinity(
        ls.Pooled(), ls.mse, points, jnp.arange(2), lr=0.05
    ).observe(model)
    assert cosine[0, 1] < -0.99 and lookahead[0, 1] < 0 < lookahead[0, 0] and lookahead[1, 0] < 0
