"""Random forests of all tasks, and boosting that sees the predictions of other targets."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import check_positive, InputError, needs
from ..tasks import TaskRows
from ._boosting import Boosting
from ._grower import AbstractGrower, codes_of, pick, side_by_side, table_of, TreesOfTasks
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
        x, y = targets_of(rows)
        if np.isnan(y).any():
            raise InputError(
                "ForestOfTargets: tasks have different rows or missing labels, but one forest needs"
                " all targets of each row. Use RandomForest."
            )
        return OutputPerTask(self.forest.fitted(x, y, np.ones(len(x)))), 0


class StackedBoosting(AbstractGrower):
    """Stacked boosting of several targets: for each target trees of the inputs alone, and then
    trees of the inputs and of what the first predict for all targets. What the second trees learn
    from are predictions for rows that the first were not grown from, as they will be later.

    Source: Spyromitros-Xioufis et al. 2016, *Multi-target regression via input space expansion*,
    §3.1 and §3.3: stacking, the parallel form of their chains, with predictions from
    cross-validation.

    **Arguments:** `boosting`: as each target has it. `folds`: of the cross-validation.
    """

    boosting: Boosting = Boosting(leaves=15)
    folds: int = eqx.field(static=True, default=3)

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple["Stacked", tuple[tuple[int, int], ...]]:
        x, y = targets_of(rows)
        other = None if validation is None else targets_of(validation)
        fold = np.random.default_rng(0).permutation(len(x)) % self.folds
        first, before, before_other, counts = [], np.zeros_like(y), [], []
        for target in range(y.shape[1]):
            trees, count = self._one(x, y, other, target, rounds and rounds[target][0])
            first.append(trees)
            counts.append(count)
            before[:, target] = _asked(trees, x)
            for number in range(self.folds):
                held = fold == number
                without, _ = self._one(x[~held], y[~held], None, target, count)
                before[held, target] = _asked(without, x[held])
            if other is not None:
                before_other.append(_asked(trees, other[0]))
        wide = np.concatenate([before, x], axis=1)
        if other is not None:
            other = np.concatenate([np.stack(before_other, axis=1), other[0]], axis=1), other[1]
        second = [
            self._one(wide, y, other, target, rounds and rounds[target][1])
            for target in range(y.shape[1])
        ]
        model = Stacked(side_by_side(first), side_by_side([trees for trees, _ in second]))
        return model, tuple(zip(counts, (count for _, count in second), strict=True))

    def _one(
        self, x: np.ndarray, y: np.ndarray, other: Any, target: int, rounds: int | None
    ) -> tuple[Trees, int]:
        def labelled(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            here = np.isfinite(y[:, target])
            return x[here], y[here, target][:, None], np.ones(here.sum())

        return self.boosting.fitted(labelled(x, y), other and labelled(*other), rounds)


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


class Stacked(AbstractSolution):
    """Trees of each target, which receive what other trees predict for all targets. A new task is
    predicted as the last one."""

    first: Trees
    second: Trees

    def for_task(self, index: Int[Array, ""]) -> "Stack":
        return Stack(self.first, pick(self.second, index))


class Stack(eqx.Module):
    """The trees of one target, with those of all targets that come first."""

    first: Trees
    second: Trees

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "1"]:
        before = jax.vmap(lambda trees: trees(x))(self.first)
        return self.second(jnp.concatenate([before[:, 0], x]))


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


def targets_of(
    rows: TaskRows,
) -> tuple[Float[np.ndarray, "rows in"], Float[np.ndarray, "rows tasks"]]:
    """The inputs of rows that tasks share, and a column of each task's targets; NaN where one is
    missing."""
    used, place = np.unique(rows.row, return_inverse=True)
    y = np.full((len(used), len(rows)), np.nan)
    y[place, rows.task] = rows.y[:, 0]
    return rows.shared_x[used].astype(np.float64), y


@eqx.filter_jit
def _predicted(trees: Trees, x: Array) -> Array:
    return jax.vmap(trees)(x)[:, 0]


def _asked(trees: Trees, x: np.ndarray) -> np.ndarray:
    return np.asarray(_predicted(trees, jnp.asarray(x, jnp.result_type(float))))
