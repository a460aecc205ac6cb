"""The gradient through adaptation of images: the same task by task as all tasks at once."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core import _tiles, fast_dots


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
def test_images_one_task_after_another_give_the_gradient_of_all_at_once(method, monkeypatch):
    def gradient(size):
        monkeypatch.setattr(_tiles, "tile_size", lambda *_: size)
        program = fast_dots(lambda *args: method.gradient(*args, None, key=jr.key(0))[::2])
        return eqx.filter_jit(lambda *args: program(*args))(network(4), images(3, 4))

    assert_close(gradient(1), gradient(None), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices take all at once")
@pytest.mark.parametrize("method", (ls.MAML(ls.cross_entropy, 0.1), ls.ProtoNet()))
def test_large_images_are_taken_task_by_task_also_where_all_tasks_share_the_weights(method):
    def loss(task):
        return method.loss(method.adapt(network(64), task.support), task.query)

    assert _tiles.tile_size(loss, images(2, 20)) == 1
