"""What users of JAX, Equinox and Optax bring: it works, or one line says what to do."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.training import is_traced

pytestmark = pytest.mark.slow

POOLED, MAML = ls.Pooled(ls.mse), ls.MAML(ls.mse)


def run(model, optimiser=None, *, key=None, method=POOLED, steps=4, **options):
    optimiser = optax.adam(1e-3) if optimiser is None else optimiser
    key = jr.key(0) if key is None else key
    tasks = options.pop("tasks", ls.Sinusoids(shots=3, queries=3))
    return ls.train(method, model, tasks, optimiser, steps=steps, key=key, **options)


@pytest.fixture
def net():
    return ls.MLP(1, 1, width=4, depth=1, key=jr.key(1))


class Frozen(eqx.Module):
    """A body that is not to move, and a head that is."""

    body: eqx.nn.MLP
    head: eqx.nn.Linear

    def __init__(self, key):
        self.body = eqx.nn.MLP(1, 4, 4, 1, key=key)
        self.head = eqx.nn.Linear(4, 1, key=key)

    def __call__(self, x):
        return self.head(jax.nn.relu(ls.models.frozen(self.body)(x)))


@pytest.mark.parametrize(
    "optimiser",
    (
        optax.adam(1e-2),
        optax.adamw(1e-2, weight_decay=0.1),
        optax.chain(optax.add_decayed_weights(0.1), optax.sgd(1e-2)),
        optax.lion(1e-2, weight_decay=0.1),
    ),
    ids=("adam", "adamw", "sgd with decay", "lion"),
)
def test_a_frozen_body_never_moves_and_its_head_does(optimiser):
    model = Frozen(jr.key(0))
    trained = run(model, optimiser, method=MAML, steps=2).model
    assert_close(trained.body, model.body, rtol=0, atol=0)
    assert float(abs(trained.head.weight - model.head.weight).max()) > 1e-4


def test_weight_decay_of_what_moves_is_that_of_optax(net):
    """Against the loop written out."""
    optimiser, tasks = optax.adamw(1e-2, weight_decay=0.1), ls.Sinusoids(shots=3, queries=3)
    trained = run(net, optimiser, tasks=tasks, steps=3, tasks_per_step=2)
    moving, fixed = eqx.partition(net, eqx.is_inexact_array)
    state = optimiser.init(moving)

    @jax.jit
    def step(moving, state, number):
        task_key, method_key = jr.split(jr.fold_in(jr.key(0), number))
        batch = tasks.draw(2, ls.Split.TRAIN, key=task_key)
        grads, _, _ = POOLED.gradient(eqx.combine(moving, fixed), batch, None, key=method_key)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimiser.update(grads, state, moving)
        return eqx.apply_updates(moving, updates), state

    for number in range(3):
        moving, state = step(moving, state, number)
    assert_close(trained.model, eqx.combine(moving, fixed))


def test_an_optimiser_that_reads_the_loss_gets_it(net):
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=1, accumulation_size=1, atol=1e9)
    slower = run(net, optax.chain(optax.sgd(1e-2), plateau), steps=8).model
    assert not eqx.tree_equal(slower, run(net, optax.sgd(1e-2), steps=8).model)


def test_an_optimiser_with_a_line_search_is_refused_in_one_line(net):
    with pytest.raises(ls.InputError, match="'value', 'grad', and 'value_fn'|value_fn"):
        run(net, optax.lbfgs())


class Layers(eqx.Module):
    """A network with some layer of Equinox."""

    layer: eqx.Module
    last: eqx.nn.Linear

    def __call__(self, x):
        return self.last(self.layer(x))


def test_dropout_and_batch_normalisation_of_equinox_are_refused_in_one_line():
    last = eqx.nn.Linear(1, 1, key=jr.key(0))
    dropout = Layers(eqx.nn.Dropout(0.5), last)
    normalised = Layers(eqx.nn.BatchNorm(1, axis_name="points", mode="batch"), last)
    for ask in (run, lambda model: ls.evaluate(MAML, model, ls.Sinusoids(), key=jr.key(0))):
        with pytest.raises(ls.InputError, match="`equinox.nn.inference_mode`"):
            ask(dropout)
        with pytest.raises(ls.InputError, match="`learnset.models.BatchNorm`"):
            ask(normalised)
        with pytest.raises(ls.InputError, match="without its state"):
            ask(eqx.nn.make_with_state(lambda: normalised)())
    assert run(eqx.nn.inference_mode(dropout)).steps == 4


def test_an_older_random_key_is_the_same_key(net):
    new, old = run(net, key=jr.key(3)), run(net, key=jr.PRNGKey(3))
    assert_close(new.model, old.model, rtol=0, atol=0)
    scores = [
        ls.evaluate(ls.transfer.AsIs(), net, ls.Sinusoids(), key=key, num_tasks=3).errors
        for key in (jr.key(3), jr.PRNGKey(3))
    ]
    assert_close(*scores, rtol=0, atol=0)
    question = ls.NewTasks(ls.Sinusoids(), seeds=2, shots=(2,), test_tasks=3, validation_tasks=3)
    recipes, budget = [ls.recipes.regression.scratch(steps=2)], ls.Budget(steps=2)
    values = [
        ls.compare(recipes, lambda key: net, question, key=key, budget=budget)["scratch"].overall
        for key in (jr.key(3), jr.PRNGKey(3))
    ]
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("key", (0, None, "0", 1.0, np.zeros(3)))
def test_what_is_no_random_key_is_refused_in_one_line(net, key):
    with pytest.raises(ls.InputError, match=r"train: `key=.*`jax.random.key\(0\)`"):
        ls.train(MAML, net, ls.Sinusoids(), optax.adam(1e-3), steps=1, key=key)


def test_what_is_no_optimiser_is_refused_in_one_line(net):
    with pytest.raises(ls.InputError, match=r"`optimiser='adam'`, but it must be .*optax.adam"):
        run(net, "adam")


def test_a_number_of_steps_may_be_numpy_s(net):
    assert run(net, steps=np.int64(2)).steps == 2


def test_a_model_of_other_sizes_is_refused_with_the_sizes_of_the_tasks():
    with pytest.raises(ls.InputError, match=r"An input has the shape \(1,\), and a target \(1,\)"):
        run(ls.MLP(2, 1, key=jr.key(0)))
    with pytest.raises(ls.InputError, match=r"predictions have shape .*, 3\) and targets .*, 1\)"):
        run(ls.MLP(1, 3, key=jr.key(0)))


class Holed(ls.Sinusoids):
    """Tasks with a number that is none."""

    def draw(self, num_tasks, split, *, key):
        batch = super().draw(num_tasks, split, key=key)
        hole = batch.support.x.at[0, 0, 0].set(jnp.nan)
        return eqx.tree_at(lambda task: task.support.x, batch, hole)


def test_nan_in_the_data_is_not_called_a_step_size(net):
    with pytest.raises(ls.DivergedError, match="at step 1. The tasks of this step hold NaN"):
        run(net, tasks=Holed(shots=3, queries=3))
    with pytest.raises(ls.DivergedError, match="Usually a step size is too large"):
        run(net, optax.sgd(1e30), steps=20)


# Researchers


@pytest.mark.parametrize(
    "options",
    (
        lambda rate: {"method": ls.MAML(ls.mse, inner_lr=rate)},
        lambda rate: {"optimiser": optax.adam(rate)},
        lambda rate: {"optimiser": optax.chain(optax.clip(1.0), optax.sgd(2 * rate))},
    ),
    ids=("inner_lr", "rate of Adam", "rate in a chain"),
)
def test_training_under_vmap_over_a_number_is_training_with_each(options, net):
    def trained(rate):
        return eqx.filter(run(net, steps=3, **options(rate)).model, eqx.is_array)

    rates = jnp.array([0.01, 0.1])
    together = jax.vmap(trained)(rates)
    for i, rate in enumerate(rates):
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], together), trained(rate), rtol=1e-4)


def test_nothing_is_kept_from_inside_a_program(net, tmp_path):
    with pytest.raises(ls.InputError, match="inside `jax.vmap`"):
        jax.vmap(lambda rate: run(net, optax.sgd(rate), out=tmp_path).steps)(jnp.ones(2))


def test_a_number_that_a_function_holds_is_found():
    assert not is_traced(optax.adam(1e-3), MAML, jnp.ones(2), [len, 3])
    found = jax.vmap(lambda rate: jnp.asarray(is_traced([{"a": optax.adamw(rate)}])))(jnp.ones(2))
    assert bool(found.all())


def test_several_seeds_are_evaluated_as_each_alone():
    keys = jr.split(jr.key(0), 3)
    models = eqx.filter_vmap(lambda key: ls.MLP(1, 1, width=4, depth=1, key=key))(keys)
    result = ls.evaluate(MAML, models, ls.Sinusoids(), key=keys, num_tasks=7)
    assert result.errors.shape == (3, 7, 2) and result.num_tasks == 21 and result.steps == 1
    means = []
    for i in range(3):
        model = jax.tree.map(lambda leaf, i=i: leaf[i] if eqx.is_array(leaf) else leaf, models)
        alone = ls.evaluate(MAML, model, ls.Sinusoids(), key=keys[i], num_tasks=7)
        assert_close(result.errors[i], alone.errors)
        means.append(np.asarray(alone.mean))
    assert np.allclose(result.mean, np.mean(means, axis=0))
    half = 4.302652729911275 * np.std(means, axis=0, ddof=1) / np.sqrt(3)  # Student's, two degrees
    assert np.allclose(result.ci95, half)
    assert "of 3 seeds" in str(result)
