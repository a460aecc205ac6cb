"""Programs are compiled once for arguments that are made alike, and a bounded number is kept."""

import gc
import resource
import weakref

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import learnset as ls
from learnset.training import _compiled
from learnset.training._compiled import compiled


def applied():
    """A compiled function that calls another one, and a list of its compilations."""
    traces = []

    def apply(function, x):
        traces.append(function)
        return function(x)

    return compiled(apply), traces


def plus(number):
    return lambda x: x + number


X = jnp.arange(3.0)


def test_functions_with_equal_code_and_values_are_compiled_once():
    call, traces = applied()
    for _ in range(3):
        assert jnp.array_equal(call(plus(1.0), X), X + 1)
    assert len(traces) == 1


@pytest.mark.parametrize(
    "one, other",
    (
        (1.0, 2.0),
        (1, True),
        (0.0, -0.0),
        ((1.0,), (2.0,)),
        (jnp.ones(3), jnp.zeros(3)),
        (np.ones(3), np.ones(3)),
    ),
    ids=str,
)
def test_functions_with_other_values_are_other_programs(one, other):
    call, traces = applied()

    def made(value):
        return lambda x: x + jnp.sum(jnp.asarray(value, jnp.float32))

    for value in (one, other):
        expected = X + np.sum(np.asarray(value, np.float32))
        assert jnp.array_equal(call(made(value), X), expected)
    assert len(traces) == 2


def test_functions_of_one_name_with_other_code_are_other_programs():
    call, _ = applied()
    for sign in ("+", "-"):
        module = {}
        exec(f"def made():\n    def f(x):\n        return 10 {sign} x\n    return f", module)
        expected = 10 + X if sign == "+" else 10 - X
        assert jnp.array_equal(call(module["made"](), X), expected)


def test_a_list_that_changed_is_another_program():
    call, numbers = applied()[0], [1.0]
    assert jnp.array_equal(call(lambda x: x + numbers[0], X), X + 1)
    numbers[0] = 2.0
    assert jnp.array_equal(call(lambda x: x + numbers[0], X), X + 2)


def test_a_function_that_calls_itself_is_no_trouble():
    def made():
        def power(x, n=3):
            return x if n == 0 else x * power(x, n - 1)

        return power

    call, traces = applied()
    for _ in range(2):
        assert jnp.array_equal(call(made(), X), X**4)
    assert len(traces) == 1


@pytest.mark.slow
def test_no_more_programs_are_kept_than_said(monkeypatch):
    monkeypatch.setattr(_compiled, "KEPT", 3)
    call, traces = applied()
    first = plus(0.0)
    gone = weakref.ref(first)
    for number in range(6):
        call(plus(float(number)) if number else first, X)
    del first
    traces.clear()
    gc.collect()
    assert len(call.programs) == 3 and gone() is None
    call(plus(0.0), X)
    assert len(traces) == 1  # compiled again


def test_training_with_a_new_optimiser_of_the_same_kind_compiles_nothing(model, getkey):
    entered = []

    class Noted(ls.Pooled):
        def gradient(self, model, tasks, state, *, key):
            entered.append(1)
            return super().gradient(model, tasks, state, key=key)

    def train(rate):
        method, key = Noted(ls.mse), jr.key(0)
        options = {"steps": 2, "key": key, "tasks_per_step": 2}
        return ls.train(method, model, ls.Sinusoids(), optax.adam(rate), **options).model

    slow = train(1e-3)
    entered.clear()
    assert eqx.tree_equal(train(1e-3), slow) and not entered
    # Another optimiser is another program, whose gradient has been traced already.
    assert not eqx.tree_equal(train(1e-1), slow) and not entered


def test_a_finished_run_that_is_resumed_compiles_nothing(model, tmp_path):
    options = {"steps": 2, "key": jr.key(0), "tasks_per_step": 2, "out": tmp_path / "run"}
    training = (ls.Pooled(ls.mse), model, ls.Sinusoids(), optax.adam(1e-3))
    first = ls.train(*training, **options)
    again = ls.train(*training, **options, resume=True)
    assert first.compile_seconds > 0 == again.compile_seconds
    assert eqx.tree_equal(first.model, again.model)


@pytest.mark.long
def test_memory_does_not_grow_with_new_optimisers(model, monkeypatch):
    monkeypatch.setattr(_compiled, "KEPT", 4)

    def train(rate):
        tasks, options = ls.Sinusoids(), {"steps": 2, "key": jr.key(0), "tasks_per_step": 2}
        ls.train(ls.MAML(ls.mse), model, tasks, optax.adam(rate), **options)

    sizes = []
    for number in range(30):
        train(1e-3 * (1 + number))
        gc.collect()
        sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    assert sizes[29] - sizes[9] < 60  # MB; 14 MB each, if all were kept: 280
    jax.clear_caches()
