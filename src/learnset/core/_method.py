"""The two verbs, `adapt` and `gradient`. Everything that a method does is one of them, or both."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PyTree

from ._errors import InputError
from ._types import Batch, Model, Predictor, State

Metrics = dict[str, Float[Array, ""]]


class AbstractAdapter(eqx.Module):
    """An adapter: turns a model and the support set of one task into a predictor for that task.

    `transductive` says whether the prediction for one query depends on the other queries.
    """

    transductive: ClassVar[bool] = False

    @abc.abstractmethod
    def adapt(self, model: Model, support: Batch) -> Predictor:
        """Adapts the model to one task.

        **Arguments:**

        - `model`: the model that past tasks trained, as this task sees it.
        - `support`: the points to learn from; points of weight zero change nothing.

        **Returns:** a predictor, which takes one input and no longer needs the support set.
        """


class AbstractIterativeAdapter(AbstractAdapter):
    """An adapter that works in steps, each of which can be observed."""

    @abc.abstractmethod
    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        """Adapts, and observes the predictor at each step.

        **Returns:** `observe(predictor)` before any step and after each, stacked on a leading
        `steps` axis: one entry more than there are steps.
        """

    def trace_at(
        self,
        model: Model,
        support: Batch,
        observe: Callable[[Predictor], PyTree],
        steps: tuple[int, ...],
    ) -> PyTree:
        """`trace` for some steps only: the observations after `steps` (0 is before any step).

        An adapter that can skip the other observations does so, and need not be differentiable
        then.
        """
        return jax.tree.map(
            lambda leaf: leaf[jax.numpy.asarray(steps)], self.trace(model, support, observe)
        )


class AbstractMethod(eqx.Module):
    """A method: turns many tasks into one gradient for the model. `train` does the rest."""

    @abc.abstractmethod
    def gradient(
        self, model: Model, tasks: Any, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        """The gradient of one step.

        **Arguments:**

        - `model`: the model that is trained.
        - `tasks`: a batch of tasks (`Task`, or environments): every array has a leading `tasks`
          axis.
        - `state`: the state that the last call returned; at first `self.init(model)`.
        - `key`: randomness of this step only.

        **Returns:** a gradient with the structure of the model (`None` for leaves other than
        floating-point arrays), the new state, and scalars to log, one of which must be `loss`.
        """

    def init(self, model: Model) -> State:
        """The state of the method before the first step; default: none."""
        del model
        return None

    def prepare(self, model: Model, *, key: Key[Array, ""]) -> Model:
        """The model that the method trains, made from a common initial one: with step sizes that
        are learnt, say. Default: the model itself."""
        del key
        return model


def trace(
    adapter: AbstractAdapter,
    model: Model,
    support: Batch,
    observe: Callable[[Predictor], Any],
    steps: tuple[int, ...] | None = None,
) -> Any:
    """The trace of any adapter: `adapter.trace` (after all steps, or after `steps`) if it has
    steps; otherwise a single observation, of the finished predictor.

    **Returns:** observations on a leading `steps` axis.
    """
    if isinstance(adapter, AbstractIterativeAdapter):
        if steps is None:
            return adapter.trace(model, support, observe)
        return adapter.trace_at(model, support, observe, steps)
    return jax.tree.map(lambda leaf: leaf[None], observe(adapter.adapt(model, support)))


def takes_any(adapter: AbstractAdapter, model: Model, support: Batch) -> bool:
    """Whether an adapter makes as many outputs as the support set has classes."""
    try:
        answers = eqx.filter_eval_shape(lambda: adapter.adapt(model, support)(support.x[0]))
    except (InputError, TypeError, ValueError):  # shapes that do not fit
        return False
    return answers.shape == support.y.shape[1:]
