"""Multi-task methods: each is a known method when its own part is removed."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls

NUM = 4  # tasks
gradient = eqx.filter_jit(
    lambda method, model, batch, key: method.gradient(model, batch, None, key=key)[::2]
)


@pytest.fixture
def key(getkey):
    return getkey()


@jax.jit
def draw(key):
    sizes = {"num_tasks": NUM, "points": 7, "held_out": 8}
    tasks = ls.FiniteTasks.from_family(ls.Sinusoids(3, 4), **sizes, key=key)
    return tasks.draw(NUM, ls.Split.TEST, key=key)


@pytest.fixture
def batch(getkey):
    """Four tasks of seven points, each task once."""
    return draw(getkey())


make = eqx.filter_jit(lambda key: ls.MLP(1, 1, width=3, depth=1, activation=jnp.tanh, key=key))


@pytest.fixture
def models(getkey):
    return ls.models.separate(make, NUM, key=getkey())


@pytest.fixture
def equal_models(models):
    return jax.tree.map(lambda leaf: jnp.asarray(np.stack([np.asarray(leaf)[0]] * NUM)), models)


def matrix(tree):
    """Trees with a leading `tasks` axis as a NumPy matrix with a row for each task."""
    return np.concatenate(
        [np.asarray(leaf, np.float64).reshape(NUM, -1) for leaf in jax.tree.leaves(tree)], axis=1
    )


@pytest.mark.slow
def test_pooled_training_takes_the_mean_over_present_tasks(models, batch, key):
    present = jax.tree.map(lambda leaf: leaf[:-1], batch)
    absent = eqx.tree_at(
        lambda b: (b.support.weight, b.query.weight), batch, replace_fn=lambda w: w.at[-1].set(0)
    )
    ours, expected = (gradient(ls.Pooled(), models, part, key) for part in (absent, present))
    assert_close(ours, expected)


def test_soft_sharing_without_penalties_learns_every_task_alone(models, batch, key):
    shared, pooled = (
        gradient(method, models, batch, key) for method in (ls.SoftSharing(), ls.Pooled())
    )
    assert_close(shared, pooled)


def test_the_pull_to_the_mean_vanishes_if_all_models_are_equal(equal_models, batch, key):
    assert_close(
        gradient(ls.SoftSharing(to_mean=10.0), equal_models, batch, key),
        gradient(ls.Pooled(), equal_models, batch, key),
    )


def test_penalties_are_the_mean_squared_norm_and_distance_to_the_mean(models, batch, key):
    to_zero, to_mean = 0.3, 0.7
    pulled = gradient(ls.SoftSharing(to_zero=to_zero, to_mean=to_mean), models, batch, key)[0]
    free = gradient(ls.Pooled(), models, batch, key)[0]
    params = matrix(models)
    expected = 2 / NUM * (to_zero * params + to_mean * (params - params.mean(axis=0)))
    assert np.allclose(matrix(pulled) - matrix(free), expected, rtol=1e-4, atol=1e-6)


def test_the_loss_that_soft_sharing_reports_is_without_penalties(models, batch, key):
    assert_close(
        gradient(ls.SoftSharing(to_zero=5.0), models, batch, key)[1]["loss"],
        gradient(ls.Pooled(), models, batch, key)[1]["loss"],
    )


@pytest.mark.parametrize("bad", ({"to_zero": -1.0}, {"to_mean": float("nan")}), ids=str)
def test_an_error_names_the_penalty(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"SoftSharing: `{name}={value}`"):
        ls.SoftSharing(**bad)


class Fixed(ls.AbstractGramian):
    """Constant weights."""

    weighing: tuple[float, ...]
    loss: ls.core.Loss = ls.mse

    def weights(self, gramian, present, *, key):
        return jnp.asarray(self.weighing)


class Norms(ls.AbstractGramian):
    """Weights that make every task's gradient one unit long."""

    loss: ls.core.Loss = ls.mse

    def weights(self, gramian, present, *, key):
        return 1 / jnp.sqrt(jnp.diagonal(gramian))


def views(model, getkey):
    return {"one model": model, "shared body": ls.SharedBody(model, num_tasks=NUM, key=getkey())}


@pytest.mark.parametrize("which", ("one model", "shared body"))
def test_uniform_weights_are_the_pooled_gradient(which, model, batch, key, getkey):
    of_tasks = views(model, getkey)[which]
    uniform, loss = gradient(Fixed((1 / NUM,) * NUM), of_tasks, batch, key)
    pooled, pooled_loss = gradient(ls.Pooled(), of_tasks, batch, key)
    assert_close((uniform, loss["loss"]), (pooled, pooled_loss["loss"]))


@pytest.mark.parametrize("which", ("one model", "shared body"))
def test_task_gradients_are_the_gradients_of_each_task(which, model, batch, getkey):
    of_tasks = views(model, getkey)[which]
    losses, grads = eqx.filter_jit(ls.multitask.task_gradients)(ls.mse, of_tasks, batch)

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def alone(model, task):
        view = model.for_task(task.index) if which == "shared body" else model
        support, query = (
            ((ls.predict(view, points.x) - points.y) ** 2).sum()
            for points in (task.support, task.query)
        )
        return (support + query) / 7

    for i in range(NUM):
        task, expected = (
            jax.tree.map(lambda leaf, i=i: jnp.asarray(np.asarray(leaf)[i]), t)
            for t in (batch, grads)
        )
        loss, own = alone(of_tasks, task)
        assert np.isclose(loss, losses[i], rtol=1e-5)
        assert_close(own, expected)


def test_weights_depend_on_the_gramian_and_mix_the_rows(model, batch, key):
    grads = matrix(eqx.filter_jit(ls.multitask.task_gradients)(ls.mse, model, batch)[1])
    mixed = gradient(Norms(), model, batch, key)[0]
    expected = (grads / np.linalg.norm(grads, axis=1, keepdims=True)).sum(axis=0)
    flat = np.concatenate([np.ravel(g) for g in jax.tree.leaves(mixed)])
    assert np.allclose(flat, expected, rtol=1e-4, atol=1e-6)
