"""The gradients of tasks, and the parameters that tasks share."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ..core import for_task, Loss, mix, Model, rows, Task, trainable


def task_gradients(loss: Loss, model: Model, tasks: Task) -> tuple[Float[Array, "tasks"], PyTree]:
    """The losses and the gradients of tasks, each on all its points.

    **Returns:** losses, and gradients with the structure of the model and a leading `tasks` axis.

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
    """The function of each task. Inputs that all tasks share are not mapped over, so that what
    depends only on them is computed once, also in the backward pass of a sum over tasks. For a
    gradient of each task this was measured to be no faster, because its products have a form that
    is slow on a CPU."""
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
    """Which tasks are present in the batch: those with any point or label that has weight."""
    return jax.vmap(lambda task: task.points.weight.max() > 0)(tasks)


def own_and_shared(tree: PyTree) -> tuple[PyTree, PyTree]:
    """The parameters (or gradients) that single tasks own, `model.own`, such as the heads of
    `SharedBody`; and those that tasks share. Only about the latter can tasks be in conflict."""
    if not hasattr(tree, "own"):
        return jax.tree.map(lambda _: None, tree), tree
    return trainable(tree, lambda model: model.own)


def shared_rows(grads: PyTree) -> Float[Array, "tasks params"]:
    """The gradients of tasks, which have a leading `tasks` axis, as a matrix over the shared
    parameters."""
    shared = own_and_shared(grads)[1]
    if jax.tree.leaves(shared):
        return rows(shared)
    return jnp.zeros((len(jax.tree.leaves(grads)[0]), 0))


def mean_of_own(grads: PyTree, present: Bool[Array, "tasks"]) -> PyTree:
    """The mean over the present tasks of the gradients of parameters that single tasks own; `None`
    for shared parameters."""
    return mix(even(present), own_and_shared(grads)[0])


def weighted_gradient(
    loss: Loss, model: Model, tasks: Task, weights: Float[Array, "tasks"]
) -> PyTree:
    """The gradient of the weighted loss for shared parameters, and of the mean loss for parameters
    that single tasks own."""
    moving, fixed = trainable(model)
    own, shared = own_and_shared(moving)

    def total(own: PyTree, shared: PyTree, weights: Float[Array, "tasks"]) -> Float[Array, ""]:
        return weights @ task_losses(loss, eqx.combine(own, shared, fixed), tasks)

    equal = even(in_batch(tasks)).astype(weights.dtype)
    of_shared = jax.grad(total, argnums=1)(own, shared, weights)
    return eqx.combine(of_shared, jax.grad(total)(own, shared, equal))


def even(present: Bool[Array, "tasks"]) -> Float[Array, "tasks"]:
    """Equal weights of the present tasks, which sum to one."""
    ones = present.astype(float)
    return ones / jnp.maximum(ones.sum(), 1)
