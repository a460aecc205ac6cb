"""The gradient of the query loss through adaptation, which most meta-learners follow."""

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import (
    AbstractAdapter,
    AbstractIterativeAdapter,
    AbstractMethod,
    Batch,
    check_not_negative,
    check_positive,
    for_task,
    Loss,
    Metrics,
    Model,
    Predictor,
    State,
    Task,
    trace,
)
from ..transfer import AbstractDescent

if TYPE_CHECKING:  # which would count an AbstractVar as the first argument of subclasses
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar

# Points times the numbers that one task moves: at an 80-80 network and 20 points, `scanned` and
# `batched` are equally fast.
SCAN_FROM = 2**17


class AbstractMetaLearner(AbstractMethod, AbstractIterativeAdapter):
    """A meta-learner whose gradient goes through its adapter: that of the query loss after
    adaptation to the support set.

    A new meta-learner is a new adapter. Fields: `loss`, and the numbers that the `adapter` is made
    from.
    """

    loss: AbstractVar[Loss]

    def __check_init__(self):
        check_positive(type(self).__name__, inner_lr=getattr(self, "inner_lr", None))
        check_not_negative(type(self).__name__, steps=getattr(self, "steps", None))

    @property
    @abc.abstractmethod
    def adapter(self) -> AbstractAdapter:
        """The adapter that learns one task."""

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        del key
        loss_and_gradient = scanned if should_scan(model, self.adapter, tasks) else batched
        loss, grads = loss_and_gradient(model, self.adapter, self.loss, tasks)
        return grads, state, {"loss": loss}

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.adapter.adapt(model, support)

    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        return trace(self.adapter, model, support, observe)


def query_loss(model: Model, adapter: AbstractAdapter, loss: Loss, tasks: Task) -> Float[Array, ""]:
    """The mean over tasks of the loss on the query set after adaptation to the support set."""
    return jax.vmap(lambda task: loss_of_one(model, adapter, loss, task))(tasks).mean()


def loss_of_one(model: Model, adapter: AbstractAdapter, loss: Loss, task: Task) -> Float[Array, ""]:
    """The loss on the query set after adaptation to the support set, of one task."""
    return loss(adapter.adapt(for_task(model, task.index), task.support), task.query)


def batched(
    model: Model, adapter: AbstractAdapter, loss: Loss, tasks: Task
) -> tuple[Float[Array, ""], PyTree]:
    """`query_loss` and its gradient, all tasks at once. `scanned` is tested against it."""
    return eqx.filter_value_and_grad(query_loss)(model, adapter, loss, tasks)


def scanned(
    model: Model, adapter: AbstractAdapter, loss: Loss, tasks: Task
) -> tuple[Float[Array, ""], PyTree]:
    """`query_loss` and its gradient, one task after another: the memory of one task, for any
    number."""

    def of_one(task: Task) -> tuple[Float[Array, ""], PyTree]:
        return eqx.filter_value_and_grad(loss_of_one)(model, adapter, loss, task)

    def add(total: PyTree, task: Task) -> tuple[PyTree, None]:
        return jax.tree.map(jnp.add, total, of_one(task)), None

    count, first = tasks.index.shape[0], jax.tree.map(lambda leaf: leaf[0], tasks)
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(of_one, first)
    )
    return jax.tree.map(lambda leaf: leaf / count, jax.lax.scan(add, zeros, tasks)[0])


def should_scan(model: Model, adapter: AbstractAdapter, tasks: Task) -> bool:
    """Whether `scanned` is faster: on a CPU (measured on one thread), if each task moves many
    numbers. With weights that all tasks share, and on other devices, `batched` is faster."""
    if jax.default_backend() != "cpu" or not isinstance(adapter, AbstractDescent):
        return False
    task = jax.tree.map(lambda leaf: leaf[0], tasks)
    moved = jax.eval_shape(lambda: adapter.plan(for_task(model, task.index), task.support)[0])
    points = tasks.support.x.shape[1] + tasks.query.x.shape[1]
    return points * sum(leaf.size for leaf in jax.tree.leaves(moved)) >= SCAN_FROM
