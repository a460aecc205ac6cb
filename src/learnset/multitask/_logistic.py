"""Logistic regression of many tasks: each alone, all as one, and all as one that is given the
task."""

import enum
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..core import check_positive, needs
from ..tasks import TaskRows
from ._solver import AbstractSolver, linear_tasks, LinearTasks
from ._threads import one_thread

ABSENT = -30.0  # the logit of a class that no row has


class Given(enum.Enum):
    """The part that tasks have in a logistic regression: all its weights, none of them, a column of
    zeros and ones for each task, or also the products of these columns and the inputs."""

    ALL = "one model each"
    NOTHING = "pooled"
    OFFSETS = "offsets"
    SLOPES = "slopes"


class TaskLogistic(AbstractSolver):
    """Logistic regression of classes, one-hot, by scikit-learn. All weights have one penalty,
    `l2 / 2` times their squares next to the sum of all losses, and only common offsets are not
    shrunk. A new task gets the mean of all.

    **Arguments:** `given`: the part that tasks have in it.

    >>> import jax.numpy as jnp, learnset as ls
    >>> x, y = jnp.array([[[0.0], [1.0]], [[0.0], [1.0]]]), jnp.eye(2)[jnp.array([[0, 1], [0, 1]])]
    >>> model = ls.multitask.TaskLogistic(0.1).solve(ls.Batch(x, y, jnp.ones((2, 2))))
    >>> model.for_task(jnp.asarray(0))(jnp.ones(1)).argmax().item()
    1
    """

    l2: float | Float[Array, "..."] = 1.0
    given: Given = eqx.field(static=True, default=Given.OFFSETS)

    def __check_init__(self):
        check_positive("TaskLogistic", l2=self.l2)

    def solve_rows(self, rows: TaskRows) -> LinearTasks:
        outputs = rows.sizes[1]
        if self.given is Given.ALL:
            parts = [self._fitted(x, y, w, outputs) for x, y, w in rows]
            weight, bias = (np.stack(many) for many in zip(*parts, strict=True))
            return linear_tasks(weight, bias)
        weight, bias = self._fitted(design_of(rows, self.given), rows.y, rows.weight, outputs)
        return of_each_task(rows, weight, bias)

    def _fitted(
        self, x: Any, y: np.ndarray, weight: np.ndarray, outputs: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights and offsets of all classes; those of classes without rows say that they are
        absent."""
        with needs("tables"):
            from sklearn.linear_model import LogisticRegression

        labels = y.argmax(axis=1)
        present = np.unique(labels)
        coefficients, offsets = np.zeros((x.shape[1], outputs)), np.full(outputs, ABSENT)
        if len(present) == 1:
            offsets[present] = 0
            return coefficients, offsets
        model = LogisticRegression(C=1 / float(self.l2), tol=1e-3, max_iter=300)
        with one_thread():
            model.fit(x, labels, sample_weight=weight)
        found, bias = model.coef_.T, model.intercept_
        if len(present) == 2:
            found, bias = found * np.array([-0.5, 0.5]), bias * np.array([-0.5, 0.5])
        coefficients[:, present], offsets[present] = found, bias
        return coefficients, offsets


def design_of(rows: TaskRows, given: Given, unit: float = 1.0) -> Any:
    """The inputs of a linear model of all tasks, a column of `unit` for each task, and the products
    of both, as far as they are given."""
    import scipy.sparse  # here and not above: the import takes 0.2 s

    tasks, size, x, which = len(rows), rows.sizes[0], rows.x, np.arange(len(rows.task))
    if given is Given.NOTHING:
        return x
    shape = len(which), tasks
    own = scipy.sparse.csr_array((np.full(len(which), unit), (which, rows.task)), shape)
    columns = [scipy.sparse.csr_array(x), own]
    if given is Given.SLOPES:
        place = size * rows.task[:, None] + np.arange(size)
        rows_of = np.broadcast_to(which[:, None], place.shape)
        shape = len(which), tasks * size
        columns.append(scipy.sparse.csr_array((x.ravel(), (rows_of.ravel(), place.ravel())), shape))
    return scipy.sparse.hstack(columns, format="csr")


def of_each_task(rows: TaskRows, weight: np.ndarray, bias: np.ndarray) -> LinearTasks:
    """The linear predictors of tasks, from the weights of the columns of `design_of`."""
    tasks, (size, _) = len(rows), rows.sizes
    shared, own, slopes = np.split(weight, [size, min(len(weight), size + tasks)])
    of_tasks = np.tile(shared, (tasks, 1, 1))
    if len(slopes):
        of_tasks = of_tasks + slopes.reshape(tasks, size, -1)
    offsets = np.tile(bias, (tasks, 1))
    return linear_tasks(of_tasks, offsets + own if len(own) else offsets)
