"""Custom models, and those of other libraries, are trained and adapted as ours are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest
from flax import nnx
from jax import lax

import learnset as ls
from learnset.core._tree import trainable


class Sums(ls.AbstractTasks):
    """Sequences of random numbers, with their sum times a slope that differs between tasks."""

    shots: int = 5
    queries: int = 6

    def sample(self, split, *, key):
        slope_key, x_key = jr.split(split.fold(key))
        x = jr.normal(x_key, (self.shots + self.queries, 4, 1))
        y = jr.uniform(slope_key, (), minval=0.5, maxval=1.5) * x.sum(axis=1)
        support, query = (
            ls.Batch(x[part], y[part]) for part in (slice(self.shots), slice(self.shots, None))
        )
        return ls.Task(support, query)


class Reader(eqx.Module):
    """A recurrent network that reads a sequence and answers at its end."""

    cell: eqx.nn.LSTMCell
    head: eqx.nn.Linear

    def __init__(self, *, key):
        cell_key, head_key = jr.split(key)
        self.cell = eqx.nn.LSTMCell(1, 8, key=cell_key)
        self.head = eqx.nn.Linear(8, 1, key=head_key)

    def __call__(self, xs):
        start = jnp.zeros(8), jnp.zeros(8)
        return self.head(lax.scan(lambda state, x: (self.cell(x, state), None), start, xs)[0][0])


class Forgetful(eqx.Module):
    """A network without a head, and with a part that it never uses."""

    net: ls.MLP
    unused: ls.MLP

    def __init__(self, *, key):
        self.net, self.unused = (ls.MLP(1, 1, width=16, depth=1, key=k) for k in jr.split(key))

    def __call__(self, x):
        return self.net(x)


class Frozen(eqx.Module):
    """Fixed random features in the order of an integer array, and a head that learns."""

    embedding: jax.Array
    order: jax.Array
    net: ls.MLP

    def __init__(self, *, key):
        embedding_key, net_key = jr.split(key)
        self.embedding = jr.normal(embedding_key, (1, 8))
        self.order = jnp.arange(8)[::-1]
        self.net = ls.MLP(8, 1, width=8, depth=1, key=net_key)

    def __call__(self, x):
        return self.net(jnp.sin(x @ lax.stop_gradient(self.embedding))[self.order])


class Flax(nnx.Module):
    def __init__(self, *, rngs):
        self.hidden = nnx.Linear(1, 16, rngs=rngs)
        self.head = nnx.Linear(16, 1, rngs=rngs)

    def __call__(self, x):
        return self.head(jnp.tanh(self.hidden(x)))


def of_flax(*, key):
    """A Flax model wrapped as the documentation of `Function` shows."""
    graph, params = nnx.split(Flax(rngs=nnx.Rngs(params=key)))
    return ls.models.Function(lambda params, x: nnx.merge(graph, params)(x), params)


SINES = ls.Sinusoids(shots=5, queries=6)
MODELS = {
    "lstm": (Reader, Sums()),
    "unused": (Forgetful, SINES),
    "frozen": (Frozen, SINES),
    "equinox": (lambda *, key: eqx.nn.MLP(1, 1, 16, 1, key=key), SINES),
    "flax": (of_flax, SINES),
}
STILL = {
    "unused": lambda model: model.unused,
    "frozen": lambda model: (model.embedding, model.order),
}
each_model = pytest.mark.parametrize("name", MODELS)


def train(name, method, key):
    make, tasks = MODELS[name]
    model_key, train_key = jr.split(key)
    model, adam = make(key=model_key), optax.adam(1e-2)
    settings = {"steps": 100, "tasks_per_step": 8, "log_every": 25, "progress": False}
    return model, ls.train(method, model, tasks, adam, **settings, key=train_key)


def still(name, one, other):
    """Whether the part that must not move is identical to the last bit."""
    return name not in STILL or bool(eqx.tree_equal(STILL[name](one), STILL[name](other)))


def moved(one, other):
    return not eqx.tree_equal(trainable(one)[0], trainable(other)[0])


@pytest.mark.slow
@each_model
def test_pooled_training_lowers_the_loss_and_leaves_fixed_parts(name, getkey):
    model, run = train(name, ls.Pooled(), getkey())
    assert run.metrics["loss"][-1] < 0.95 * run.metrics["loss"][0]
    assert moved(run.model, model) and still(name, run.model, model)


@pytest.mark.slow
@each_model
def test_maml_lowers_the_loss_and_its_model_adapts(name, getkey):
    model, run = train(name, ls.MAML(ls.mse, inner_lr=0.02), getkey())
    assert run.metrics["loss"][-1] < 0.95 * run.metrics["loss"][0]
    assert moved(run.model, model) and still(name, run.model, model)

    support = MODELS[name][1].sample(ls.Split.TEST, key=getkey()).support
    adapted = eqx.filter_jit(ls.FineTune(ls.mse, 0.01, steps=5).adapt)(run.model, support)
    assert ls.mse(adapted, support) < ls.mse(run.model, support)
    assert moved(adapted, run.model) and still(name, adapted, run.model)
