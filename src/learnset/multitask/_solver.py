"""Multi-task learning in closed form: from all points of all tasks to a model with a part for each
task."""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import Batch, Predictor
from ..tasks import TaskRows


class AbstractSolver(eqx.Module):
    """A solver that learns all tasks at once, without `train` and its optimiser. A subclass defines
    `solve_rows`. It works on the host, in double precision and without padding, and so it is not
    called inside `jax.jit`; its solution is a model like any other."""

    def solve(self, points: Batch) -> "AbstractSolution":
        """The model of all tasks.

        **Arguments:**

        - `points`: of all tasks, "tasks points ...". Those of weight zero change nothing. There is
          a weight for each point.

        **Returns:** a model whose `for_task(index)` is the predictor of a task; -1 is a new task.
        """
        return self.solve_rows(TaskRows.of_batch(points))

    @abc.abstractmethod
    def solve_rows(self, rows: TaskRows) -> "AbstractSolution":
        """The model of all tasks, from their points as rows."""


class AbstractSolution(eqx.Module):
    """The solution of a solver: a model of all tasks."""

    @abc.abstractmethod
    def for_task(self, index: Int[Array, ""]) -> Predictor:
        """The predictor of task number `index`; -1 is a new task."""


class LinearPredictor(eqx.Module):
    """The linear predictor `x @ weight + bias`."""

    weight: Float[Array, "in out"]
    bias: Float[Array, "out"]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return x @ self.weight + self.bias


class LinearTasks(AbstractSolution):
    """A linear predictor for each task. A new task gets the mean of all of them.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.multitask.LinearTasks(jnp.ones((3, 2, 1)), jnp.array([[0.0], [1.0], [5.0]]))
    >>> model.for_task(jnp.asarray(1))(jnp.ones(2)), model.for_task(jnp.asarray(-1))(jnp.ones(2))
    (Array([3.], dtype=float32), Array([4.], dtype=float32))
    """

    weight: Float[Array, "tasks in out"]
    bias: Float[Array, "tasks out"]

    def for_task(self, index: Int[Array, ""]) -> LinearPredictor:
        weight, bias = (
            jnp.where(index < 0, leaf.mean(axis=0), leaf[index])
            for leaf in (self.weight, self.bias)
        )
        return LinearPredictor(weight, bias)


def linear_tasks(weight: np.ndarray, bias: np.ndarray) -> LinearTasks:
    """Linear predictors in JAX's precision."""
    dtype = jnp.result_type(float)
    return LinearTasks(jnp.asarray(weight, dtype), jnp.asarray(bias, dtype))
