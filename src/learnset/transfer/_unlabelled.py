"""The common part of training with a labelled source and an unlabelled target."""

import abc
from typing import Any, TYPE_CHECKING

from jaxtyping import Array, Float, Key, PyTree, Shaped

from ..core import (
    AbstractMethod,
    Batch,
    for_task,
    Loss,
    mean_gradient,
    Metrics,
    Model,
    State,
    Task,
    weight_of_points,
)

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

        def objective(model: Model, task: Task) -> tuple[Array, Metrics]:
            one = for_task(model, task.index)
            weight = weight_of_points(task.query.weight)
            apart = self.discrepancy(one, task.support, task.query.x, weight)
            supervised = self.loss(predictor(one), task.support)
            metrics = {"source": supervised, "discrepancy": apart}
            return supervised + self.strength * apart, metrics

        (loss, metrics), grads = mean_gradient(objective, model, tasks, has_aux=True)
        return grads, state, {"loss": loss} | metrics


def predictor(model: Any) -> Any:
    """The classifier inside a model that is trained with a discriminator; otherwise the model."""
    return getattr(model, "classifier", model)
