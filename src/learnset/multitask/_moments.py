"""Sums over the points of tasks, from which linear models are solved."""

import functools
import weakref
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..tasks import TaskRows


class Within(NamedTuple):
    """One task's regression on inputs and targets minus its means: the matrix and the right side of
    the normal equations, or of their dual form where points are fewer than inputs (then `x` are the
    inputs)."""

    gram: Float[np.ndarray, "size size"]
    cross: Float[np.ndarray, "size out"]
    x: Float[np.ndarray, "points in"] | None

    def solved(self, l2: float) -> Float[np.ndarray, "in out"]:
        """The weights under a penalty."""
        solution = solved(self.gram, self.cross, l2)
        return solution if self.x is None else self.x.T @ solution

    @property
    def primal(self) -> tuple[Float[np.ndarray, "in in"], Float[np.ndarray, "in out"]]:
        """The matrix and the right side of the normal equations."""
        if self.x is None:
            return self.gram, self.cross
        return self.x.T @ self.x, self.x.T @ self.cross


class Moments:
    """Sums over the points of each task. They are computed once for all penalties, in double
    precision, and about the means, so that large inputs (a year, say) lose no digits."""

    def __init__(self, rows: TaskRows):
        self._rows = weakref.ref(rows)  # which keep their moments: nothing keeps itself
        self.weight = np.array([w.sum() for _, _, w in rows])
        total = np.maximum(self.weight, 1e-12)[:, None]
        self.x_mean = np.stack([w @ x for x, _, w in rows]) / total
        self.y_mean = np.stack([w @ y for _, y, w in rows]) / total
        share = self.weight / self.weight.sum()
        self.x_centre, self.y_centre = share @ self.x_mean, share @ self.y_mean

    @property
    def rows(self) -> TaskRows:
        rows = self._rows()
        assert rows is not None  # who asks for moments has them
        return rows

    @functools.cached_property
    def within(self) -> list[Within]:
        """The regression of each task on its own."""
        return [
            _within(x - x_mean, y - y_mean, np.sqrt(w)[:, None])
            for (x, y, w), x_mean, y_mean in zip(self.rows, self.x_mean, self.y_mean, strict=True)
        ]

    @functools.cached_property
    def within_all(self) -> tuple[Float[np.ndarray, "in in"], Float[np.ndarray, "in out"]]:
        """The sums over all tasks of squares and products about the means of tasks."""
        gram, cross = (np.zeros((self.rows.sizes[0], size)) for size in self.rows.sizes)
        for (x, y, w), x_mean, y_mean in zip(self.rows, self.x_mean, self.y_mean, strict=True):
            weighted = w[:, None] * (x - x_mean)
            gram += weighted.T @ (x - x_mean)
            cross += weighted.T @ (y - y_mean)
        return gram, cross

    @functools.cached_property
    def between(self) -> tuple[Float[np.ndarray, "tasks in"], Float[np.ndarray, "tasks out"]]:
        """The means of tasks about those of all points."""
        return self.x_mean - self.x_centre, self.y_mean - self.y_centre

    @functools.cached_property
    def of_tasks(self) -> tuple[np.ndarray, np.ndarray]:
        """For each task the squares of `[1, x]` and their products with targets, about the means of
        all points: "tasks in+1 in+1" and "tasks in+1 out"."""
        grams, crosses = [], []
        for x, y, w in self.rows:
            f = np.concatenate([np.ones((len(x), 1)), x - self.x_centre], axis=1)
            weighted = w[:, None] * f
            grams.append(weighted.T @ f)
            crosses.append(weighted.T @ (y - self.y_centre))
        return np.stack(grams), np.stack(crosses)

    @functools.cached_property
    def squares(self) -> Float[np.ndarray, "out"]:
        """The squares of all targets about their means."""
        return self.rows.weight @ (self.rows.y - self.y_centre) ** 2


def moments(rows: TaskRows) -> Moments:
    """The moments of rows, computed once."""
    if Moments not in rows.kept:
        rows.kept[Moments] = Moments(rows)
    return rows.kept[Moments]


def _within(x: np.ndarray, y: np.ndarray, root: np.ndarray) -> Within:
    x, y = root * x, root * y
    if len(x) < x.shape[1]:
        return Within(x @ x.T, y, x)
    return Within(x.T @ x, x.T @ y, None)


def solved(gram: np.ndarray, cross: np.ndarray, l2: float) -> np.ndarray:
    """The solution of the normal equations under a penalty."""
    return np.linalg.solve(gram + l2 * np.eye(len(gram)), cross)
