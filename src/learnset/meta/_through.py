"""Meta-learning: the gradient of the query loss through adaptation."""

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

if TYPE_CHECKING:
    from typing import (
        ClassVar as AbstractVar,  # type checkers take an AbstractVar for the first argument
    )
else:
    from equinox import AbstractVar

APART = (
    2**17
)  # points times what one task moves; the two ways are as fast for an 80-80 network and 20 points


class AbstractMetaLearner(AbstractMethod, AbstractIterativeAdapter):
    """A method whose gradient goes through its adapter: query loss after adaptation to the support set.

    A new meta-learner is a new adapter. Fields: `loss`, and whatever the `adapter` is made from.
    """

    loss: AbstractVar[Loss]

    def __check_init__(self):
        check_positive(type(self).__name__, inner_lr=getattr(self, "inner_lr", None))
        check_not_negative(type(self).__name__, steps=getattr(self, "steps", None))

    @property
    @abc.abstractmethod
    def adapter(self) -> AbstractAdapter:
        """How one task is learnt."""

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        del key
        way = one_by_one if apart(model, self.adapter, tasks) else together
        loss, grads = way(model, self.adapter, self.loss, tasks)
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


def together(
    model: Model, adapter: AbstractAdapter, loss: Loss, tasks: Task
) -> tuple[Float[Array, ""], PyTree]:
    """`query_loss` and its gradient, all tasks at once: the test of the other way."""
    return eqx.filter_value_and_grad(query_loss)(model, adapter, loss, tasks)


def one_by_one(
    model: Model, adapter: AbstractAdapter, loss: Loss, tasks: Task
) -> tuple[Float[Array, ""], PyTree]:
    """`query_loss` and its gradient, one task after the other: memory is that of one, whatever the meta-batch."""

    def of_one(task: Task) -> tuple[Float[Array, ""], PyTree]:
        return eqx.filter_value_and_grad(loss_of_one)(model, adapter, loss, task)

    def add(total: PyTree, task: Task) -> tuple[PyTree, None]:
        return jax.tree.map(jnp.add, total, of_one(task)), None

    count, first = tasks.index.shape[0], jax.tree.map(lambda leaf: leaf[0], tasks)
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(of_one, first)
    )
    return jax.tree.map(lambda leaf: leaf / count, jax.lax.scan(add, zeros, tasks)[0])


def apart(model: Model, adapter: AbstractAdapter, tasks: Task) -> bool:
    """Whether tasks are better taken one by one: where each moves many numbers, on a CPU (measured on one thread).
    Learners whose weights are the same for all tasks, and other devices, want all tasks at once."""
    if jax.default_backend() != "cpu" or not isinstance(adapter, AbstractDescent):
        return False
    task = jax.tree.map(lambda leaf: leaf[0], tasks)
    moved = jax.eval_shape(lambda: adapter.plan(for_task(model, task.index), task.support)[0])
    points = tasks.support.x.shape[1] + tasks.query.x.shape[1]
    return points * sum(leaf.size for leaf in jax.tree.leaves(moved)) >= APART
