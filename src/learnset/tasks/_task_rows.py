"""The points of many tasks on the host, without padding."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..core import Batch

LEAST = 0.8  # of an array that is points, below which its points are copied out of it


class TaskRows:
    """The points of many tasks as rows on the host, one task after the other. Memory is in
    proportion to the points, however unequal the tasks are, and inputs that tasks share are stored
    once.

    **Arguments:**

    - `x`: inputs. `row`: for each point the row of `x`. `y`, `weight`: its target and its weight.
    - `task`: for each point the number of its task, rising. `num_tasks`: how many there are.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ones, weight = jnp.ones((2, 3, 1)), jnp.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    >>> rows = TaskRows.of_batch(ls.Batch(ones, ones, weight))
    >>> rows.task.tolist(), rows.of(0)[0].shape
    ([0, 1, 1, 1], (1, 1))
    """

    def __init__(
        self,
        x: Shaped[np.ndarray, "rows in"],
        row: Int[np.ndarray, "points"],
        y: Shaped[np.ndarray, "points out"],
        weight: Shaped[np.ndarray, "points"],
        task: Int[np.ndarray, "points"],
        num_tasks: int,
    ):
        order = np.argsort(task, kind="stable")
        self.shared_x, self.row = x, row[order]
        self.y = y[order].astype(np.float64)
        self.weight, self.task = weight[order].astype(np.float64), task[order]
        self.kept: dict[Any, Any] = {}  # what is computed from these rows, and used again
        self.starts = np.searchsorted(self.task, np.arange(num_tasks + 1))

    @classmethod
    def of_batch(cls, points: Batch) -> "TaskRows":
        """The points, "tasks points ...", that have weight."""
        x, y, weight = (np.asarray(leaf) for leaf in (points.x, points.y, points.weight))
        row = np.flatnonzero(weight > 0)
        task = row // weight.shape[1]
        x, y = (leaf.reshape(weight.size, *leaf.shape[2:]) for leaf in (x, y))
        y, weight = y[row], weight.reshape(-1)[row]
        if len(row) < LEAST * len(x):  # much is padding, of which no copy is kept
            x, row = x[row], np.arange(len(row))
        return cls(x, row, y, weight, task, len(points.weight))

    def __len__(self) -> int:
        """The number of tasks."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> tuple[int, int]:
        """The lengths of an input and of a target."""
        return self.shared_x.shape[1], self.y.shape[1]

    @property
    def x(self) -> Float[np.ndarray, "points in"]:
        """The input of each point."""
        return self.shared_x[self.row].astype(np.float64)

    def part(self, number: int) -> slice:
        """The points of one task among all."""
        return slice(self.starts[number], self.starts[number + 1])

    def of(
        self, number: int
    ) -> tuple[
        Float[np.ndarray, "points in"], Float[np.ndarray, "points out"], Float[np.ndarray, "points"]
    ]:
        """Inputs, targets and weights of one task."""
        part = self.part(number)
        return self.shared_x[self.row[part]].astype(np.float64), self.y[part], self.weight[part]

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return (self.of(number) for number in range(len(self)))

    def joined(self, other: "TaskRows") -> "TaskRows":
        """The points of both, of the same tasks."""
        return TaskRows(
            np.concatenate([self.shared_x, other.shared_x]),
            np.concatenate([self.row, len(self.shared_x) + other.row]),
            np.concatenate([self.y, other.y]),
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.task, other.task]),
            len(self),
        )

    def with_y(self, y: Float[np.ndarray, "points out"]) -> "TaskRows":
        """The same points with other targets."""
        return TaskRows(self.shared_x, self.row, y, self.weight, self.task, len(self))
