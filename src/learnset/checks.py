"""Checks of the promises that methods, adapters and tasks keep, for ours and for your own.

>>> import learnset as ls
>>> ls.checks.method(ls.Pooled(ls.mse))
>>> ls.checks.adapter(ls.Ridge())
>>> ls.checks.tasks(ls.Sinusoids())
"""

import functools
import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from .core import (
    AbstractAdapter,
    AbstractIterativeAdapter,
    AbstractMethod,
    Batch,
    for_task,
    Model,
    point_weight,
    predict,
    present,
    Split,
    Task,
    trace,
    trainable,
)
from .models import MLP
from .tasks import AbstractTasks, Sinusoids


def method(
    method: AbstractMethod,
    model: Model | None = None,
    tasks: AbstractTasks | None = None,
    *,
    tolerance: float = 1e-3,
) -> None:
    """Checks that a method can be trained by `train`:

    1. its gradient has the structure and shapes of the trained part of the model, and is finite;
    2. it reports a scalar `loss`, and its state keeps its structure;
    3. the same key gives the same gradient, compiled or not;
    4. tasks in another order give the same gradient, if the method is not random;
    5. a point of weight zero changes nothing, whatever its values are;
    6. it can be mapped over seeds;
    7. ten small steps against the gradient lower the loss, or keep it, on the same tasks.

    **Arguments:** `model`, `tasks`: to check it on; default: an `MLP` on `Sinusoids`. `tolerance`:
    relative, between computations that may round differently.

    **Raises:** `AssertionError` that names the promise.
    """
    tasks = Sinusoids(shots=5, queries=6) if tasks is None else tasks
    model = _small_model() if model is None else model
    batch = _drawn(tasks, 4, Split.TRAIN)
    state = method.init(model)

    def gradient(model: Model, batch: Task) -> tuple[PyTree, PyTree, dict[str, Any]]:
        return method.gradient(model, batch, state, key=jr.key(2))

    grads, new_state, metrics = gradient(model, batch)
    _same_structure(
        grads, trainable(model)[0], "1. the gradient has the structure and shapes of the model"
    )
    _promise(_finite(grads), "1. the gradient is finite")
    _promise(
        "loss" in metrics and jnp.shape(metrics["loss"]) == (), "2. `metrics` has a scalar `loss`"
    )
    _same_structure(new_state, state, "2. the state keeps its structure and shapes")
    again = gradient(model, batch)[0]
    _promise(_equal(grads, again), "3. same key, same gradient")
    compiled = eqx.filter_jit(gradient)(model, batch)[0]
    _close(grads, compiled, tolerance, "3. compiled and plain gradients agree")
    padded, garbage = (gradient(model, _padded(batch, value))[0] for value in (0.0, 7.0))
    if not _random(method, model, batch, state):
        turned = gradient(model, _turned(batch))[0]
        _close(grads, turned, tolerance, "4. the order of tasks does not matter")
        _close(padded, grads, tolerance, "5. points of weight zero change nothing")
    _close(garbage, padded, tolerance, "5. the values of absent points change nothing")
    mapped = jax.vmap(lambda key: method.gradient(model, batch, state, key=key)[0])(
        jr.split(jr.key(2), 2)
    )
    _promise(_finite(mapped), "6. it can be mapped over seeds")
    descends = _descends(method, model, batch, state)
    _promise(descends, "7. small steps against the gradient do not raise the loss")


def adapter(
    adapter: AbstractAdapter,
    model: Model | None = None,
    tasks: AbstractTasks | None = None,
    *,
    tolerance: float = 1e-3,
) -> None:
    """Checks that an adapter can be evaluated and learnt through:

    1. the predictor takes one input, and its predictions are finite;
    2. points in another order give the same predictor;
    3. points of weight zero change nothing, whatever their values are;
    4. many tasks at once give the same as one at a time;
    5. `trace` ends where `adapt` ends, and has one entry more than there are steps.

    **Raises:** `AssertionError` that names the promise.
    """
    tasks = Sinusoids(shots=5, queries=6) if tasks is None else tasks
    model = _small_model() if model is None else model
    batch = _drawn(tasks, 3, Split.TEST)
    one = jax.tree.map(lambda leaf: leaf[0], batch)
    view = for_task(model, one.index)

    def predictions(support: Batch) -> PyTree:
        return predict(adapter.adapt(view, support), one.query.x)

    expected = predictions(one.support)
    _promise(_finite(expected), "1. predictions are finite")
    turned = predictions(_turned(one.support))
    _close(turned, expected, tolerance, "2. the order of points does not matter")
    for value in (0.0, 7.0):
        padded = jax.tree.map(lambda leaf: leaf[0], _padded(batch, value)).support
        _close(predictions(padded), expected, tolerance, "3. points of weight zero change nothing")
    many = jax.vmap(
        lambda task: predict(adapter.adapt(for_task(model, task.index), task.support), task.query.x)
    )(batch)
    first = jax.tree.map(lambda leaf: leaf[0], many)
    _close(first, expected, tolerance, "4. many tasks at once give the same as one at a time")
    observed = trace(adapter, view, one.support, lambda predictor: predict(predictor, one.query.x))
    last = jax.tree.map(lambda leaf: leaf[-1], observed)
    _close(last, expected, tolerance, "5. `trace` ends where `adapt` ends")
    if isinstance(adapter, AbstractIterativeAdapter):
        lengths = {len(leaf) for leaf in jax.tree.leaves(observed)}
        steps = getattr(adapter, "steps", max(lengths) - 1)
        _promise(lengths == {steps + 1}, f"5. `trace` has one entry more than its {steps} steps")


