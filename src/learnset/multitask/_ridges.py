"""Ridge regression of many tasks: each alone, all as one, and all as one with effects of each."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..core import check_positive
from ..tasks import TaskRows
from ._effects import with_offsets, with_slopes
from ._moments import moments, solved
from ._solver import AbstractSolver, linear_tasks, LinearTasks


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

    def solve_rows(self, rows: TaskRows) -> LinearTasks:
        sums = moments(rows)
        weight = np.stack([one.solved(float(self.l2)) for one in sums.within])
        return linear_tasks(weight, sums.y_mean - np.einsum("ti,tio->to", sums.x_mean, weight))


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

    def solve_rows(self, rows: TaskRows) -> LinearTasks:
        sums = moments(rows)
        (gram, cross), (x, y) = sums.within_all, sums.between
        weighted = sums.weight[:, None] * x
        weight = solved(gram + weighted.T @ x, cross + weighted.T @ y, float(self.l2))
        bias = sums.y_centre - sums.x_centre @ weight
        return linear_tasks(np.tile(weight, (len(rows), 1, 1)), np.tile(bias, (len(rows), 1)))


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

    def solve_rows(self, rows: TaskRows) -> LinearTasks:
        sums = moments(rows)
        weight = solved(*sums.within_all, float(self.l2))
        of_tasks = np.tile(weight, (len(rows), 1, 1))
        return linear_tasks(of_tasks, sums.y_mean - sums.x_mean @ weight)


class TaskRidge(AbstractSolver):
    """A single ridge regression that is given the task: the inputs and a column of zeros and ones
    for each task, and with `slopes` also the products of both. All weights have one penalty, and
    only the common offset is not shrunk. It is what a user makes of a ridge regression and a
    column of categories.

    Minimises `sum_ti weight_ti |y_ti - (W + W_t)'x_ti - b_t - b|² + l2 (|W|² + sum_t |b_t|² +
    |W_t|²)`; without `slopes`, `W_t` is zero. A new task gets the mean of all.

    >>> import jax.numpy as jnp, learnset as ls
    >>> y = jnp.array([[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]])[..., None]
    >>> points = ls.Batch(jnp.array([[0.0, 1.0, 2.0]] * 2)[..., None], y, jnp.ones((2, 3)))
    >>> [round(float(b), 2) for b in ls.multitask.TaskRidge(l2=1.0).solve(points).bias.ravel()]
    [1.45, 8.95]
    """

    l2: float | Float[Array, "..."] = 1.0
    slopes: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        check_positive("TaskRidge", l2=self.l2)

    def solve_rows(self, rows: TaskRows) -> LinearTasks:
        sums, l2 = moments(rows), float(self.l2)
        equations = (
            with_slopes(sums, np.zeros(rows.sizes[0])) if self.slopes else with_offsets(sums)
        )
        shared = np.full(len(equations.ff), l2)
        shared[0] = 0
        fixed, own = equations.solved(shared, np.full(equations.zz.shape[1], l2))[:2]
        weight = np.tile(fixed[1:], (len(rows), 1, 1))
        bias = sums.y_centre + fixed[0] - sums.x_centre @ fixed[1:] + own[:, 0]
        return linear_tasks(weight + own[:, 1:] if self.slopes else weight, bias)
