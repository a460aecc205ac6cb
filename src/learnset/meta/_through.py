"""The gradient of the query loss through adaptation, which most meta-learners follow."""

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
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
    mean_gradient,
    Metrics,
    Model,
    Predictor,
    State,
    Task,
    trace,
)

if TYPE_CHECKING:  # which would count an AbstractVar as the first argument of subclasses
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar


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
        loss, grads = mean_gradient(
            lambda model, task: loss_of_one(model, self.adapter, self.loss, task), model, tasks
        )
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
