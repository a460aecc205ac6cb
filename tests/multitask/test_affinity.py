"""Affinity between tasks: cosines of gradients, and what a step for one task does to another."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls


@pytest.mark.slow
def test_affinity_is_cosines_and_relative_falls_of_losses_one_pair_after_the_other(getkey):
    family = ls.Sinusoids(4, 4)
    tasks = ls.FiniteTasks.from_family(family, num_tasks=3, points=12, held_out=10, key=getkey())
    model = ls.SharedBody(ls.MLP(1, 1, width=5, depth=1, key=getkey()), num_tasks=3, key=getkey())
    method = ls.multitask.Affinity(ls.Pooled(), ls.mse, tasks.points, jnp.arange(3), lr=0.05)
    cosine, lookahead = method.observe(model)
    points = [jax.tree.map(lambda leaf, i=i: leaf[i], tasks.points) for i in range(3)]

    def loss(layers, i):
        whole = eqx.tree_at(lambda m: m.model.layers, model, layers)
        return ls.mse(whole.for_task(jnp.asarray(i)), points[i])

    def flat(tree):
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]).astype(float)

    layers = model.model.layers
    trees = [jax.grad(loss)(layers, i) for i in range(3)]
    grads = [flat(tree) for tree in trees]
    for i, (tree, grad) in enumerate(zip(trees, grads, strict=True)):
        after = jax.tree.map(lambda p, g: p - 0.05 * g, layers, tree)
        for j, other in enumerate(grads):
            expected = grad @ other / np.linalg.norm(grad) / np.linalg.norm(other)
            np.testing.assert_allclose(cosine[i, j], expected, atol=1e-4)
            fall = 1 - loss(after, j) / loss(layers, j)
            np.testing.assert_allclose(lookahead[i, j], fall, atol=1e-4)


def test_tasks_that_contradict_each_other_are_in_conflict(getkey):
    """Opposite targets and one model: a step for one task raises the loss of the other."""
    x = jr.normal(getkey(), (1, 30, 2))
    y = x.sum(axis=2, keepdims=True)
    points = ls.Batch(jnp.concatenate([x, x]), jnp.concatenate([y, -y]), jnp.ones((2, 30)))
    model = ls.multitask.LinearPredictor(jnp.full((2, 1), 1e-3), jnp.zeros(1))
    method = ls.multitask.Affinity(ls.Pooled(), ls.mse, points, jnp.arange(2), lr=0.05)
    cosine, lookahead = method.observe(model)
    assert cosine[0, 1] < -0.99
    assert lookahead[0, 1] < 0 < lookahead[0, 0] and lookahead[1, 0] < 0
