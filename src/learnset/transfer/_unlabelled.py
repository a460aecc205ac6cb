"""The common part of training with a labelled source and an unlabelled target."""

import abc
from typing import Any, TYPE_CHECKING

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PyTree, Shaped

from ..core import AbstractMethod, Batch, for_task, Loss, Metrics, Model, State, Task

if TYPE_CHECKING:
    # Type checkers would take an AbstractVar for the first argument of the constructor.
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar


class AbstractUnlabelled(AbstractMethod):
    """A method that learns from a labelled source and from inputs of a target: of each task, the
    support set is the source and the inputs of the query set are the target. Labels of the query
    set are never read.

    The loss is that of the source, plus `strength` times a discrepancy that a subclass defines.
    """

    loss: AbstractVar[Loss]
    strength: AbstractVar[float | Float[Array, ""]]

    @abc.abstractmethod
    def discrepancy(
        self,
        model: Model,
        source: Batch,
        target: Shaped[Array, "points *in"],
        weight: Float[Array, "points"],
    ) -> Float[Array, ""]:
        """How far apart source and target are for the model, or how undecided it is about the
        target. Points without weight have no part in it."""

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        del key

        def of_task(model: Model, task: Task) -> tuple[Array, Array]:
            one = for_task(model, task.index)
            weight = task.query.weight.reshape(len(task.query.weight), -1).max(axis=1)
            apart = self.discrepancy(one, task.support, task.query.x, weight)
            return self.loss(predictor(one), task.support), apart

        @eqx.filter_value_and_grad(has_aux=True)
        def objective(model: Model) -> tuple[Array, Metrics]:
            supervised, apart = jax.vmap(lambda task: of_task(model, task))(tasks)
            metrics = {"source": supervised.mean(), "discrepancy": apart.mean()}
            return metrics["source"] + self.strength * metrics["discrepancy"], metrics

        (loss, metrics), grads = objective(model)
        return grads, state, {"loss": loss} | metrics


def predictor(model: Any) -> Any:
    """The classifier inside a model that is trained with a discriminator; otherwise the model."""
    return getattr(model, "classifier", model)
