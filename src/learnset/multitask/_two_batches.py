"""Balancers that learn weights from two batches, so that the noise of one does not bias them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import Metrics, mix, Model, State, Task
from ._balancer import AbstractWeighting, TaskStats, weighting_metrics
from ._memory import recall
from ._quadratic import product
from ._task_gradients import in_batch, mean_of_own, own_and_shared, shared_rows, task_gradients


class AbstractTwoBatches(AbstractWeighting):
    """A weighting of the products between gradients of two batches, the support and the query sets, that are independent of
    each other: the expected product is then that of the expected gradients. A subclass has a `loss` and says `weigh`; the
    model moves by the weighted sum of the means of both gradients.

    `direction`, which knows one matrix, takes it for both.
    """

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        halves = [
            eqx.tree_at(
                lambda t, part=part: getattr(t, part).weight, tasks, replace_fn=jnp.zeros_like
            )
            for part in ("query", "support")
        ]
        (one, grads_one), (two, grads_two) = (
            task_gradients(self.loss, model, half) for half in halves
        )
        in_one, in_two = (in_batch(half).astype(one.dtype) for half in halves)
        parts = jnp.maximum(in_one + in_two, 1)
        stats = TaskStats((one * in_one + two * in_two) / parts, in_batch(tasks), tasks.index)
        weights, state = self.weigh(
            product(shared_rows(grads_one), shared_rows(grads_two).T), stats, state, key=key
        )
        grads = jax.tree.map(lambda a, b: _scaled(1 / parts, a + b), grads_one, grads_two)
        shared = mix(weights, own_and_shared(grads)[1])
        return (
            eqx.combine(shared, mean_of_own(grads, stats.present)),
            state,
            weighting_metrics(stats, weights),
        )


def recall_shares(memory: Float[Array, "numbered"], stats: TaskStats) -> Float[Array, "tasks"]:
    """Remembered weights of the tasks that are there, one in all; zero for the others."""
    known = jnp.where(stats.present, recall(memory, stats), 0)
    total = known.sum()
    there = stats.present.astype(known.dtype)
    return jnp.where(
        total > 0, known / jnp.where(total > 0, total, 1), there / jnp.maximum(there.sum(), 1)
    )


def _scaled(factors: Float[Array, "tasks"], leaf: Array) -> Array:
    return factors.reshape(factors.shape + (1,) * (leaf.ndim - 1)) * leaf
