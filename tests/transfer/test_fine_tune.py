"""Descent on the support set, against the loop that one would write by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core._tree import head

LR = 0.05
adapt = eqx.filter_jit(lambda adapter, model, support: adapter.adapt(model, support))
gradient = eqx.filter_jit(eqx.filter_grad(ls.mse))


@pytest.fixture(scope="module")
def support():
    return jax.jit(lambda key: ls.Sinusoids(5).sample(ls.Split.TEST, key=key))(jr.key(0)).support


def by_hand(model, support, optimiser, steps):
    """Plain Python and plain Optax."""
    state, update = optimiser.init(model), jax.jit(optimiser.update)
    for _ in range(steps):
        grads = gradient(model, support)
        with jax.numpy_dtype_promotion("standard"):  # Adam takes a float to an integer power
            updates, state = update(grads, state, model)
        model = eqx.apply_updates(model, updates)
    return model


def test_no_steps_are_the_identity(model, support):
    assert eqx.tree_equal(ls.FineTune(steps=0).adapt(model, support), model)


def test_one_step_is_the_model_less_its_gradient(model, support):
    adapted = adapt(ls.FineTune(ls.mse, LR, steps=1), model, support)
    assert_close(adapted, jax.tree.map(lambda p, g: p - LR * g, model, gradient(model, support)))


@pytest.mark.parametrize("optimiser", (optax.sgd, optax.adam), ids=("sgd", "adam"))
def test_steps_are_a_python_loop(optimiser):
    with jax.enable_x64(True):
        model = eqx.filter_jit(lambda key: ls.MLP(1, 1, width=4, key=key))(jr.key(0))
        support = ls.Batch(
            *map(jnp.asarray, (np.linspace(-1, 2, 5)[:, None], np.ones((5, 1)), np.ones(5)))
        )
        adapted = adapt(ls.FineTune(ls.mse, LR, steps=5, optimiser=optimiser), model, support)
        assert_close(adapted, by_hand(model, support, optimiser(LR), 5), rtol=1e-10, atol=1e-12)


def test_where_leaves_the_rest_as_it_is_to_the_last_bit(model, support):
    adapted = adapt(ls.FineTune(ls.mse, LR, steps=5, where=head), model, support)
    assert eqx.tree_equal(adapted.layers, model.layers)
    expected = model
    for _ in range(5):
        step = jax.tree.map(lambda g: -LR * g, gradient(expected, support).head)
        expected = eqx.tree_at(head, expected, eqx.apply_updates(expected.head, step))
    assert_close(adapted, expected)


def test_a_head_alone_is_a_convex_problem_so_that_every_small_step_lowers_the_loss(model, support):
    fine_tune = ls.FineTune(ls.mse, LR, steps=10, where=head)
    losses = eqx.filter_jit(fine_tune.trace)(
        model, support, lambda predictor: ls.mse(predictor, support)
    )
    assert (np.diff(losses) < 0).all()


def test_the_trace_begins_with_the_model_and_ends_where_adaptation_ends(model, support):
    fine_tune = ls.FineTune(ls.mse, LR, steps=3, optimiser=optax.adam)
    trace = eqx.filter_jit(fine_tune.trace)(model, support, lambda predictor: predictor)
    assert {len(leaf) for leaf in jax.tree.leaves(trace)} == {4}
    for steps in (0, 1, 3):
        traced = jax.tree.map(lambda leaf, steps=steps: jnp.asarray(np.asarray(leaf)[steps]), trace)
        adapter = ls.FineTune(ls.mse, LR, steps=steps, optimiser=optax.adam)
        assert_close(traced, adapt(adapter, model, support))


@pytest.mark.parametrize("unroll", ls.transfer.Unroll)
def test_what_differentiation_keeps_in_memory_does_not_change_adaptation(unroll, model, support):
    plain = adapt(ls.FineTune(ls.mse, LR, steps=3), model, support)
    assert_close(adapt(ls.FineTune(ls.mse, LR, steps=3, unroll=unroll), model, support), plain)


def test_a_step_size_may_be_an_array(model, support):
    assert_close(
        adapt(ls.FineTune(ls.mse, jnp.asarray(LR), steps=3), model, support),
        adapt(ls.FineTune(ls.mse, LR, steps=3), model, support),
    )


def test_without_weight_nothing_moves(model, support):
    nothing = ls.Batch(support.x, support.y, 0 * support.weight)
    assert eqx.tree_equal(adapt(ls.FineTune(ls.mse, LR, steps=3), model, nothing), model)


@pytest.mark.parametrize(
    "bad", ({"lr": 0.0}, {"lr": -1.0}, {"lr": float("nan")}, {"steps": -1}), ids=str
)
def test_an_error_names_the_argument_and_its_value(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"FineTune: `{name}={value}`"):
        ls.FineTune(**bad)


def test_fine_tuning_a_missing_head_is_an_error(support, getkey):
    with pytest.raises(ls.InputError, match="MLP has no `head`"):
        ls.FineTune(where=head).adapt(eqx.nn.MLP(1, 1, 4, 1, key=getkey()), support)


@pytest.mark.parametrize("watched", ((0, 2, 5), (5,), (0, 1, 2, 3, 4, 5)))
@pytest.mark.parametrize(
    "wrap", (lambda descent: descent, ls.transfer.FreshHead), ids=("whole", "fresh head")
)
def test_trace_at_observes_its_steps_as_trace_does_and_no_others(model, support, watched, wrap):
    adapter, observed = wrap(ls.FineTune(ls.mse, LR, steps=5)), []

    def observe(predictor):
        answer = predictor(jnp.ones(1))
        jax.debug.callback(observed.append, answer)
        return answer

    some = eqx.filter_jit(lambda: adapter.trace_at(model, support, observe, watched))()
    jax.effects_barrier()
    assert len(observed) == len(watched)
    every = eqx.filter_jit(lambda: adapter.trace(model, support, observe))()
    assert_close(some, every[jnp.asarray(watched)])


class Half(eqx.Module):
    """A model whose body is frozen."""

    body: ls.MLP
    last: eqx.nn.Linear

    def __call__(self, x):
        return self.last(jnp.tanh(ls.models.frozen(self.body)(x)))


def decayed(lr):
    return optax.chain(optax.add_decayed_weights(0.1), optax.sgd(lr, momentum=0.9))


@pytest.mark.parametrize("kind", (ls.FineTune, ls.transfer.StoppedFineTune))
@pytest.mark.parametrize(
    "optimiser",
    (optax.adamw, optax.lamb, decayed, optax.sgd, optax.adam),
    ids=("adamw", "trust ratio", "decay and momentum", "sgd", "adam"),
)
def test_a_frozen_part_stands_still_bit_for_bit_under_every_optimiser(kind, optimiser, support):
    model = Half(ls.MLP(1, 3, width=4, key=jr.key(1)), eqx.nn.Linear(3, 1, key=jr.key(2)))
    zeros = model.body.layers[0].bias.at[0].set(-0.0)
    model = eqx.tree_at(lambda m: m.body.layers[0].bias, model, zeros)
    after = adapt(kind(lr=0.05, steps=3, optimiser=optimiser), model, support)
    before, body = (jax.tree.leaves(eqx.filter(m.body, eqx.is_array)) for m in (model, after))
    assert [a.tobytes() for a in before] == [np.asarray(a).tobytes() for a in body]
    assert not (after.last.weight == model.last.weight).all()
