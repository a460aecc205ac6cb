"""The three forms of a multi-task method: it weights tasks by their losses, weights them by the
Gramian of their gradients, or makes one gradient from the whole matrix of gradients."""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ..core import AbstractMethod, Loss, Metrics, mix, Model, State, Task, trainable
from ._gramian import gramian_by_leaf, gramian_of
from ._task_gradients import (
    in_batch,
    mean_of_own,
    own_and_shared,
    shared_rows,
    task_gradients,
    task_losses,
)

if TYPE_CHECKING:
    # Type checkers would take an AbstractVar for the first argument of the constructor.
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar


class TaskStats(eqx.Module):
    """The numbers of each task in a step, apart from its gradient.

    - `loss`: its loss.
    - `present`: whether it has any point in the batch. An absent task does not count; its loss and
      its gradient are zero.
    - `index`: its number, by which a method remembers each task.
    """

    loss: Float[Array, "tasks"]
    present: Bool[Array, "tasks"]
    index: Int[Array, "tasks"]


class AbstractBalancer(AbstractMethod):
    """A multi-task method that makes one direction from the gradients of several tasks.

    Gradients that were computed elsewhere, by any framework, can be given to `direction` as a plain
    matrix.
    """

    loss: AbstractVar[Loss]

    @abc.abstractmethod
    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: State,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], State]:
        """One gradient from a row for each task, and the new state. The first state is
        `init(jacobian[0])`."""

    def direction(
        self,
        jacobian: Float[Array, "tasks params"],
        *,
        losses: Float[Array, "tasks"] | None = None,
        present: Bool[Array, "tasks"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, "params"]:
        """One gradient from a row for each task, for a method that remembers nothing yet.

        **Arguments:**

        - `jacobian`: row `i` is the gradient of task `i`.
        - `losses`: for methods that use them. Default: ones.
        - `present`: which rows count. Default: all.
        - `key`: for methods that draw random numbers.

        >>> import jax.numpy as jnp, learnset as ls
        >>> ls.Mean().direction(jnp.array([[1.0, 0.0], [0.0, 1.0]])).tolist()
        [0.5, 0.5]
        """
        tasks = len(jacobian)
        present = jnp.ones(tasks, bool) if present is None else present
        losses = jnp.ones(tasks, jacobian.dtype) if losses is None else losses
        key = jr.key(0) if key is None else key
        stats = TaskStats(jnp.where(present, losses, 0), present, jnp.arange(tasks))
        jacobian = jnp.where(present[:, None], jacobian, 0)
        return self.balance(jacobian, stats, self.init(jacobian[0]), key=key)[0]


class AbstractJacobian(AbstractBalancer):
    """A balancer that needs the whole matrix of gradients. A subclass has a `loss` and defines
    `balance`.

    Parameters that single tasks own (`model.own`, such as the heads of `SharedBody`) are left out
    of the matrix and move by the mean of the tasks' gradients.
    """

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        losses, grads = task_gradients(self.loss, model, tasks)
        stats = TaskStats(losses, in_batch(tasks), tasks.index)
        direction, state = self.balance(shared_rows(grads), stats, state, key=key)
        _, shaped = ravel_pytree(own_and_shared(trainable(model)[0])[1])
        return (
            eqx.combine(shaped(direction), mean_of_own(grads, stats.present)),
            state,
            {"loss": _mean_loss(stats)},
        )


class AbstractWeighting(AbstractBalancer):
    """A balancer that weights tasks by the inner products of their gradients, and may have a state.
    A subclass has a `loss` and defines `weigh`; one without a state is an `AbstractGramian`.

    Parameters that single tasks own (`model.own`) are left out of the inner products and move by
    the mean of the tasks' gradients.
    """

    @abc.abstractmethod
    def weigh(
        self,
        gramian: Float[Array, "tasks tasks"],
        stats: TaskStats,
        state: State,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "tasks"], State]:
        """The weight of each task's gradient, and the new state. Rows of absent tasks are zero;
        their weights do not matter, but must be finite."""

    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: State,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], State]:
        weights, state = self.weigh(gramian_of(jacobian), stats, state, key=key)
        return weights @ jacobian, state

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        losses, grads = task_gradients(self.loss, model, tasks)
        stats = TaskStats(losses, in_batch(tasks), tasks.index)
        shared = own_and_shared(grads)[1]
        weights, state = self.weigh(gramian_by_leaf(shared, losses), stats, state, key=key)
        return (
            eqx.combine(mix(weights, shared), mean_of_own(grads, stats.present)),
            state,
            weighting_metrics(stats, weights),
        )


class AbstractGramian(AbstractWeighting):
    """A multi-task method that is one formula: the weight of each task, given the Gramian of the
    tasks' gradients.

    A subclass has a `loss` and defines `weights(gramian, present)`; the model's gradient is then
    the weighted sum of the tasks' gradients.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> class Cautious(ls.AbstractGramian):
    ...     loss: ls.core.Loss = ls.mse
    ...     def weights(self, gramian, present, *, key):
    ...         inverse = jnp.where(present, 1 / jnp.sqrt(jnp.diagonal(gramian)), 0)
    ...         return inverse / inverse.sum()
    >>> ls.checks.method(Cautious())
    """

    @abc.abstractmethod
    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        """The weight of each task's gradient.

        **Arguments:**

        - `gramian`: the inner products of the tasks' gradients. Rows and columns of absent tasks
          are zero.
        - `present`: which tasks are in the batch. The weights of the others do not matter, but must
          be finite.
        """

    def weigh(
        self,
        gramian: Float[Array, "tasks tasks"],
        stats: TaskStats,
        state: State,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "tasks"], State]:
        return self.weights(gramian, stats.present, key=key), state


class AbstractScalarisation(AbstractBalancer):
    """A balancer that weights tasks by their losses, and may have a state. It takes one backward
    pass, whatever the number of tasks.

    A subclass has a `loss` and defines `weigh`. All parameters move by the weighted sum, including
    those that single tasks own.
    """

    @abc.abstractmethod
    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        """The weight of each task's loss, and the new state. For a loss that is a formula of the
        tasks' losses, the weights are its derivatives with respect to them. The weights of absent
        tasks do not matter, but must be finite."""

    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: State,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], State]:
        weights, state = self.weigh(stats, state, key=key)
        return weights @ jacobian, state

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        @eqx.filter_grad(has_aux=True)
        def weighted(model: Model) -> tuple[Float[Array, ""], tuple[TaskStats, Array, State]]:
            losses = task_losses(self.loss, model, tasks)
            stats = TaskStats(jax.lax.stop_gradient(losses), in_batch(tasks), tasks.index)
            weights, new_state = self.weigh(stats, state, key=key)
            return (jax.lax.stop_gradient(weights) * losses).sum(), (stats, weights, new_state)

        grads, (stats, weights, state) = weighted(model)
        return grads, state, weighting_metrics(stats, weights)


def weighting_metrics(stats: TaskStats, weights: Float[Array, "tasks"]) -> Metrics:
    """The metrics `loss`, the mean over the present tasks, and `largest_weight`."""
    return {
        "loss": _mean_loss(stats),
        "largest_weight": jnp.abs(weights).max(where=stats.present, initial=0.0),
    }


def _mean_loss(stats: TaskStats) -> Float[Array, ""]:
    return jnp.where(stats.present.any(), stats.loss.mean(where=stats.present), 0.0)
