"""Random forests: of all tasks, and one of several targets."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import check_positive, InputError, needs
from ..tasks import TaskRows
from ._grower import AbstractGrower, codes_of, table_of, TreesOfTasks
from ._solver import AbstractSolution
from ._threads import one_thread
from ._trees import Trees

MOST_ROWS = 10_000  # that a tree of a forest is grown from


class RandomForest(AbstractGrower):
    """A random forest that is given the mean of each task's targets: scikit-learn's. Each tree is
    grown from a random sample of as many rows as there are, at most 10 000. Of classes, which are
    one-hot, it predicts logarithms of shares.

    Source: Breiman 2001, *Random Forests*.

    **Arguments:** `least`: rows of a leaf, at least. `features`: the part of all inputs that a
    split chooses from. `trees`: how many there are.

    >>> import jax.numpy as jnp, learnset as ls
    >>> x = jnp.linspace(0, 1, 40)[None, :, None].repeat(2, axis=0)
    >>> y = jnp.where(x > 0.5, 1.0, 0.0) + jnp.array([0.0, 5.0])[:, None, None]
    >>> rows = ls.tasks.TaskRows.of_batch(ls.Batch(x, y, jnp.ones((2, 40))))
    >>> model, _ = ls.multitask.RandomForest(least=1).grown(rows)
    >>> [round(float(model.for_task(jnp.asarray(i))(jnp.ones(1))[0])) for i in (0, 1)]
    [1, 6]
    """

    least: int = eqx.field(static=True, default=3)
    features: float = eqx.field(static=True, default=0.5)
    trees: int = eqx.field(static=True, default=100)

    def __check_init__(self):
        check_positive("RandomForest", least=self.least, features=self.features, trees=self.trees)

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple[AbstractSolution, int]:
        del validation, rounds
        codes = codes_of(rows, categories=False)
        trees = self.fitted(table_of(rows, codes), rows.y, rows.weight)
        model = TreesOfTasks(trees, jnp.asarray(codes, jnp.result_type(float)))
        return (Shares(model) if rows.sizes[1] > 1 else model), 0

    def fitted(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Trees:
        """The trees of inputs, targets and weights."""
        with needs("tables"):
            from sklearn.ensemble import RandomForestRegressor

        model = RandomForestRegressor(
            self.trees,
            min_samples_leaf=self.least,
            max_features=self.features,
            max_samples=min(len(x), MOST_ROWS),
            random_state=0,
        )
        y = y[:, 0] if y.shape[1] == 1 else y
        with one_thread():  # numbers of single precision, as it is asked later
            model.fit(x.astype(np.float32), y, sample_weight=weight)
        return Trees.of_forest(model)


class ForestOfTargets(AbstractGrower):
    """One random forest of several targets, which share the same rows and the splits of all trees.

    Source: Segal 1992, *Tree-Structured Methods for Longitudinal Data*; Breiman 2001.

    **Arguments:** `forest`: as one target would have it.

    **Raises:** `InputError` where tasks have different rows.
    """

    forest: RandomForest = RandomForest()

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple["OutputPerTask", int]:
        del validation, rounds
        x, y, weight = targets_of(rows)
        if np.isnan(y).any():
            raise InputError(
                "ForestOfTargets: tasks have different rows or missing labels, but one forest needs"
                " all targets of each row. Use RandomForest."
            )
        return OutputPerTask(self.forest.fitted(x, y, weight.mean(axis=1))), 0


class OutputPerTask(AbstractSolution):
    """Trees with an output for each task. A new task has the mean of all outputs."""

    trees: Trees

    def for_task(self, index: Int[Array, ""]) -> "OneOutput":
        return OneOutput(self.trees, index)


class OneOutput(eqx.Module):
    """One output of trees."""

    trees: Trees
    index: Int[Array, ""]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "1"]:
        outputs = self.trees(x)
        return jnp.where(self.index < 0, outputs.mean(), outputs[self.index])[None]


class Shares(AbstractSolution):
    """Logarithms of the shares of classes that another solution predicts."""

    solution: AbstractSolution

    def for_task(self, index: Int[Array, ""]) -> "Logarithms":
        return Logarithms(self.solution.for_task(index))


class Logarithms(eqx.Module):
    """Logarithms of predicted shares, none of which is zero."""

    predictor: Any

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return jnp.log(jnp.clip(self.predictor(x), 0.01, 1))


class Targets(NamedTuple):
    """Rows that tasks share: their inputs, and a column of each task's targets, NaN where one is
    missing, and of its weights."""

    x: Float[np.ndarray, "rows in"]
    y: Float[np.ndarray, "rows tasks"]
    weight: Float[np.ndarray, "rows tasks"]

    def some(self, rows: np.ndarray) -> "Targets":
        """Some of the rows."""
        return Targets(*(part[rows] for part in self))

    def labelled(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The inputs, targets and weights of the rows that have target `number`."""
        here = np.isfinite(self.y[:, number])
        return self.x[here], self.y[here, number][:, None], self.weight[here, number]


def targets_of(rows: TaskRows) -> Targets:
    """The points of tasks that share their rows, as a table."""
    used, place = np.unique(rows.row, return_inverse=True)
    y, weight = np.full((len(used), len(rows)), np.nan), np.zeros((len(used), len(rows)))
    y[place, rows.task], weight[place, rows.task] = rows.y[:, 0], rows.weight
    return Targets(rows.shared_x[used].astype(np.float64), y, weight)
