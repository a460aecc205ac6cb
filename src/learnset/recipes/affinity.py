"""Affinity: which tasks of a table help each other, and which hurt each other."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from ..core import cross_entropy, fast_dots, Model, mse, Split, traced
from ..multitask import Affinity, Mean
from ..tasks import TableTasks
from ..training import train
from ._networks import MOST_TASKS
from .regression import Heads


class Affinities(eqx.Module):
    """Affinities between some tasks: two matrices, and the numbers of the tasks.

    `cosine` is that between their gradients for what they share; `lookahead` the part by which the
    loss of the column's task falls after a step for the row's task alone.
    """

    cosine: Float[np.ndarray, "some some"]
    lookahead: Float[np.ndarray, "some some"]
    index: Int[np.ndarray, "some"]

    def ordered(self) -> "Affinities":
        """The same with tasks whose gradients point alike side by side (average linkage of one
        minus the cosine)."""
        from scipy.cluster.hierarchy import leaves_list, linkage

        if len(self.index) < 3:
            return self
        apart = np.clip(1 - (self.cosine + self.cosine.T) / 2, 0, None)
        pairs = apart[np.triu_indices(len(apart), 1)]
        order = leaves_list(linkage(pairs, "average", optimal_ordering=True))
        square = np.ix_(order, order)
        return Affinities(self.cosine[square], self.lookahead[square], self.index[order])


def affinities(
    network: Callable[[Key[Array, ""]], Model],
    tasks: TableTasks,
    index: Int[np.ndarray, "some"],
    *,
    steps: int = 300,
    lr: float = 0.003,
    key: Key[Array, ""],
) -> Affinities:
    """The affinities between some tasks, as means over the training of a shared body on all tasks.

    **Arguments:** `network`: makes the common initial model from a key. `index`: which tasks.
    """
    loss = cross_entropy if tasks.classes else mse
    every = max(1, steps // 15)
    number = min(len(tasks), MOST_TASKS)

    @eqx.filter_jit
    def run(tasks: TableTasks, index: Array, key: Array) -> tuple[Array, Array]:
        def watched(tasks: TableTasks, index: Array, key: Array) -> tuple[Array, Array]:
            model_key, body_key, train_key = jr.split(key, 3)
            points = jax.vmap(lambda i: tasks.all_points(i, Split.TRAIN))(index)
            method = traced(Affinity(Mean(loss), loss, points, index, every=every))
            model = Heads(len(tasks))(network(model_key), body_key)
            optimiser = optax.adam(lr)
            options = {"steps": steps, "key": train_key, "tasks_per_step": number}
            return method.mean(train(method, model, tasks, optimiser, **options).state)

        return fast_dots(watched)(tasks, index, key)

    cosine, lookahead = run(tasks, jnp.asarray(index), key)
    return Affinities(
        np.asarray(cosine, np.float64), np.asarray(lookahead, np.float64), np.asarray(index)
    )
