"""Tasks in tiles: the same sums as all tasks at once, in flat memory."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core import _tiles

CPU = jax.default_backend() == "cpu"
MODEL = ls.MLP(1, 1, width=8, depth=1, key=jr.key(0))
METHODS = {
    "MAML": (ls.MAML(ls.mse, 0.1), MODEL),
    "MAML++": (
        ls.MAMLPlusPlus(ls.mse, steps=2, multi_step=5),
        ls.meta.WithStepRates(MODEL, steps=2),
    ),
    "IMAML": (ls.IMAML(ls.mse, steps=2), MODEL),
    "Reptile": (ls.Reptile(ls.mse, steps=2), MODEL),
    "Pooled": (ls.Pooled(ls.mse), MODEL),
}


def gradient(method, model, tasks):
    return method.gradient(model, tasks, method.init(model), key=jr.key(2))


def sines(count):
    return ls.Sinusoids(shots=3, queries=4).draw(count, ls.Split.TRAIN, key=jr.key(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_tiles_give_the_gradient_of_all_tasks_at_once(name, monkeypatch):
    method, model = METHODS[name]
    sizes = {}
    for size in (None, 4, 1):  # of 7 tasks: the last tile of 4 is filled up
        monkeypatch.setattr(_tiles, "tile_size", lambda *_, size=size: size)
        # A program of its own: the size is no argument of the function.
        sizes[size] = eqx.filter_jit(functools.partial(gradient, method))(model, sines(7))
    assert_close(sizes[4], sizes[None], rtol=1e-5, atol=1e-6)
    assert_close(sizes[1], sizes[None], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_absent_tasks_do_not_count_in_tiles_either(monkeypatch):
    tasks = sines(7)
    absent = jax.tree.map(lambda w: w.at[2].set(0), (tasks.support.weight, tasks.query.weight))
    tasks = eqx.tree_at(lambda t: (t.support.weight, t.query.weight), tasks, absent)
    others = jax.tree.map(lambda leaf: jnp.delete(leaf, 2, axis=0), tasks)
    monkeypatch.setattr(_tiles, "tile_size", lambda *_: 3)
    of = functools.partial(gradient, ls.Pooled(ls.mse), MODEL)
    assert_close(of(tasks), of(others), rtol=1e-5, atol=1e-6)


def test_the_task_that_fills_a_tile_up_has_no_part_in_the_sum():
    calls = []

    def of_tile(numbers, weight):
        calls.append(len(weight))
        return (numbers * weight).sum()

    total = _tiles.sum_in_tiles(of_tile, jnp.arange(1.0, 8.0), jnp.ones(7), 5)
    assert float(total) == 28 and set(calls) == {4}  # two tiles of 4, not of 5


@pytest.mark.slow
def test_few_tasks_are_taken_at_once():
    # The sum over a batch that fits is bit for bit the simple form.
    tasks = sines(25)

    def simple(model):
        return ls.meta.query_loss(model, ls.MAML().adapter, ls.mse, tasks)

    tiled = gradient(ls.MAML(), MODEL, tasks)[0]
    assert jax.tree.all(
        jax.tree.map(lambda a, b: (a == b).all(), tiled, eqx.filter_grad(simple)(MODEL))
    )


@pytest.mark.slow
@pytest.mark.skipif(not CPU, reason="other devices take all tasks at once")
def test_large_tasks_are_taken_one_by_one_and_small_ones_in_tiles_of_a_cache():
    def size(width):
        model = ls.MLP(1, 1, width=width, depth=2, key=jr.key(0))
        return _tiles.tile_size(functools.partial(_loss, model), sines(2))

    assert 25 <= size(40) < 100 and size(400) == 1


def _loss(model, task):
    return ls.mse(ls.MAML().adapt(model, task.support), task.query)


def test_what_a_loop_writes_is_counted_for_each_of_its_steps():
    def bytes_of(steps):
        program = jax.make_jaxpr(
            lambda x: jax.lax.scan(lambda x, _: (x * 2, None), x, length=steps)[0]
        )
        return _tiles.written(program(jnp.ones(5)).jaxpr)

    assert bytes_of(6) == 6 * bytes_of(1) == 6 * 20


@pytest.mark.skipif(not CPU, reason="other devices take all tasks at once")
def test_memory_is_flat_in_the_number_of_tasks():
    def needed(count):
        model = ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))
        tasks = jax.eval_shape(lambda: ls.Sinusoids().draw(count, ls.Split.TRAIN, key=jr.key(1)))
        program = jax.jit(lambda tasks: gradient(ls.MAML(), model, tasks)[0])
        return program.lower(tasks).compile().memory_analysis().temp_size_in_bytes

    assert needed(6400) - needed(640) < 3 * 23 * 4 * 5760  # copies of the tasks' own numbers
