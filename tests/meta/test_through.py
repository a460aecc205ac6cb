"""The gradient through adaptation, which is the same whether tasks are scanned or batched."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core._lowering import fast_dots
from learnset.meta._through import batched, scanned, should_scan


def images(tasks, points, ways=2):
    x = jr.normal(jr.key(1), (tasks, 2, points, 8, 8, 1))
    y = jnp.broadcast_to(jnp.eye(ways)[jnp.arange(points) % ways], (tasks, points, ways))
    parts = [jax.vmap(ls.Batch)(x[:, part], y) for part in range(2)]
    return ls.Task(*parts, jnp.arange(tasks), jnp.zeros((tasks, 0)))


def network(filters):
    encoder = ls.Conv4(
        (8, 8, 1),
        filters=filters,
        blocks=2,
        strided=True,
        normalisation=ls.models.BatchNorm,
        key=jr.key(2),
    )
    return ls.models.classifier(encoder, 2, key=jr.key(3))


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", (ls.MAML(ls.cross_entropy, 0.1), ls.ProtoNet()), ids=("MAML", "ProtoNet")
)
def test_scanned_and_batched_tasks_have_the_same_loss_and_gradient(method):
    @eqx.filter_jit
    def both(model, tasks):
        arguments = model, method.adapter, method.loss, tasks
        return fast_dots(lambda: (scanned(*arguments), batched(*arguments)))()

    assert_close(*both(network(4), images(3, 4)), rtol=1e-4, atol=1e-5)


def test_only_large_tasks_are_scanned_and_only_on_a_cpu():
    maml, tasks, cpu = ls.MAML(ls.cross_entropy, 0.1), images(1, 20), jax.default_backend() == "cpu"
    assert not should_scan(network(4), maml.adapter, tasks)
    assert should_scan(network(64), maml.adapter, tasks) is cpu
    assert not should_scan(network(64), ls.ANIL(ls.cross_entropy, 0.1).adapter, tasks)
    assert not should_scan(network(64), ls.ProtoNet().adapter, tasks)
