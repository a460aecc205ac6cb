"""Balancing tasks by the inner products of their gradients."""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from .._losses import Loss
from .._method import AbstractMethod, Metrics
from .._predict import for_task
from .._tree import mix, rows, trainable
from .._types import Model, State, Task

if TYPE_CHECKING:
    from typing import ClassVar as AbstractVar  # type checkers take an AbstractVar for the first argument
else:
    from equinox import AbstractVar


class AbstractGramian(AbstractMethod):
    """A multi-task method which is one formula: how much each task weighs, given the Gramian of the task gradients.

    A subclass has a `loss` and says `weights(gramian)`; the model's gradient is then the weighted sum of the tasks'.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> class Cautious(ls.AbstractGramian):
    ...     loss: ls.Loss = ls.mse
    ...     def weights(self, gramian, *, key):
    ...         inverse = 1 / jnp.sqrt(jnp.diagonal(gramian))
    ...         return inverse / inverse.sum()
    >>> ls.checks.method(Cautious())
    """

    loss: AbstractVar[Loss]

    @abc.abstractmethod
    def weights(self, gramian: Float[Array, "tasks tasks"], *, key: Key[Array, ""]) -> Float[Array, "tasks"]:
        """How much each task's gradient counts, from the inner products of all of them."""

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        losses, grads = task_gradients(self.loss, model, tasks)
        matrix = rows(grads)
        weights = self.weights(matrix @ matrix.T, key=key)
        return mix(weights, grads), state, {"loss": losses.mean(), "largest_weight": jnp.abs(weights).max()}


def task_gradients(loss: Loss, model: Model, tasks: Task) -> tuple[Float[Array, "tasks"], PyTree]:
    """The loss of each task on all its points, and its gradient.

    **Returns:** losses, and gradients of the model's structure with a leading `tasks` axis.

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.Sinusoids().draw(4, ls.Split.TRAIN, key=jr.key(0))
    >>> losses, grads = ls.task_gradients(ls.mse, ls.MLP(1, 1, key=jr.key(1)), tasks)
    >>> losses.shape, grads.head.bias.shape
    ((4,), (4, 1))
    """
    moving, fixed = trainable(model)

    def of_one(task: Task) -> tuple[Float[Array, ""], PyTree]:
        return jax.value_and_grad(lambda part: loss(for_task(eqx.combine(part, fixed), task.index), task.points))(
            moving
        )

    return jax.vmap(of_one)(tasks)
