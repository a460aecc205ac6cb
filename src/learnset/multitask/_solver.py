"""Multi-task learning in closed form: all points of all tasks in, a model with a part for each task out."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core import Batch, Predictor, present


class AbstractSolver(eqx.Module):
    """Solves all tasks at once, without steps of an optimiser that `train` takes. A new one says `solve`."""

    @abc.abstractmethod
    def solve(self, points: Batch) -> "AbstractSolution":
        """Learns all tasks.

        **Arguments:**

        - `points`: of all tasks, "tasks points ..."; those of weight zero change nothing. Weights are of points.

        **Returns:** a model: `for_task(index)` is the predictor of a task, and that of a new one for -1.
        """


class AbstractSolution(eqx.Module):
    """What a solver comes to."""

    @abc.abstractmethod
    def for_task(self, index: Int[Array, ""]) -> Predictor:
        """The predictor of task number `index`; of a task that no set numbers for -1."""


class LinearPredictor(eqx.Module):
    """`x @ weight + bias`."""

    weight: Float[Array, "in out"]
    bias: Float[Array, "out"]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return x @ self.weight + self.bias


class LinearTasks(AbstractSolution):
    """A linear predictor for each task; a new task sees the mean of all of them.

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
    """Inputs and targets less the means of their task, and these means; zero where a point has no weight."""
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
