"""Tasks answered in parts give the same errors, and take the memory of one part."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.training import _evaluate, _parts


def images(size=8, examples=12):
    random = np.random.RandomState(0)
    x = random.randint(0, 256, (12 * examples, size, size, 1)).astype(np.uint8)
    classes = ls.data.Labelled.from_arrays(x, np.repeat(np.arange(12), examples))
    return ls.Episodes(*classes.split((4, 4, 4)), ways=3, shots=1)


def learner():
    encoder = ls.Conv4((8, 8, 1), filters=4, strided=True, key=jr.key(0))
    return ls.meta.ProtoNet(), encoder


@pytest.mark.slow
@pytest.mark.parametrize("drawn_at_once", [1, 7, 20])
def test_tasks_that_are_drawn_and_scored_in_parts_have_the_same_errors(monkeypatch, drawn_at_once):
    method, model = learner()
    options = {"key": jr.key(1), "num_tasks": 20, "metric": ls.error_rate}
    whole = ls.evaluate(method, model, images(), **options)
    task = jax.eval_shape(lambda: images().draw(1, ls.Split.TEST, key=jr.key(0)))
    one = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(task))
    monkeypatch.setattr(_evaluate, "DRAWN_BYTES", one * drawn_at_once)
    monkeypatch.setattr(_parts, "PART_BYTES", 1)
    monkeypatch.setattr(_evaluate, "in_parts", lambda f, batch: _parts.in_parts(f, batch, 1))
    _evaluate._score_jit.programs.clear()
    parts = ls.evaluate(method, model, images(), **options)
    assert parts.errors.shape == (20, 1) and (parts.errors == whole.errors).all()
    assert parts.num_tasks == 20


def test_the_last_part_is_filled_up_and_cut(monkeypatch):
    tasks = ls.Sinusoids().draw(7, ls.Split.TEST, key=jr.key(0))
    sums = _parts.in_parts(lambda task: task.query.y.sum(), tasks, limit=1)
    assert jnp.allclose(sums, tasks.query.y.sum((1, 2)), rtol=1e-6)


def test_the_count_is_of_values_that_are_present_at_one_time():
    def chain(x):
        for _ in range(5):
            x = jnp.sin(x)
        return x.sum()

    one = jax.make_jaxpr(chain)(jnp.zeros(1000)).jaxpr
    assert _parts.peak_bytes(one) == 2 * 4000
    kept = jax.make_jaxpr(jax.grad(chain))(jnp.zeros(1000)).jaxpr
    assert _parts.peak_bytes(kept) >= 5 * 4000
    loop = jax.make_jaxpr(lambda x: jax.lax.scan(lambda c, _: (chain(c) + c, None), x, length=9))
    assert 4000 * 2 <= _parts.peak_bytes(loop(jnp.zeros(1000)).jaxpr) <= 4000 * 8


def test_memory_of_an_evaluation_does_not_grow_with_the_number_of_tasks():
    """Of 600 tasks the compiler asks for about what it asks for where sixty are scored."""
    method, model = learner()

    def needed(number, limit):
        batch = jax.eval_shape(lambda: images().draw(number, ls.Split.TEST, key=jr.key(0)))

        def score(batch):
            def of_one(task):
                return ls.error_rate(method.adapt(model, task.support), task.query)

            return _parts.in_parts(of_one, batch, limit)

        return jax.jit(score).lower(batch).compile().memory_analysis().temp_size_in_bytes

    whole, parts = needed(600, 10**12), needed(600, 2**22)
    assert parts < 2**22 * 2 and whole > 4 * parts
