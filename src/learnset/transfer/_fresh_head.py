"""A new head for new classes, then fine-tuning."""

import abc
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

import equinox as eqx
from jaxtyping import PyTree

from ..core import (
    AbstractIterativeAdapter,
    Batch,
    cross_entropy,
    features,
    Model,
    Predictor,
    settled,
)
from ..models import Headed
from ._descent import AbstractDescent
from ._fine_tune import FineTune
from ._heads import zero_head
from ._prototypes import encoder

if TYPE_CHECKING:  # which would count an AbstractVar as the first argument of subclasses
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar


class AbstractRenewed(AbstractIterativeAdapter):
    """Fine-tuning of a model that has another head at its start. A subclass defines `renewed`."""

    descent: AbstractVar[AbstractDescent]

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.descent.adapt(self.renewed(model, support), support)

    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        return self.descent.trace(self.renewed(model, support), support, observe)

    def trace_at(
        self,
        model: Model,
        support: Batch,
        observe: Callable[[Predictor], PyTree],
        steps: tuple[int, ...],
    ) -> PyTree:
        return self.descent.trace_at(self.renewed(model, support), support, observe, steps)

    @property
    def steps(self) -> int:
        """Steps of fine-tuning."""
        return self.descent.steps

    @abc.abstractmethod
    def renewed(self, model: Model, support: Batch) -> Model:
        """The model with the new head, before any step."""


class FreshHead(AbstractRenewed):
    """A new head for a pretrained classifier, made for the classes of the task, then fine-tuning.

    The head from pretraining has the classes of the training set, and is dropped.

    **Arguments:**

    - `descent`: the fine-tuning: `FineTune`, of everything or of the part `where=` (only the head,
      say).
    - `start`: makes the new head from the features of the support set: `zero_head`, or
      `prototype_head`.

    Source: Chen et al. 2019, *A Closer Look at Few-shot Classification*, §3.2 (only the head);
    Dhillon et al. 2020, *A Baseline for Few-Shot Image Classification*, §3 (everything, from class
    means of unit length).

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> descent = ls.FineTune(ls.cross_entropy, lr=0.1, steps=5)
    >>> adapter = ls.transfer.FreshHead(descent, start=ls.transfer.prototype_head)
    >>> predictor = adapter.adapt(model, ls.Batch(jnp.eye(3), jnp.eye(3)))
    >>> predictor(jnp.array([0.0, 0.0, 1.0])).argmax().item()
    2
    """

    descent: AbstractDescent = FineTune(cross_entropy)
    start: Callable[[Batch], Any] = eqx.field(static=True, default=zero_head)

    def renewed(self, model: Model, support: Batch) -> Headed:
        values = features(settled(model, support), support.x, support.weight)
        return Headed(encoder(model), self.start(Batch(values, support.y, support.weight)))
