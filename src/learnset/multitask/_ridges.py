"""Ridge regression of many tasks: each alone, all as one, and all as one with an offset for
each."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import Batch, check_positive
from ._solver import AbstractSolver, centred, LinearTasks, products


class RidgePerTask(AbstractSolver):
    """A separate ridge regression for each task, with the same penalty for all: nothing is shared.

    Minimises `sum_i weight_i |y_i - W'x_i - b|² + l2 |W|²` for each task. Source: Hoerl & Kennard
    1970.

    >>> import jax.numpy as jnp, learnset as ls
    >>> x = jnp.arange(6.0).reshape(2, 3, 1)
    >>> points = ls.Batch(x, x, jnp.ones((2, 3)))
    >>> ls.multitask.RidgePerTask(l2=1e-3).solve(points).weight.shape
    (2, 1, 1)
    """

    l2: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_positive("RidgePerTask", l2=self.l2)

    def solve(self, points: Batch) -> LinearTasks:
        x, y, x_mean, y_mean = centred(points)
        weight = jax.vmap(lambda gram, cross: _solved(gram, cross, self.l2))(*products(x, y))
        return LinearTasks(weight, y_mean - jnp.einsum("ti,tio->to", x_mean, weight))


class PooledRidge(AbstractSolver):
    """A single ridge regression for the points of all tasks, as if there were one task.

    >>> import jax.numpy as jnp, learnset as ls
    >>> x = jnp.arange(6.0).reshape(2, 3, 1)
    >>> model = ls.multitask.PooledRidge(l2=1e-3).solve(ls.Batch(x, x, jnp.ones((2, 3))))
    >>> [round(float(w), 3) for w in model.weight.ravel()]
    [1.0, 1.0]
    """

    l2: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_positive("PooledRidge", l2=self.l2)

    def solve(self, points: Batch) -> LinearTasks:
        one = jax.tree.map(lambda leaf: leaf.reshape(1, -1, *leaf.shape[2:]), points)
        alone, tasks = RidgePerTask(self.l2).solve(one), len(points.weight)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (tasks, *leaf.shape[1:])), alone)


class OffsetRidge(AbstractSolver):
    """A single ridge regression for the points of all tasks, with an offset for each task that is
    not shrunk: the "within" regression, or fixed-effects model.

    Minimises `sum_ti weight_ti |y_ti - W'x_ti - b_t|² + l2 |W|²`. A new task gets the mean offset.
    Source: Baltagi 2021, *Econometric Analysis of Panel Data*, §2.2.

    >>> import jax.numpy as jnp, learnset as ls
    >>> y = jnp.array([[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]])[..., None]
    >>> points = ls.Batch(jnp.array([[0.0, 1.0, 2.0]] * 2)[..., None], y, jnp.ones((2, 3)))
    >>> [round(float(b), 2) for b in ls.multitask.OffsetRidge(l2=1e-4).solve(points).bias.ravel()]
    [0.0, 10.0]
    """

    l2: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_positive("OffsetRidge", l2=self.l2)

    def solve(self, points: Batch) -> LinearTasks:
        x, y, x_mean, y_mean = centred(points)
        gram, cross = (leaf.sum(axis=0) for leaf in products(x, y))
        weight = _solved(gram, cross, self.l2)
        of_tasks = jnp.broadcast_to(weight, (len(x), *weight.shape))
        return LinearTasks(of_tasks, y_mean - x_mean @ weight)


def _solved(
    gram: Float[Array, "in in"], cross: Float[Array, "in out"], l2: float | Float[Array, ""]
) -> Array:
    penalised = gram + l2 * jnp.eye(len(gram), dtype=gram.dtype)
    return jax.scipy.linalg.solve(penalised, cross, assume_a="pos")