def tasks(tasks: AbstractTasks) -> None:
    """Checks that `train` and `evaluate` can draw from a distribution:

    1. the same key gives the same task, and another key a different one;
    2. support and query have `shots` and `queries` points, finite inputs, and no negative weights;
    3. targets that count are finite;
    4. the splits differ;
    5. it can be drawn from inside a compiled function.

    **Raises:** `AssertionError` that names the promise.
    """
    draws = {split: tasks.draw(4, split, key=jr.key(0)) for split in Split}
    batch = draws[Split.TRAIN]
    again, other = (tasks.draw(4, Split.TRAIN, key=jr.key(seed)) for seed in (0, 1))
    _promise(_equal(batch, again), "1. the same key gives the same tasks")
    _promise(not _equal(batch, other), "1. another key gives other tasks")
    sets = (("support", batch.support, tasks.shots), ("query", batch.query, tasks.queries))
    for name, points, count in sets:
        shape = points.x.shape[:2]
        _promise(shape == (4, count), f"2. {name} sets have {count} points, here {shape}")
        _promise(_finite(points.x), f"2. {name} inputs are finite")
        least = float(np.asarray(points.weight).min())
        _promise(least >= 0, f"2. {name} weights are not negative")
        targets = present(points.y, point_weight(points))
        _promise(_finite(targets), f"3. {name} targets that count are finite")
    for one, two in itertools.combinations(Split, 2):
        different = not _equal(draws[one].query.y, draws[two].query.y)
        _promise(different, f"4. {one.name} and {two.name} queries differ")
    compiled = eqx.filter_jit(lambda key: tasks.draw(4, Split.TRAIN, key=key))(jr.key(0))
    _close(compiled.query, batch.query, 1e-5, "5. compiled and plain draws agree")


def _small_model() -> MLP:
    # Smooth, so that kinks do not disturb promises about small steps and rounding.
    return MLP(1, 1, width=8, depth=2, activation=jnp.tanh, key=jr.key(0))


# Numbers are compared and turned on the host, where nothing is compiled for it.


def _finite(tree: PyTree) -> bool:
    leaves = map(np.asarray, jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array)))
    return all(bool(np.isfinite(leaf).all()) for leaf in leaves)


def _equal(left: PyTree, right: PyTree) -> bool:
    """Whether the arrays are equal bit for bit."""
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)


def _drawn(tasks: AbstractTasks, number: int, split: Split) -> Task:
    """Tasks whose arrays have the types that those made on the host have."""
    batch = tasks.draw(number, split, key=jr.key(1))
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), batch)


def _turned(tree: PyTree) -> PyTree:
    """The arrays from their last entry to their first."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[::-1]), tree)


def _promise(kept: bool, promise: str) -> None:
    if not kept:
        raise AssertionError(f"A promise is not kept: {promise}.")


def _same_structure(left: PyTree, right: PyTree, promise: str) -> None:
    shapes = [
        jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), tree)
        for tree in (left, right)
    ]
    _promise(shapes[0] == shapes[1] or str(shapes[0]) == str(shapes[1]), promise)


def _close(left: PyTree, right: PyTree, tolerance: float, promise: str) -> None:
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        scale = tolerance * max(1e-6, float(np.abs(b).max(initial=0)))
        _promise(np.allclose(a, b, rtol=tolerance, atol=scale, equal_nan=True), promise)


def _random(method: AbstractMethod, model: Model, batch: Task, state: PyTree) -> bool:
    one, two = (method.gradient(model, batch, state, key=jr.key(seed))[0] for seed in (2, 3))
    return not _equal(one, two)


def _padded(batch: Task, value: float) -> Task:
    """The tasks with one more point in each set, of weight zero and of values `value`."""

    def pad(points: Batch) -> Batch:
        def more(leaf: jax.Array, fill: float) -> jax.Array:
            widths = [(0, 0), (0, 1)] + [(0, 0)] * (leaf.ndim - 2)
            return jnp.asarray(np.pad(np.asarray(leaf), widths, constant_values=fill))

        return Batch(more(points.x, value), more(points.y, value), more(points.weight, 0.0))

    sets = (pad(batch.support), pad(batch.query))
    return eqx.tree_at(lambda task: (task.support, task.query), batch, sets)


def _stepped(parameter: jax.Array, gradient: jax.Array, *, rate: float) -> jax.Array:
    new = np.asarray(parameter) - rate * np.asarray(gradient)
    return jnp.asarray(new, parameter.dtype)


def _descends(method: AbstractMethod, model: Model, batch: Task, state: PyTree) -> bool:
    """Whether ten small normalised steps lower the reported loss, or raise it by at most 1 %."""
    moving, fixed = trainable(model)
    losses = []
    for _ in range(11):
        grads, state, metrics = method.gradient(
            eqx.combine(moving, fixed), batch, state, key=jr.key(4)
        )
        losses.append(float(metrics["loss"]))
        norm = np.sqrt(sum((np.asarray(g) ** 2).sum() for g in jax.tree.leaves(grads))) + 1e-12
        step = functools.partial(_stepped, rate=1e-2 / norm)
        moving = jax.tree.map(step, moving, grads)
    return losses[-1] <= losses[0] + 1e-2 * abs(losses[0])
