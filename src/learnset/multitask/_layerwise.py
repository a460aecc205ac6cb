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
    """Layer-wise balancing for large models: the same gradient as `method` gives, without the whole
    matrix of the tasks' gradients in memory.

    The Gramian is the sum of the Gramians of the layers, whose gradients are freed as soon as their
    inner products are known. A second backward pass takes the gradient of the weighted loss. Apart
    from the model, this needs the memory of all tasks' gradients of the largest layer, two or three
    times, and the time of about one more backward pass.

    **Arguments:**

    - `method`: weights tasks by the inner products of their gradients.
    - `chunk`: the number of tasks whose gradients are in memory at a time, an even number, for a
      single huge layer. Gradients are then computed again for each pair of halves,
      `2 tasks / chunk - 1` times. Default: all tasks.

    **Raises:** `InputError` for a `chunk` that is odd or less than two.

    >>> import jax.random as jr, optax, learnset as ls
    >>> class Cautious(ls.AbstractGramian):
    ...     loss: ls.core.Loss = ls.mse
    ...     def weights(self, gramian, present, *, key):
    ...         return 1 / gramian.diagonal() ** 0.5
    >>> model, tasks = ls.MLP(1, 1, key=jr.key(0)), ls.Sinusoids()
    >>> method = ls.multitask.Layerwise(Cautious())
    >>> ls.train(method, model, tasks, optax.adam(1e-3), steps=2, key=jr.key(1)).steps
    2
    """

    method: AbstractWeighting
    chunk: int | None = None

    def __check_init__(self):
        if self.chunk is not None and (self.chunk < 2 or self.chunk % 2):
            raise InputError(
                f"Layerwise: `chunk={self.chunk}`, but inner products are taken between the halves"
                " of a chunk: it must be an even number of tasks, at least 2."
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
        """The losses of the tasks, and the inner products of their gradients."""
        total = len(tasks.index)
        if self.chunk is None or self.chunk >= total:
            return _leaf_by_leaf(self.method.loss, model, tasks)
        # Each pair of half chunks once. The last may repeat its last task, which writes the same
        # numbers.
        half = self.chunk // 2
        starts = jnp.arange(0, total, half)
        halves = jnp.minimum(starts[:, None] + jnp.arange(half)[None], total - 1)
        pairs = jnp.asarray([*itertools.combinations(range(len(halves)), 2)])

        def add(
            known: tuple[Float[Array, "tasks"], Float[Array, "tasks tasks"]], pair: Int[Array, "2"]
        ) -> tuple[tuple[Float[Array, "tasks"], Float[Array, "tasks tasks"]], None]:
            of = halves[pair].ravel()
            some = jax.tree.map(lambda leaf: leaf[of], tasks)
            losses, gramian = _leaf_by_leaf(self.method.loss, model, some)
            known = (known[0].at[of].set(losses), known[1].at[of[:, None], of[None]].set(gramian))
            return known, None

        dtype = tasks.support.weight.dtype
        unknown = jnp.zeros(total, dtype), jnp.zeros((total, total), dtype)
        return jax.lax.scan(add, unknown, pairs)[0]


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
    # XLA frees each leaf after its product, since nothing else reads it. A test checks that.
    return losses, gramian_by_leaf(grads, losses)
