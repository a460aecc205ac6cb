"""Meta-learning: the gradient of the query loss through adaptation."""

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PyTree

from .._errors import check_not_negative, check_positive
from .._losses import Loss
from .._method import AbstractAdapter, AbstractIterativeAdapter, AbstractMethod, Metrics, trace
from .._predict import for_task
from .._types import Batch, Model, Predictor, State, Task

if TYPE_CHECKING:
    from typing import ClassVar as AbstractVar  # type checkers take an AbstractVar for the first argument
else:
    from equinox import AbstractVar


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
        loss, grads = eqx.filter_value_and_grad(query_loss)(model, self.adapter, self.loss, tasks)
        return grads, state, {"loss": loss}

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.adapter.adapt(model, support)

    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        return trace(self.adapter, model, support, observe)


def query_loss(model: Model, adapter: AbstractAdapter, loss: Loss, tasks: Task) -> Float[Array, ""]:
    """The mean over tasks of the loss on the query set after adaptation to the support set."""

    def of_one(task: Task) -> Float[Array, ""]:
        return loss(adapter.adapt(for_task(model, task.index), task.support), task.query)

    return jax.vmap(of_one)(tasks).mean()
