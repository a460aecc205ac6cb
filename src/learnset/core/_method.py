"""The two verbs. Everything that a method does is one of them, or both."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PyTree

from ._types import Batch, Model, Predictor, State

Metrics = dict[str, Float[Array, ""]]


class AbstractAdapter(eqx.Module):
    """Turns a model and the support set of one task into a predictor for that task.

    `transductive` says whether its prediction for one query depends on the other queries.
    """

    transductive: ClassVar[bool] = False

    @abc.abstractmethod
    def adapt(self, model: Model, support: Batch) -> Predictor:
        """Learns one task.

        **Arguments:**

        - `model`: what past tasks left behind, as this task sees it.
        - `support`: the points to learn from; those of weight zero change nothing.

        **Returns:** a predictor, which takes one input and needs the support set no more.
        """


class AbstractIterativeAdapter(AbstractAdapter):
    """An adapter that goes in steps, and can be watched on its way."""

    @abc.abstractmethod
    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        """Watches adaptation.

        **Returns:** `observe(predictor)` before any step and after each, stacked on a leading `steps` axis of length
        one more than there are steps.
        """

    def trace_at(
        self,
        model: Model,
        support: Batch,
        observe: Callable[[Predictor], PyTree],
        steps: tuple[int, ...],
    ) -> PyTree:
        """`trace`, for whom some of its steps are enough: what is observed after `steps` alone (0 is before any). An
        adapter that can leave the other observations out does so, and need not be differentiable then."""
        return jax.tree.map(
            lambda leaf: leaf[jax.numpy.asarray(steps)], self.trace(model, support, observe)
        )


class AbstractMethod(eqx.Module):
    """Turns many tasks into one gradient for the model. `train` does the rest."""

    @abc.abstractmethod
    def gradient(
        self, model: Model, tasks: Any, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        """One step's gradient.

        **Arguments:**

        - `model`: the model which is trained.
        - `tasks`: a batch of tasks (`Task`, or environments): every array has a leading `tasks` axis.
        - `state`: what the last call returned, at first `self.init(model)`.
        - `key`: randomness for this step alone.

        **Returns:** a gradient of the model's structure (`None` for what is no floating-point array), the new state,
        and scalars to log, of which `loss` must be one.
        """

    def init(self, model: Model) -> State:
        """What the method remembers before the first step; nothing, unless a method says otherwise."""
        del model
        return None


def trace(
    adapter: AbstractAdapter,
    model: Model,
    support: Batch,
    observe: Callable[[Predictor], Any],
    steps: tuple[int, ...] | None = None,
) -> Any:
    """`adapter.trace` where there are steps to watch (all, or after `steps`); a single observation, of the finished
    predictor, otherwise.

    **Returns:** observations on a leading `steps` axis.
    """
    if isinstance(adapter, AbstractIterativeAdapter):
        watch = adapter.trace if steps is None else lambda *given: adapter.trace_at(*given, steps)
        return watch(model, support, observe)
    return jax.tree.map(lambda leaf: leaf[None], observe(adapter.adapt(model, support)))
