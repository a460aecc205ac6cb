"""Multi-task learning in closed form: from all points of all tasks to a model with a part for each
task."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core import Batch, Predictor, present


class AbstractSolver(eqx.Module):
    """A solver that learns all tasks at once, without `train` and its optimiser. A subclass defines
    `solve`."""

    @abc.abstractmethod
    def solve(self, points: Batch) -> "AbstractSolution":
        """The model of all tasks.

        **Arguments:**

        - `points`: of all tasks, "tasks points ...". Those of weight zero change nothing. There is
          a weight for each point.

        **Returns:** a model whose `for_task(index)` is the predictor of a task; -1 is a new task.
        """


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


def centred(
    points: Batch,
) -> tuple[
    Float[Array, "tasks points in"],
    Float[Array, "tasks points out"],
    Float[Array, "tasks in"],
    Float[Array, "tasks out"],
]:
    """Inputs and targets minus the means of their task, zero for points of weight zero; and these
    means."""
    weight = points.weight[..., None]
    total = jnp.maximum(weight.sum(axis=1), 1e-12)
    y = present(points.y, weight)
    x_mean, y_mean = (weight * points.x).sum(axis=1) / total, (weight * y).sum(axis=1) / total
    root = jnp.sqrt(weight)
    return root * (points.x - x_mean[:, None]), root * (y - y_mean[:, None]), x_mean, y_mean


def products(
    x: Float[Array, "tasks points in"], y: Float[Array, "tasks points out"]
) -> tuple[Array, Array]:
    """`x'x` and `x'y` of each task, in full precision."""
    with jax.default_matmul_precision("highest"):
        return jnp.einsum("tpi,tpj->tij", x, x), jnp.einsum("tpi,tpo->tio", x, y)
