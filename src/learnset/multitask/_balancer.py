"""The three forms of a multi-task method: it weighs tasks by their losses, by the Gramian of their gradients, or makes
one gradient out of the whole matrix of them."""

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
    from typing import (
        ClassVar as AbstractVar,  # type checkers take an AbstractVar for the first argument
    )
else:
    from equinox import AbstractVar


class TaskStats(eqx.Module):
    """What a step saw of each task, beside its gradient.

    - `loss`; `present`: whether the task has any point in the batch (an absent task has no say, and a loss and a gradient
      of zero); `index`: the number of the task, by which a method keeps what it remembers of each.
    """

    loss: Float[Array, "tasks"]
    present: Bool[Array, "tasks"]
    index: Int[Array, "tasks"]


class AbstractBalancer(AbstractMethod):
    """A multi-task method: makes one direction out of the gradients of several tasks.

    For gradients that were computed elsewhere, by any framework, `direction` takes them as a plain matrix.
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
        """One gradient out of a row for each task, and the new state. The first state is `init(jacobian[0])`."""

    def direction(
        self,
        jacobian: Float[Array, "tasks params"],
        *,
        losses: Float[Array, "tasks"] | None = None,
        present: Bool[Array, "tasks"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, "params"]:
        """One gradient out of a row for each task, for a method that remembers nothing yet.

        **Arguments:**

        - `jacobian`: row `i` is the gradient of task `i`.
        - `losses`: for methods that look at them; one each, unless given.
        - `present`: which rows count; all, unless given.
        - `key`: for methods that draw at random.

        >>> import jax.numpy as jnp, learnset as ls
        >>> ls.Mean().direction(jnp.array([[1.0, 0.0], [0.0, 1.0]])).tolist()
        [0.5, 0.5]
        """
        tasks = len(jacobian)
        there = jnp.ones(tasks, bool) if present is None else present
        losses = jnp.ones(tasks, jacobian.dtype) if losses is None else losses
        stats = TaskStats(jnp.where(there, losses, 0), there, jnp.arange(tasks))
        jacobian = jnp.where(there[:, None], jacobian, 0)
        return self.balance(
            jacobian, stats, self.init(jacobian[0]), key=jr.key(0) if key is None else key
        )[0]


class AbstractJacobian(AbstractBalancer):
    """A balancer that needs the whole matrix of gradients. A subclass has a `loss` and says `balance`.

    What single tasks own (`model.own`, such as the heads of `SharedBody`) is left out of the matrix and moves by the mean of
    the tasks' gradients.
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
    """A balancer that weighs tasks by the inner products of their gradients, and may remember. A subclass has a `loss` and
    says `weigh`; one that remembers nothing is an `AbstractGramian`.

    What single tasks own (`model.own`) has no part in the inner products and moves by the mean of the tasks' gradients.
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
        """How much each task's gradient counts, and the new state. Rows of absent tasks are zero; their weights do not
        matter, but must be finite."""

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
    """A multi-task method which is one formula: how much each task weighs, given the Gramian of the task gradients.

    A subclass has a `loss` and says `weights(gramian, present)`; the model's gradient is then the weighted sum of the
    tasks'.

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
        """How much each task's gradient counts.

        **Arguments:**

        - `gramian`: inner products of the tasks' gradients; rows and columns of absent tasks are zero.
        - `present`: which tasks are there. The weights of the others do not matter, but must be finite.
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
    """A balancer that weighs tasks by their losses, and may remember: one backward pass, whatever the number of tasks.
    A subclass has a `loss` and says `weigh`. All parameters move by the weighted sum, what single tasks own too."""

    @abc.abstractmethod
    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        """How much each task's loss counts, and the new state. For a loss that is one formula of the tasks' losses this is
        its derivative by each of them. The weights of absent tasks do not matter, but must be finite."""

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
    """`loss`, the mean over the tasks that are there, and `largest_weight`."""
    return {
        "loss": _mean_loss(stats),
        "largest_weight": jnp.abs(weights).max(where=stats.present, initial=0.0),
    }


def _mean_loss(stats: TaskStats) -> Float[Array, ""]:
    return jnp.where(stats.present.any(), stats.loss.mean(where=stats.present), 0.0)
