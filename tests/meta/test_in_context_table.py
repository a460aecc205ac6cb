"""In-context tables: units, siblings, gaps, and recipes with them."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.comparison import compare, NewTableTasks, SeenTasks
from learnset.core import Related
from learnset.meta import InContextTable
from learnset.tasks import RelatedGaussian

FAMILY = RelatedGaussian(shots=8, queries=5, siblings=3, sibling_shots=6)


@pytest.fixture(scope="module")
def task():
    return FAMILY.sample(ls.Split.TEST, key=jr.key(2))


@pytest.fixture(scope="module")
def table():
    """A small network, whose head is not zero."""
    network = ls.models.TableTransformer(width=8, depth=2, key=jr.key(0))
    weight = 0.3 * jr.normal(jr.key(1), network.head.weight.shape)
    return InContextTable(eqx.tree_at(lambda n: n.head.weight, network, weight))


@pytest.fixture(scope="module")
def own(task):
    return ls.Batch(task.support.x, task.support.y, task.support.weight)


@eqx.filter_jit
def answers(table, support, xs):
    return jax.vmap(table.condition(support).gaussian)(xs)


@pytest.fixture(scope="module")
def alone(table, own, task):
    return answers(table, own, task.query.x)


@pytest.mark.slow
def test_answers_are_in_the_units_of_the_table(table, own, task, alone):
    far = ls.Batch(30 + 5 * own.x, 1000 - 20 * own.y, own.weight)
    mean, std = answers(table, far, 30 + 5 * task.query.x)
    again = ls.Batch(own.x, -own.y, own.weight)  # the network has no sign of targets by itself
    expected, spread = answers(table, again, task.query.x)
    assert_close(mean, 1000 + 20 * expected, rtol=1e-3, atol=0.02)
    assert_close(std, 20 * spread, rtol=1e-2)
    assert not np.allclose(alone[0], expected)


@pytest.mark.long
def test_the_order_of_rows_and_inputs_does_not_matter(table, own, task, alone):
    inputs = np.array([2, 0, 1])
    moved = ls.Batch(own.x[::-1][:, inputs], own.y[::-1], own.weight[::-1])
    assert_close(answers(table, moved, task.query.x[:, inputs]), alone, atol=1e-3)


@pytest.mark.long
def test_siblings_that_were_read_before_answer_as_those_of_the_support_set(table, own, task):
    together = answers(table, task.support, task.query.x)
    before = table.with_siblings(task.support.siblings)
    assert_close(answers(before, own, task.query.x), together, atol=1e-4)
    none = jax.tree.map(lambda leaf: leaf[:0], task.support.siblings)
    absent = ls.Batch(
        task.support.siblings.x, task.support.siblings.y, 0 * task.support.siblings.weight
    )
    for nobody in (none, absent):
        related = Related(own.x, own.y, own.weight, siblings=nobody)
        assert_close(
            answers(table, related, task.query.x), answers(table, own, task.query.x), atol=1e-3
        )


@pytest.mark.long
def test_each_target_is_a_table_of_its_own_and_absent_labels_are_absent(table, own, task, alone):
    half = jnp.where(np.arange(8) < 4, own.weight, 0)
    y = jnp.concatenate([own.y, jnp.where(half[:, None] > 0, -own.y, jnp.nan)], axis=1)
    both = ls.Batch(own.x, y, jnp.stack([own.weight, half], axis=1))
    mean, _ = answers(table, both, task.query.x)
    assert_close(mean[:, 0], alone[0][:, 0], atol=1e-3)
    assert np.isfinite(np.asarray(mean)).all()
    assert not np.allclose(mean[:, 1], mean[:, 0], atol=1e-3)


@pytest.mark.slow
def test_gaps_count_as_the_mean_and_a_constant_target_is_predicted(table, own, task):
    xs = task.query.x
    mean = own.x[1:, 0].mean()
    gaps = own.x.at[0, 0].set(jnp.nan)
    filled = own.x.at[0, 0].set(mean)
    with_gap = answers(table, ls.Batch(gaps, own.y), xs.at[:, 0].set(jnp.nan))[0]
    assert np.isfinite(np.asarray(with_gap)).all()
    without = answers(table, ls.Batch(filled, own.y), xs.at[:, 0].set(mean))[0]
    assert_close(with_gap, without, atol=0.1)  # but for the spread of the column
    constant = ls.Batch(own.x, jnp.full_like(own.y, 1e-3))
    assert_close(answers(table, constant, xs)[0], jnp.full((5, 1), 1e-3), rtol=1e-5)


@pytest.mark.long
def test_classes_are_told_in_any_order(table, own, task):
    table = InContextTable(table.network, classes=True)
    label = np.asarray(own.x[:, 0] > 0).astype(int) + np.asarray(own.x[:, 1] > 0.5)
    y = jnp.asarray(np.eye(3, dtype=np.float32)[label])
    mean = jax.vmap(table.condition(ls.Batch(own.x, y)))(task.query.x)
    order = np.array([2, 0, 1])
    moved = jax.vmap(table.condition(ls.Batch(own.x, y[:, order])))(task.query.x)
    assert_close(moved, mean[:, order], atol=1e-3)
    assert (np.asarray(mean) >= np.log(0.01) - 1e-6).all()


@pytest.mark.long
def test_a_known_task_reads_all_tasks_but_itself(table, task):
    tasks = task.support.siblings
    read = table.with_siblings(tasks, jnp.array([7, 4, 2]))
    one = jax.tree.map(lambda leaf: leaf[1], tasks)
    own = read.for_task(jnp.asarray(4)).condition(one)
    x, scales = task.query.x[0], ls.models.Scales.of(tasks)
    scaled = ls.Batch(scales.inputs(tasks.x), scales.targets(tasks.y), tasks.weight)
    group = jax.tree.map(lambda leaf: leaf[np.array([0, 2])], scaled)
    known = jax.tree.map(lambda leaf: leaf[1], scaled)
    reader = table.network.condition(known, table.network.read(group))
    assert_close(own.gaussian(x)[0], scales.units(reader.gaussian(scales.inputs(x))[0]), atol=1e-4)
    stranger = read.for_task(jnp.asarray(-1)).condition(one).gaussian(x)
    assert_close(stranger, table.with_siblings(tasks).condition(one).gaussian(x), atol=1e-4)
    assert not np.allclose(stranger, own.gaussian(x), atol=1e-3)
    nobody = own.without_rows().gaussian(x)
    empty = table.with_siblings(tasks).condition(ls.Batch(one.x, one.y, 0 * one.weight))
    assert_close(nobody, empty.gaussian(x), atol=1e-4)


def test_tables_out_of_range_are_refused_in_one_line(table):
    wide = ls.Batch(jnp.zeros((3, 101)), jnp.zeros((3, 1)))
    with pytest.raises(ls.InputError, match="at most 100 inputs, and here are 101"):
        table.condition(wide)
    many = ls.Batch(jnp.zeros((3, 2)), jnp.zeros((3, 11)))
    with pytest.raises(ls.InputError, match="at most 10 classes apart, and here are 11"):
        InContextTable(table.network, classes=True).condition(many)
    assert ls.recipes.in_context.standard(101, network=table.network) == []
    assert ls.recipes.in_context.standard(4, 11, classes=True, network=table.network) == []
    assert len(ls.recipes.in_context.standard(4, 11, network=table.network)) == 2


@pytest.mark.long
def test_many_rows_are_answered_as_each_alone_and_in_many_tasks(table, own, task):
    predictor, xs = table.condition(own), task.query.x
    expected = ls.predict(predictor, xs)
    assert_close(expected[1], predictor(xs[1]), atol=1e-5)
    two = jax.tree.map(lambda leaf: jnp.stack([leaf[::-1], leaf]), own)
    ask = eqx.filter_jit(lambda support: ls.predict(table.condition(support), xs))
    assert_close(eqx.filter_vmap(ask)(two), jnp.stack([expected, expected]), atol=1e-3)
    large = jax.tree.map(
        lambda leaf: jnp.pad(leaf, ((0, 1100),) + ((0, 0),) * (leaf.ndim - 1)), own
    )
    assert len(table.condition(large).support.x) == 1000


@pytest.mark.long
def test_quantiles_are_those_of_the_normal_distribution(table, own, task):
    predictor, x = table.condition(own), task.query.x[0]
    (mean,), (std,) = predictor.gaussian(x)
    low, middle, high = predictor.quantiles(x, jnp.array([0.05, 0.5, 0.95]))[:, 0]
    assert_close(
        jnp.stack([low, middle, high]), mean + 1.644854 * std * jnp.arange(-1.0, 2.0), rtol=1e-4
    )


@pytest.mark.long
def test_recipes_are_compared_with_others_on_new_and_on_known_tasks(table):
    random = np.random.default_rng(0)
    x, task = random.normal(size=(240, 2)), np.repeat(np.arange(12), 20)
    rows = ls.Table.from_arrays(x, x[:, 0] + random.normal(size=12)[task], task)
    new = NewTableTasks.of_table(rows, np.arange(12), shots=(2, 5), seeds=range(2))
    known = SeenTasks.of_table(rows, seeds=range(2))
    network = functools.partial(ls.MLP, 2, 1)
    recipes = ls.recipes.in_context.standard(2, network=table.network)
    recipes.append(ls.recipes.in_context.tuned(network=table.network, steps=3))
    for question, shots in ((new, 5), (known, None)):
        result = compare(recipes, lambda key: network(key=key), question, key=jr.key(0))
        assert not result.failures
        alone, together, _ = result
        assert alone.overall_at(shots).shape == together.overall_at(shots).shape == (2,)
        assert not np.allclose(alone.overall_at(shots), together.overall_at(shots))
