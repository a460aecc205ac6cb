"""The gradient of each task, and which parameters tasks share."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ..core import for_task, Loss, mix, Model, rows, Task, trainable


def task_gradients(loss: Loss, model: Model, tasks: Task) -> tuple[Float[Array, "tasks"], PyTree]:
    """The loss of each task on all its points, and its gradient.

    **Returns:** losses, and gradients of the model's structure with a leading `tasks` axis.

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.Sinusoids().draw(4, ls.Split.TRAIN, key=jr.key(0))
    >>> losses, grads = ls.multitask.task_gradients(ls.mse, ls.MLP(1, 1, key=jr.key(1)), tasks)
    >>> losses.shape, grads.head.bias.shape
    ((4,), (4, 1))
    """
    moving, fixed = trainable(model)

    def of_one(task: Task) -> tuple[Float[Array, ""], PyTree]:
        return jax.value_and_grad(
            lambda part: loss(for_task(eqx.combine(part, fixed), task.index), task.points)
        )(moving)

    return jax.vmap(of_one)(tasks)


def task_losses(loss: Loss, model: Model, tasks: Task) -> Float[Array, "tasks"]:
    """The loss of each task on all its points."""
    return each_task(lambda task: loss(for_task(model, task.index), task.points), tasks)


def each_task(function: Callable[[Task], Any], tasks: Task) -> Any:
    """What the function makes of each task. Inputs that are the same for all are not mapped over, so that what depends on
    them alone is computed once, and so is the way back of a sum over tasks. For a gradient of each task it was measured to
    be no quicker: its products come in a form that is slow on a CPU."""
    if not tasks.same_inputs:
        return jax.vmap(function)(tasks)
    inputs = tasks.support.x[0], tasks.query.x[0]
    without = eqx.tree_at(_inputs, tasks, (None, None))
    return jax.vmap(
        lambda task: function(eqx.tree_at(_inputs, task, inputs, is_leaf=lambda leaf: leaf is None))
    )(without)


def _inputs(task: Task) -> tuple[Any, Any]:
    return task.support.x, task.query.x


def in_batch(tasks: Task) -> Bool[Array, "tasks"]:
    """Which tasks have any point or label with weight: the others are absent from the batch."""
    return jax.vmap(lambda task: task.points.weight.max() > 0)(tasks)


def own_and_shared(tree: PyTree) -> tuple[PyTree, PyTree]:
    """Splits parameters (or gradients of their structure) into those that single tasks own, `model.own`, such as the
    heads of `SharedBody`, and those that tasks share. Only about the latter can tasks be in conflict."""
    if not hasattr(tree, "own"):
        return jax.tree.map(lambda _: None, tree), tree
    return trainable(tree, lambda model: model.own)


def shared_rows(grads: PyTree) -> Float[Array, "tasks params"]:
    """Gradients of tasks, with a leading `tasks` axis, as a matrix of the parameters that are shared."""
    shared = own_and_shared(grads)[1]
    if jax.tree.leaves(shared):
        return rows(shared)
    return jnp.zeros((len(jax.tree.leaves(grads)[0]), 0))


def mean_of_own(grads: PyTree, present: Bool[Array, "tasks"]) -> PyTree:
    """The mean over the tasks that are there of the gradients of what single tasks own; `None` for what is shared."""
    return mix(even(present), own_and_shared(grads)[0])


def weighted_gradient(
    loss: Loss, model: Model, tasks: Task, weights: Float[Array, "tasks"]
) -> PyTree:
    """The gradient of the weighted loss for what tasks share, and of their mean loss for what single tasks own."""
    moving, fixed = trainable(model)
    own, shared = own_and_shared(moving)

    def total(own: PyTree, shared: PyTree, weights: Float[Array, "tasks"]) -> Float[Array, ""]:
        return weights @ task_losses(loss, eqx.combine(own, shared, fixed), tasks)

    of_shared = jax.grad(total, argnums=1)(own, shared, weights)
    return eqx.combine(
        of_shared, jax.grad(total)(own, shared, even(in_batch(tasks)).astype(weights.dtype))
    )


def even(present: Bool[Array, "tasks"]) -> Float[Array, "tasks"]:
    """The same weight for each task that is there, one in all."""
    there = present.astype(float)
    return there / jnp.maximum(there.sum(), 1)
