"""The memory of a method for each numbered task, whichever tasks are in a batch."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import core
from jaxtyping import Array, Bool, Float

from ..core import InputError, Model, trainable
from ._balancer import TaskStats
from ._task_gradients import own_and_shared


def check_num_tasks(owner: str, num_tasks: int) -> None:
    """Raises `InputError` unless `num_tasks` is a whole number above zero."""
    if not isinstance(num_tasks, int) or num_tasks < 1:
        raise InputError(
            f"{owner}: `num_tasks={num_tasks}`, but it must be a whole number, at least 1."
        )


def blank(
    model: Model, num_tasks: int, *rest: int, fill: float = 0.0
) -> Float[Array, "numbered *rest"]:
    """A row for each numbered task, with the data type of the model's parameters."""
    leaves = jax.tree.leaves(trainable(model)[0])
    return jnp.full((num_tasks, *rest), fill, jnp.result_type(*leaves))


def num_shared(model: Model) -> int:
    """The number of shared parameters: the columns of the matrix of gradients."""
    return sum(leaf.size for leaf in jax.tree.leaves(own_and_shared(trainable(model)[0])[1]))


def recall(memory: Float[Array, "numbered *rest"], stats: TaskStats) -> Float[Array, "tasks *rest"]:
    """The rows of memory for the tasks of a batch. A task whose number has no row gives NaN, at
    which `train` stops; outside of a compiled function it raises `InputError`."""
    inside = (stats.index >= 0) & (stats.index < len(memory))
    unknown = stats.present & ~inside
    if not isinstance(unknown, core.Tracer) and unknown.any():
        raise InputError(
            f"A task has the number {int(stats.index[unknown.argmax()])}, but the method was made"
            f" for tasks numbered 0 to {len(memory) - 1}. Set `num_tasks` to the size of the set,"
            " and take tasks from a numbered set, such as `FiniteTasks`."
        )
    rows = memory[jnp.clip(stats.index, 0, len(memory) - 1)]
    return jnp.where(_along(unknown, rows), jnp.nan, rows)


def renew(
    memory: Float[Array, "numbered *rest"], stats: TaskStats, values: Float[Array, "tasks *rest"]
) -> Float[Array, "numbered *rest"]:
    """The memory with new values for the present tasks. A task that occurs twice gets the mean of
    its two values."""
    new, present = by_number(values, stats, len(memory))
    return jnp.where(_along(present, new), new, memory)


def by_number(
    values: Float[Array, "tasks *rest"], stats: TaskStats, num_tasks: int
) -> tuple[Float[Array, "numbered *rest"], Bool[Array, "numbered"]]:
    """The values of a batch in the order of the tasks' numbers, zero for absent tasks; and which
    tasks are present."""
    number = jnp.where(stats.present & (stats.index >= 0), stats.index, num_tasks)
    count = jnp.zeros(num_tasks, values.dtype).at[number].add(1.0, mode="drop")
    zeros = jnp.zeros((num_tasks, *values.shape[1:]), values.dtype)
    total = zeros.at[number].add(values, mode="drop")
    return total / _along(jnp.maximum(count, 1), total), count > 0


class Learnt(eqx.Module):
    """A number for each task that a method learns by Adam, with its own step size. Tasks that are
    absent from a step keep their number and their moments."""

    value: Float[Array, "numbered"]
    mean: Float[Array, "numbered"]
    square: Float[Array, "numbered"]
    steps: Float[Array, "numbered"]

    def __init__(self, value: Float[Array, "numbered"]):
        self.value = value
        self.mean = self.square = self.steps = jnp.zeros_like(value)

    def step(
        self,
        slope: Float[Array, "tasks"],
        stats: TaskStats,
        *,
        lr: float | Float[Array, ""],
        decay: float | Float[Array, ""] = 0.0,
    ) -> "Learnt":
        """The numbers after one step against the slope plus `decay` times the numbers."""
        slope, present = by_number(slope, stats, len(self.value))
        slope = slope + decay * self.value
        steps = self.steps + 1
        mean = 0.9 * self.mean + 0.1 * slope
        square = 0.999 * self.square + 0.001 * slope**2
        step = mean / (1 - 0.9**steps) / (jnp.sqrt(square / (1 - 0.999**steps)) + 1e-8)
        new = (self.value - lr * step, mean, square, steps)
        old = (self.value, self.mean, self.square, self.steps)
        kept = tuple(jnp.where(present, *pair) for pair in zip(new, old, strict=True))
        return eqx.tree_at(
            lambda learnt: (learnt.value, learnt.mean, learnt.square, learnt.steps), self, kept
        )


def _along(mask: Array, rows: Array) -> Array:
    """The mask with an entry for each row, in a shape that broadcasts against the rows."""
    return mask.reshape(mask.shape + (1,) * (rows.ndim - 1))
