"""The Gramian of the tasks' gradients, layer by layer."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    AbstractMethod,
    for_task,
    InputError,
    Loss,
    Metrics,
    Model,
    State,
    Task,
    trainable,
)
from ._balancer import AbstractWeighting, TaskStats, weighting_metrics
from ._gramian import gramian_by_leaf
from ._task_gradients import in_batch, own_and_shared, weighted_gradient


class Layerwise(AbstractMethod):
    """The same gradient as `method` gives, without ever holding the whole matrix of the tasks' gradients: for large models.

    The Gramian is the sum over layers of that of each layer, whose gradients are forgotten as soon as their inner products
    are known. A second backward pass takes the gradient of the weighted loss. Memory is that of all tasks' gradients of
    the largest layer, two or three times, beside the model; time is that of about one more backward pass.

    **Arguments:**

    - `method`: weighs tasks by the inner products of their gradients.
    - `chunk`: of how many tasks gradients are held at a time, an even number; of all tasks, unless said otherwise. For
      a single huge layer. Gradients are then taken anew for each pair of halves, `2 tasks / chunk - 1` times.

    **Raises:** `InputError` for a `chunk` that is odd or less than two.

    >>> import jax.random as jr, optax, learnset as ls
    >>> class Cautious(ls.AbstractGramian):
    ...     loss: ls.core.Loss = ls.mse
    ...     def weights(self, gramian, present, *, key):
    ...         return 1 / gramian.diagonal() ** 0.5
    >>> model = ls.MLP(1, 1, key=jr.key(0))
    >>> run = ls.train(ls.multitask.Layerwise(Cautious()), model, ls.Sinusoids(), optax.adam(1e-3), steps=2, key=jr.key(1))
    >>> run.steps
    2
    """

    method: AbstractWeighting
    chunk: int | None = None

    def __check_init__(self):
        if self.chunk is not None and (self.chunk < 2 or self.chunk % 2):
            raise InputError(
                f"Layerwise: `chunk={self.chunk}`, but inner products are taken between the halves of a chunk: it must be"
                " an even number of tasks, at least 2."
            )

    def init(self, model: Model) -> State:
        return self.method.init(model)

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        losses, gramian = self._gramian(model, tasks)
        stats = TaskStats(losses, in_batch(tasks), tasks.index)
        weights, state = self.method.weigh(gramian, stats, state, key=key)
        return (
            weighted_gradient(self.method.loss, model, tasks, weights),
            state,
            weighting_metrics(stats, weights),
        )

    def _gramian(
        self, model: Model, tasks: Task
    ) -> tuple[Float[Array, "tasks"], Float[Array, "tasks tasks"]]:
        """The loss of each task, and the inner products of their gradients."""
        total = len(tasks.index)
        if self.chunk is None or self.chunk >= total:
            return _leaf_by_leaf(self.method.loss, model, tasks)
        # Each pair of half chunks once; the last may hold its last task more than once, which writes the same numbers.
        half = self.chunk // 2
        halves = jnp.minimum(
            jnp.arange(0, total, half)[:, None] + jnp.arange(half)[None], total - 1
        )
        pairs = jnp.asarray([*itertools.combinations(range(len(halves)), 2)])

        def add(
            known: tuple[Float[Array, "tasks"], Float[Array, "tasks tasks"]], pair: Int[Array, "2"]
        ) -> tuple[tuple[Float[Array, "tasks"], Float[Array, "tasks tasks"]], None]:
            of = halves[pair].ravel()
            losses, gramian = _leaf_by_leaf(
                self.method.loss, model, jax.tree.map(lambda leaf: leaf[of], tasks)
            )
            return (
                known[0].at[of].set(losses),
                known[1].at[of[:, None], of[None]].set(gramian),
            ), None

        dtype = tasks.support.weight.dtype
        return jax.lax.scan(
            add, (jnp.zeros(total, dtype), jnp.zeros((total, total), dtype)), pairs
        )[0]


def _leaf_by_leaf(
    loss: Loss, model: Model, tasks: Task
) -> tuple[Float[Array, "tasks"], Float[Array, "tasks tasks"]]:
    moving, fixed = trainable(model)
    own, shared = own_and_shared(moving)

    def of_one(task: Task) -> tuple[Float[Array, ""], PyTree]:
        return jax.value_and_grad(
            lambda part: loss(for_task(eqx.combine(part, own, fixed), task.index), task.points)
        )(shared)

    losses, grads = jax.vmap(of_one)(tasks)
    # XLA frees each leaf after its product, since nothing else reads it. A test watches that.
    return losses, gramian_by_leaf(grads, losses)
