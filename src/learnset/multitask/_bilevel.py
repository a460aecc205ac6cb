"""Two parts of each task: one to train on, and one to judge the result by."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..core import Batch, Task
from ._task_gradients import even


def support_only(tasks: Task) -> Task:
    """The tasks without their query sets."""
    return _of(tasks, tasks.support)


def query_only(tasks: Task) -> Task:
    """The tasks with only their query sets."""
    return _of(tasks, tasks.query)


def mean_of_present(
    losses: Float[Array, "tasks"], present: Bool[Array, "tasks"]
) -> Float[Array, ""]:
    """The mean over the present tasks; zero if there are none."""
    return (even(present).astype(losses.dtype) * jnp.where(present, losses, 0)).sum()


def _of(tasks: Task, points: Batch) -> Task:
    return Task(points, points.first(0), tasks.index, tasks.latents)
