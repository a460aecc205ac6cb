"""One part of each task to train on, another to say whether that was good."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..core import Batch, Task
from ._task_gradients import even


def support_only(tasks: Task) -> Task:
    """The tasks without their query sets."""
    return _of(tasks, tasks.support)


def query_only(tasks: Task) -> Task:
    """The tasks with their query sets alone."""
    return _of(tasks, tasks.query)


def mean_there(losses: Float[Array, "tasks"], present: Bool[Array, "tasks"]) -> Float[Array, ""]:
    """The mean over the tasks that are there; zero if none is."""
    return (even(present).astype(losses.dtype) * jnp.where(present, losses, 0)).sum()


def _of(tasks: Task, points: Batch) -> Task:
    return Task(points, points.first(0), tasks.index, tasks.latents)
