"""Table transformers: what may not matter does not, and what a query costs."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core import Related
from learnset.meta import TablePFN
from learnset.models import _table_transformer, TableTransformer
from learnset.tasks import Bundle, Groups, RelatedGaussian

FAMILY = RelatedGaussian(shots=4, queries=5, siblings=3, sibling_shots=6)


@pytest.fixture(scope="module")
def model():
    """A network whose head and marks are not at zero, so that all parts matter."""
    made = TableTransformer(width=8, heads=2, depth=2, thinking=2, key=jr.key(0))
    weight = jr.normal(jr.key(1), made.head.weight.shape)
    mark = 0.1 * jr.normal(jr.key(2), made.blocks.mark.shape)
    return eqx.tree_at(lambda m: (m.head.weight, m.blocks.mark), made, (weight, mark))


@pytest.fixture(scope="module")
def task():
    return FAMILY.sample(ls.Split.TEST, key=jr.key(2))


@eqx.filter_jit
def answers(model, support, xs):
    """Mean and standard deviation for each row."""
    return jax.vmap(TablePFN().adapt(model, support).gaussian)(xs)


def own(support):
    return ls.Batch(support.x, support.y, support.weight)


def test_the_order_of_rows_inputs_siblings_and_their_rows_does_not_matter(model, task):
    support, xs = task.support, task.query.x
    expected = answers(model, support, xs)
    rows, inputs, order = np.array([2, 0, 3, 1]), np.array([2, 0, 1]), np.array([1, 2, 0])
    siblings = jax.tree.map(lambda leaf: leaf[order][:, ::-1], support.siblings)
    moved = Related(
        support.x[rows][:, inputs],
        support.y[rows],
        siblings=ls.Batch(siblings.x[..., inputs], siblings.y, siblings.weight),
    )
    assert_close(answers(model, moved, xs[:, inputs]), expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(answers(model, support, xs[:, inputs])[0], expected[0], atol=1e-3)


def test_siblings_change_the_answer_but_absent_ones_do_not(model, task):
    support, xs = task.support, task.query.x
    alone = answers(model, own(support), xs)
    assert not np.allclose(answers(model, support, xs)[0], alone[0], atol=1e-3)
    siblings = support.siblings
    absent = ls.Batch(siblings.x, jnp.full_like(siblings.y, jnp.nan), 0 * siblings.weight)
    assert_close(
        answers(model, Related(support.x, support.y, siblings=absent), xs), alone, atol=1e-5
    )
    none = jax.tree.map(lambda leaf: leaf[:0], siblings)
    assert_close(answers(model, Related(support.x, support.y, siblings=none), xs), alone, atol=1e-5)


def test_without_rows_the_answer_is_that_of_the_prior(model, task):
    """It depends on no number of the table; rows of weight zero are no rows."""
    support, xs = own(task.support), task.query.x
    empty = jax.tree.map(lambda leaf: leaf[:0], support)
    absent = ls.Batch(support.x, support.y, 0 * support.weight)
    assert_close(answers(model, absent, xs), answers(model, empty, xs), atol=1e-5)
    first = TableTransformer(width=8, depth=1, key=jr.key(3))
    mean, std = answers(first, empty, xs)  # before training: standard normal
    assert np.allclose(mean, 0) and np.allclose(std, 1)


@pytest.mark.parametrize("rows", [4, 0])
def test_an_input_that_is_nan_everywhere_is_no_input(model, task, rows):
    support, x = task.support, task.query.x[0]
    weight = (jnp.arange(4) < rows).astype(float)

    def wider(x):
        return jnp.concatenate([x, jnp.full((*x.shape[:-1], 2), jnp.nan)], axis=-1)

    @eqx.filter_jit
    def answer(model, change):
        siblings = eqx.tree_at(lambda s: s.x, support.siblings, change(support.siblings.x))
        related = Related(change(support.x), support.y, weight, siblings=siblings)
        return TablePFN().adapt(model, related).gaussian(change(x))

    assert_close(answer(model, wider), answer(model, lambda x: x), rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_a_step_on_a_bundle_is_the_mean_of_those_on_its_families(model):
    bundle = Bundle((Groups(FAMILY), Groups(dataclasses.replace(FAMILY, shots=2, siblings=1))))
    tasks = bundle.draw(2, ls.Split.TRAIN, key=jr.key(8))

    @eqx.filter_jit
    def gradient(model, tasks, half):
        return TablePFN(half=half).gradient(model, tasks, None, key=jr.key(0))[::2]

    parts = [gradient(model, part, False) for part in tasks]
    mean = jax.tree.map(lambda *leaves: sum(leaves) / 2, *parts)
    assert_close(gradient(model, tasks, False), mean, rtol=1e-4, atol=1e-5)
    pairs = zip(*map(jax.tree.leaves, (gradient(model, tasks, True)[0], mean[0])), strict=True)
    for rounded, exact in pairs:  # in single precision, and near
        assert rounded.dtype == exact.dtype
        assert jnp.linalg.norm(rounded - exact) < 0.1 * jnp.linalg.norm(exact) + 1e-3


def test_the_loss_of_a_group_is_the_mean_of_its_tasks_with_their_siblings(model):
    """A group that is read once gives what each task gives that reads the others, and of its own
    points the first few."""
    group = FAMILY.group(ls.Split.TRAIN, key=jr.key(4))
    told, few = np.array([True, False, True, False]), jnp.array([1, 4, 0, 2])
    group = eqx.tree_at(lambda g: (g.told, g.own), group, (jnp.asarray(told), few))

    @eqx.filter_jit
    def of_task(model, number):
        own, query = jax.tree.map(lambda leaf: leaf[number], (group.support, group.query))
        there = jnp.asarray(told) & (jnp.arange(4) != number)
        others = group.support
        siblings = ls.Batch(others.x, others.y, jnp.where(there[:, None], others.weight, 0))
        weight = jnp.where(jnp.arange(4) < few[number], own.weight, 0)
        support = Related(own.x, own.y, weight, siblings=siblings)
        return ls.gaussian_nll(TablePFN().adapt(model, support), query)

    mean = jnp.stack([of_task(model, jnp.asarray(number)) for number in range(4)]).mean()
    assert_close(TablePFN()._of_group(model, group), mean, rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_attention_in_blocks_is_plain_attention_with_the_same_gradient(model, monkeypatch):
    task = RelatedGaussian(shots=9, queries=3, siblings=2).sample(ls.Split.TEST, key=jr.key(5))

    def loss(model):
        return ls.gaussian_nll(TablePFN().adapt(model, task.support), task.query)

    def both():
        return eqx.filter_jit(lambda m: eqx.filter_value_and_grad(loss)(m))(model)

    def loops():
        adapt = jax.make_jaxpr(lambda: TablePFN().adapt(model, task.support).contexts)
        return str(adapt()).count("scan[")

    plain, few = both(), loops()
    monkeypatch.setattr(_table_transformer, "AT_ONCE", 4)
    assert loops() > few
    assert_close(both(), plain, rtol=1e-4, atol=1e-5)


def test_classes_have_no_order_and_any_number():
    method = TablePFN(ls.cross_entropy)
    model = method.prepare(None, key=jr.key(0))
    weight = jr.normal(jr.key(1), model.head.weight.shape)
    model = eqx.tree_at(lambda m: m.head.weight, model, weight)
    x = jr.normal(jr.key(2), (6, 2))

    @eqx.filter_jit
    def logits(y):
        return method.adapt(model, ls.Batch(x, y))(jnp.ones(2))

    y, order = jnp.eye(3)[np.arange(6) % 3], np.array([1, 2, 0])
    assert_close(logits(y[:, order]), logits(y)[order], rtol=1e-4, atol=1e-5)
    assert np.ptp(logits(y)) > 1e-4
    ten = jax.ShapeDtypeStruct((6, 10), jnp.float32)
    assert eqx.filter_eval_shape(logits, ten).shape == (10,)


def test_a_task_keeps_as_much_of_its_own_rows_however_many_siblings(model):
    def read(siblings):
        family = RelatedGaussian(4, 5, siblings=siblings)
        return TablePFN().adapt(model, family.sample(ls.Split.TEST, key=jr.key(0)).support)

    few, many = (eqx.filter_eval_shape(lambda n=n: read(n)) for n in (1, 9))
    assert few.contexts.keys.shape == many.contexts.keys.shape == (2, 4, 6, 2, 4)


@pytest.mark.long
@pytest.mark.slow
def test_training_on_groups_learns_resumes_and_is_saved(tmp_path):
    family = RelatedGaussian(shots=6, queries=16, siblings=3, in_size=1, common=(0.9,))
    model = TableTransformer(width=16, heads=1, depth=2, thinking=1, key=jr.key(0))
    method, groups = TablePFN(), Groups(dataclasses.replace(family, varied=True))
    options = {"key": jr.key(1), "tasks_per_step": 8, "checkpoint_every": 50, "log_every": 50}

    def run(steps, out, **more):
        adam = optax.adam(3e-3)
        return ls.train(
            method, model, groups, adam, steps=steps, out=tmp_path / out, **options, **more
        )

    whole = run(900, "whole")
    run(100, "cut")
    resumed = run(900, "cut", resume=True)
    assert jax.tree.all(jax.tree.map(np.array_equal, whole.model, resumed.model))
    error = ls.evaluate(method, whole.model, family, num_tasks=100, key=jr.key(2)).mean[0]
    prior = 1 + family.noise**2
    assert error < 0.95 * prior  # Bayes has 0.29 of 1.25
    task = family.sample(ls.Split.TEST, key=jr.key(3))
    predictor = method.adapt(whole.model, task.support)
    ls.save(tmp_path / "predictor", predictor, task.query.x[0])
    loaded = ls.load(tmp_path / "predictor")(task.query.x)
    assert_close(loaded, ls.predict(predictor, task.query.x), atol=1e-6)


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ls.InputError, match="`width=10` is not divisible by `heads=3`"):
        TableTransformer(width=10, heads=3, key=jr.key(0))
