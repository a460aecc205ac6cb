"""Balancers that learn weights from two batches, so that the noise of a batch does not bias
them."""

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
    """A weighting of the products between gradients of two independent batches, the support and the
    query sets, so that the expected product is that of the expected gradients.

    A subclass has a `loss` and defines `weigh`; the model moves by the weighted sum of the means of
    both gradients. `direction` uses its matrix for both batches.
    """

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        def without(part: str) -> Task:
            weight = getattr(tasks, part).weight
            return eqx.tree_at(lambda t: getattr(t, part).weight, tasks, jnp.zeros_like(weight))

        halves = [without("query"), without("support")]
        (one, grads_one), (two, grads_two) = (
            task_gradients(self.loss, model, half) for half in halves
        )
        in_one, in_two = (in_batch(half).astype(one.dtype) for half in halves)
        parts = jnp.maximum(in_one + in_two, 1)
        stats = TaskStats((one * in_one + two * in_two) / parts, in_batch(tasks), tasks.index)
        products = product(shared_rows(grads_one), shared_rows(grads_two).T)
        weights, state = self.weigh(products, stats, state, key=key)
        grads = jax.tree.map(lambda a, b: _scaled(1 / parts, a + b), grads_one, grads_two)
        shared = mix(weights, own_and_shared(grads)[1])
        return (
            eqx.combine(shared, mean_of_own(grads, stats.present)),
            state,
            weighting_metrics(stats, weights),
        )


def recall_shares(memory: Float[Array, "numbered"], stats: TaskStats) -> Float[Array, "tasks"]:
    """The remembered weights of the present tasks, scaled to sum to one; zero for the others."""
    known = jnp.where(stats.present, recall(memory, stats), 0)
    total = known.sum()
    ones = stats.present.astype(known.dtype)
    equal = ones / jnp.maximum(ones.sum(), 1)
    return jnp.where(total > 0, known / jnp.where(total > 0, total, 1), equal)


def _scaled(factors: Float[Array, "tasks"], leaf: Array) -> Array:
    return factors.reshape(factors.shape + (1,) * (leaf.ndim - 1)) * leaf
