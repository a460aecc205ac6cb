"""Models that grow in rounds, tree by tree, until validation rows are predicted no better."""

import abc
import functools
import operator
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..tasks import TaskRows
from ._solver import AbstractSolution
from ._trees import MOST_CATEGORIES, Trees


class AbstractGrower(eqx.Module):
    """A way to grow a model of all tasks on the host. A subclass defines `grown`."""

    @abc.abstractmethod
    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple[AbstractSolution, Any]:
        """Grows a model.

        **Arguments:** `validation`: other rows, by which the number of rounds is chosen; or
        `rounds`: that number, as it was returned before.

        **Returns:** a model of all tasks, and its rounds.
        """


class TreesOfTasks(AbstractSolution):
    """Trees that are given the task: its numbers come before the inputs.

    - `codes`: the numbers of each task, and last those of a new one.
    """

    trees: Trees
    codes: Float[Array, "tasks+1 size"]

    def for_task(self, index: Int[Array, ""]) -> "Coded":
        return Coded(self.trees, self.codes[index])  # -1 is the last


class Coded(eqx.Module):
    """Trees with the numbers of one task."""

    trees: Trees
    code: Float[Array, "size"]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.trees(jnp.concatenate([self.code, x]))


class TreesPerTask(AbstractSolution):
    """Trees of each task, next to each other, and last those of all tasks together, for a new
    one."""

    trees: Trees

    def for_task(self, index: Int[Array, ""]) -> Trees:
        return pick(self.trees, index)


class Added(AbstractSolution):
    """The sum of several solutions."""

    parts: tuple[AbstractSolution, ...]

    def for_task(self, index: Int[Array, ""]) -> "Sum":
        return Sum(tuple(part.for_task(index) for part in self.parts))


class Sum(eqx.Module):
    """The sum of several predictors."""

    parts: tuple[Any, ...]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        first, *others = (part(x) for part in self.parts)
        return functools.reduce(operator.add, others, first)


def pick(many: Any, index: Int[Array, ""]) -> Any:
    """One of several models on a leading axis."""
    return jax.tree.map(lambda leaf: leaf[index], many)


def side_by_side(models: Sequence[Any]) -> Any:
    """Models of one structure on a leading axis, their arrays padded with zeros to one shape."""

    def padded(*leaves: Any) -> Any:
        if not eqx.is_array(leaves[0]):
            return leaves[0]
        shape = [max(sizes) for sizes in zip(*(leaf.shape for leaf in leaves), strict=True)]
        whole = np.zeros((len(leaves), *shape), leaves[0].dtype)
        for number, leaf in enumerate(leaves):
            whole[(number, *(slice(size) for size in leaf.shape))] = leaf
        return jax.device_put(whole)  # compiles nothing

    return jax.tree.map(padded, *models)


def codes_of(rows: TaskRows, *, categories: bool) -> Float[np.ndarray, "tasks+1 size"]:
    """The numbers by which trees know a task, and last those of a new one: its number, as a
    category (NaN is none of them); or the means of its targets, drawn to those of all tasks as if
    it had ten more points."""
    if categories and len(rows) <= MOST_CATEGORIES:
        return np.append(np.arange(len(rows)), np.nan)[:, None]
    weight = np.array([w.sum() for _, _, w in rows])
    total = np.stack([w @ y for _, y, w in rows])
    mean = total.sum(axis=0) / weight.sum()
    means = (total + 10 * mean) / (weight + 10)[:, None]
    means = np.concatenate([means, mean[None]])
    return means[:, 1:] if means.shape[1] == 2 else means  # of two classes one says it all


def table_of(rows: TaskRows, codes: np.ndarray) -> Float[np.ndarray, "points size+in"]:
    """The inputs of trees: the numbers of the task, and the inputs."""
    numbers = codes.shape[1]
    table = np.empty((len(rows.task), numbers + rows.sizes[0]))
    table[:, :numbers] = codes[rows.task]
    for number in range(len(rows)):  # without a copy of all rows in between
        part = rows.part(number)
        table[part, numbers:] = rows.shared_x[rows.row[part]]
    return table
