"""Early stopping: the model that was best on the way, by points that are not trained on."""

import jax
import numpy as np
import optax
import pytest

import learnset as ls


def held_out(model, tasks):
    points = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), tasks.held_out)
    return ls.mse(model, points)


@pytest.mark.slow
def test_early_stopping_changes_no_step_and_keeps_the_best_model(getkey):
    tasks = ls.FiniteTasks.from_family(
        ls.Sinusoids(4, 4), num_tasks=3, points=12, held_out=10, key=getkey()
    )
    model = ls.MLP(1, 1, width=6, depth=1, key=getkey())
    method = ls.multitask.EarlyStopping(ls.Pooled(), tasks.held_out, ls.mse, every=1)
    optimiser = optax.sgd(0.02)
    options = {"steps": 12, "key": getkey(), "tasks_per_step": 3}
    watched, plain = (
        ls.train(m, model, tasks, optimiser, **options) for m in (method, ls.Pooled())
    )
    for a, b in zip(jax.tree.leaves(watched.model), jax.tree.leaves(plain.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    shorter = [
        ls.train(ls.Pooled(), model, tasks, optimiser, **options | {"steps": steps}).model
        for steps in (3, 7)
    ]
    losses = [float(held_out(m, tasks)) for m in (model, *shorter, plain.model)]
    best = float(held_out(method.best(watched.model, watched.state), tasks))
    assert best <= min(losses) + 1e-6
    np.testing.assert_allclose(min(float(watched.state.error), losses[-1]), best, rtol=1e-5)
