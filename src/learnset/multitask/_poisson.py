"""Poisson regression of counts of many tasks, and models whose outputs are logarithms of rates."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import check_positive, for_task, needs, Predictor
from ..tasks import TaskRows
from ._logistic import design_of, Given, of_each_task
from ._solver import AbstractSolution, AbstractSolver, linear_tasks, LinearTasks
from ._threads import one_thread

LARGEST = 30.0  # logarithm of a rate, whose exponential and its square are numbers
LEAST = 0.01  # of the mean of all counts: the rate of a task that has none


class TaskPoisson(AbstractSolver):
    """Poisson regression of counts with a log link, by scikit-learn. Its weights have the penalty
    `l2 / 2` times their squares next to the sum of all losses, and only common offsets are not
    shrunk. A new task gets the mean of all. Predictions are logarithms of rates.

    With a penalty of their own, `own_l2`, the offsets of tasks are normal with the variance
    `1 / own_l2` around the common one: the most likely offsets of a Poisson mixed model.

    Source: Nelder & Wedderburn 1972, *Generalized Linear Models*.

    **Arguments:** `given`: the part that tasks have in it. `own_l2`: default: `l2`.

    >>> import jax.numpy as jnp, learnset as ls
    >>> y = jnp.array([[[1.0], [3.0]], [[10.0], [30.0]]])
    >>> points = ls.Batch(jnp.zeros((2, 2, 1)), y, jnp.ones((2, 2)))
    >>> model = ls.multitask.TaskPoisson(1e-6).solve(points)
    >>> [round(float(jnp.exp(model.for_task(jnp.asarray(i))(jnp.ones(1)))[0])) for i in (0, 1)]
    [2, 20]
    """

    l2: float | Float[Array, "..."] = 1.0
    given: Given = eqx.field(static=True, default=Given.OFFSETS)
    own_l2: float | Float[Array, "..."] | None = None

    def __check_init__(self):
        check_positive("TaskPoisson", l2=self.l2)
        if self.own_l2 is not None:
            check_positive("TaskPoisson", own_l2=self.own_l2)

    def solve_rows(self, rows: TaskRows) -> LinearTasks:
        mean = np.average(rows.y[:, 0], weights=rows.weight)
        if self.given is Given.ALL:
            parts = [self._fitted(*part, mean) for part in rows]
            weight, bias = (np.stack(many) for many in zip(*parts, strict=True))
            return linear_tasks(weight, bias)
        # A column of larger numbers has smaller weights, whose penalty is lower.
        unit = 1.0 if self.own_l2 is None else float(np.sqrt(float(self.l2) / float(self.own_l2)))
        design = design_of(rows, self.given, unit)
        weight, bias = self._fitted(design, rows.y, rows.weight, mean)
        own = slice(rows.sizes[0], rows.sizes[0] + len(rows))
        weight[own] *= unit
        return of_each_task(rows, weight, bias)

    def _fitted(
        self, x: Any, y: np.ndarray, weight: np.ndarray, mean: float
    ) -> tuple[Float[np.ndarray, "in 1"], Float[np.ndarray, "1"]]:
        with needs("tables"):
            from sklearn.linear_model import PoissonRegressor

        if not weight @ y[:, 0] > 0:  # the logarithm of nothing
            return np.zeros((x.shape[1], 1)), np.log([LEAST * mean])
        alpha = float(self.l2) / weight.sum()
        model = PoissonRegressor(alpha=alpha, tol=1e-5, max_iter=2000)
        with one_thread():
            model.fit(x, y[:, 0], sample_weight=weight)
        return model.coef_[:, None], np.array([model.intercept_])


class LogLink(AbstractSolution):
    """A model of logarithms of rates as one of counts: its answer is the exponential, on the scale
    of the targets.

    - `zero`: the scaled target of each task that is a count of zero.
    """

    model: Any
    zero: Float[Array, "tasks"]

    @classmethod
    def of(cls, model: Any, zero: Float[np.ndarray, "tasks"]) -> "LogLink":
        return cls(model, jnp.asarray(zero, jnp.result_type(float)))

    def for_task(self, index: Int[Array, ""]) -> "Exponential":
        return Exponential(for_task(self.model, index), self.zero[index])


class Exponential(eqx.Module):
    """The exponential of a predictor."""

    predictor: Predictor
    zero: Float[Array, ""]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return jnp.exp(jnp.minimum(self.predictor(x), LARGEST)) + self.zero
