"""Gradient boosting of trees, which is given the task; for each task; and after a mixed model."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..core import check_positive, needs
from ..tasks import TaskRows
from ._grower import (
    AbstractGrower,
    Added,
    codes_of,
    side_by_side,
    table_of,
    TreesOfTasks,
    TreesPerTask,
)
from ._mixed_model import MixedModel
from ._threads import one_thread
from ._trees import MOST_CATEGORIES, Trees

BINS, FEW_BINS = 255, 63  # of an input, and where there are more than `MANY_INPUTS`
MANY_INPUTS = 512
ABSENT = -30.0  # the logit of a class that no row has


class Boosting(AbstractGrower):
    """Gradient boosting of trees that is given the task as a category, or as the mean of its
    targets where there are more than 255 tasks: scikit-learn's `HistGradientBoosting`. Targets of
    several columns are classes, one-hot.

    Source: Friedman 2001, *Greedy Function Approximation: A Gradient Boosting Machine*; histograms:
    Ke et al. 2017, *LightGBM*.

    **Arguments:**

    - `rate`: the learning rate. `leaves`: of a tree, at most.
    - `rounds`: at most; it ends when validation rows were predicted no better for `patience`.
    - `task`: whether it is given the task. `poisson`: whether targets are counts, of which it
      learns logarithms of rates by their Poisson likelihood.

    >>> import jax.numpy as jnp, learnset as ls
    >>> x = jnp.linspace(0, 1, 40)[None, :, None].repeat(2, axis=0)
    >>> y = jnp.stack([jnp.where(x[0] > 0.5, 1.0, 0.0), jnp.full((40, 1), 3.0)])
    >>> rows = ls.tasks.TaskRows.of_batch(ls.Batch(x, y, jnp.ones((2, 40))))
    >>> model, rounds = ls.multitask.Boosting(rounds=80).grown(rows, rows)
    >>> [round(float(model.for_task(jnp.asarray(i))(jnp.ones(1))[0])) for i in (0, 1)]
    [1, 3]
    """

    rate: float = eqx.field(static=True, default=0.1)
    leaves: int = eqx.field(static=True, default=31)
    rounds: int = eqx.field(static=True, default=500)
    patience: int = eqx.field(static=True, default=15)
    task: bool = eqx.field(static=True, default=True)
    poisson: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        check_positive("Boosting", rate=self.rate, leaves=self.leaves - 1, rounds=self.rounds)

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple[TreesOfTasks, int]:
        codes = np.zeros((len(rows) + 1, 0))
        category = self.task and len(rows) <= MOST_CATEGORIES
        if self.task:
            codes = codes_of(rows, categories=True)
        points = table_of(rows, codes), rows.y, rows.weight
        others = None
        if validation is not None:
            others = table_of(validation, codes), validation.y, validation.weight
        trees, rounds = self.fitted(points, others, rounds, category=category)
        return TreesOfTasks(trees, jnp.asarray(codes, jnp.result_type(float))), rounds

    def fitted(
        self,
        points: tuple[np.ndarray, np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
        rounds: int | None,
        *,
        category: bool = False,
    ) -> tuple[Trees, int]:
        """Trees of inputs, targets and weights, of which the first input may be a category; and the
        number of rounds: that given, or the best on validation points."""
        return self.scored(points, validation, rounds, category=category)[:2]

    def scored(
        self,
        points: tuple[np.ndarray, np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
        rounds: int | None,
        *,
        category: bool = False,
    ) -> tuple[Trees, int, Float[np.ndarray, "rounds+1"]]:
        """As `fitted`, and the mean score of validation points before the first round and after
        each."""
        with needs("tables"):
            from sklearn.ensemble import (
                HistGradientBoostingClassifier as Classifier,
                HistGradientBoostingRegressor as Regressor,
            )

        (x, y, weight), outputs = points, points[1].shape[1]
        if rounds == 0 or (self.poisson and not weight @ y[:, 0] > 0):
            return Trees.constant(self._base_of(y, weight)), 0, np.zeros(1)
        options: dict[str, Any] = {
            "learning_rate": self.rate,
            "max_leaf_nodes": self.leaves,
            "max_iter": rounds or self.rounds,
            "max_bins": bins_of(x, category=category),
            "min_samples_leaf": max(1, min(20, len(x) // 10)),
            "categorical_features": [0] if category else None,
            "early_stopping": rounds is None,
            "n_iter_no_change": self.patience,
            "scoring": "loss",
            "random_state": 0,
        }
        labels = y[:, 0] if outputs == 1 else y.argmax(axis=1)
        present = np.unique(labels) if outputs > 1 else np.zeros(0)
        if outputs > 1 and len(present) == 1:
            return Trees.constant(base_of(y, weight)), 0, np.zeros(1)
        if self.poisson:
            options["loss"] = "poisson"
        model = (Regressor if outputs == 1 else Classifier)(**options)
        others: dict[str, Any] = {}
        if rounds is None:
            assert validation is not None
            other_x, other_y, other_weight = validation
            other = other_y[:, 0] if outputs == 1 else other_y.argmax(axis=1)
            known = np.isin(other, present) if outputs > 1 else np.ones(len(other), bool)
            others = {"X_val": other_x[known], "y_val": other[known]}
            others["sample_weight_val"] = unless_equal(other_weight[known])
        with one_thread():
            model.fit(x, labels, sample_weight=unless_equal(weight), **others)
        scores = np.asarray(model.validation_score_) if rounds is None else np.zeros(1)
        if rounds is None:
            rounds = int(np.argmax(scores))
        trees = Trees.of_boosting(model, rounds=rounds)
        if outputs > 1:
            trees = with_absent(trees, present.astype(int), outputs)
        return trees, rounds, scores

    def _base_of(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        base = base_of(y, weight)
        return np.maximum(np.log(np.maximum(base, 1e-30)), ABSENT) if self.poisson else base


def unless_equal(weight: Float[np.ndarray, "points"]) -> Float[np.ndarray, "points"] | None:
    """Weights, or None where all are equal: with weights, the bins of an input are found by one
    pass over all points for each bin, which takes longer than growing the trees."""
    return None if not len(weight) or np.ptp(weight) == 0 else weight


def bins_of(x: Float[np.ndarray, "points in"], *, category: bool = False) -> int:
    """The number of bins of an input; fewer where there are many inputs, which takes half the time,
    and enough for the category, which is the first input."""
    categories = len(np.unique(x[:, 0])) if category else 0
    return BINS if x.shape[1] <= MANY_INPUTS else max(FEW_BINS, categories)


class BoostingPerTask(AbstractGrower):
    """Gradient boosting for each task alone: nothing is shared but the number of rounds of tasks
    with few validation rows, which would otherwise be chosen by chance, and look better than it is.
    A new task is predicted by trees of all tasks together.

    **Arguments:** `boosting`: as each task has it. `enough`: validation rows of a task, of classes
    those of its rarest, from which on it has its own number of rounds.
    """

    boosting: Boosting = Boosting()
    enough: int = eqx.field(static=True, default=50)

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple[TreesPerTask, tuple[int, ...]]:
        together = rows.x, rows.y, rows.weight
        if rounds is None:
            assert validation is not None
            others = validation.x, validation.y, validation.weight
            fits = [
                self.boosting.scored(*each, None) for each in zip(rows, validation, strict=True)
            ]
            few = [_count(y) < self.enough for _, y, _ in validation]
            common = _common([fit[2] for fit in fits], [w.sum() for _, _, w in validation], few)
            rounds = [common if is_few else fit[1] for fit, is_few in zip(fits, few, strict=True)]
            trees = [
                fit[0] if fit[1] == number else self.boosting.fitted(points, None, number)[0]
                for fit, number, points in zip(fits, rounds, rows, strict=True)
            ]
            new, number = self.boosting.fitted(together, others, None)
            rounds = [*rounds, number]
        else:
            each = zip([*rows, together], rounds, strict=True)
            trees = [self.boosting.fitted(points, None, number)[0] for points, number in each]
            new = trees.pop()
        return TreesPerTask(side_by_side([*trees, new])), tuple(rounds)


def _count(y: Float[np.ndarray, "points out"]) -> int:
    """The number of rows, or of those of the rarest class that there is."""
    if y.shape[1] == 1:
        return len(y)
    count = y.sum(axis=0)
    return int(count[count > 0].min(initial=len(y)))


def _common(
    scores: Sequence[Float[np.ndarray, "rounds"]], weights: Sequence[float], few: Sequence[bool]
) -> int:
    """The number of rounds that is best for tasks with few validation rows together. A task that
    ended earlier than others keeps its last score."""
    chosen = [(s, w) for s, w, is_few in zip(scores, weights, few, strict=True) if is_few]
    length = max((len(score) for score, _ in chosen), default=1)
    total = np.zeros(length)
    for score, weight in chosen:
        total += weight * np.pad(score, (0, length - len(score)), mode="edge")
    return int(total.argmax())


class MixedBoosting(AbstractGrower):
    """Trees with random effects: a mixed model, and gradient boosting of what it leaves, which is
    given the task.

    Source: the idea of Sigrist 2022, *Gaussian Process Boosting*; here the two parts are fitted one
    after the other instead of in turns.

    **Arguments:** `boosting`: of what is left. `slopes`: of the mixed model.
    """

    boosting: Boosting = Boosting()
    slopes: bool = eqx.field(static=True, default=False)

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple[Added, int]:
        mixed = MixedModel(self.slopes).solve_rows(rows)
        left = [
            None if part is None else part.with_y(part.y - answers(mixed, part))
            for part in (rows, validation)
        ]
        assert left[0] is not None
        trees, rounds = self.boosting.grown(left[0], left[1], rounds=rounds)
        return Added((mixed, trees)), rounds


def answers(model: Any, rows: TaskRows) -> Float[np.ndarray, "points out"]:
    """The predictions of a linear mixed model for rows, on the host."""
    fixed = np.asarray(model.fixed, np.float64)
    effects = np.asarray(model.effects, np.float64)
    predicted = np.empty_like(rows.y)
    for number, (x, _, _) in enumerate(rows):
        weights = fixed.copy()
        weights[: effects.shape[1]] += effects[number]
        predicted[rows.part(number)] = weights[0] + x @ weights[1:]
    return predicted


def base_of(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The answer without any tree: the mean, or the logits of the shares of classes."""
    mean = weight @ y / max(weight.sum(), 1e-12)
    return mean if len(mean) == 1 else np.maximum(np.log(np.maximum(mean, 1e-30)), ABSENT)


def with_absent(trees: Trees, present: np.ndarray, outputs: int) -> Trees:
    """The same trees with an output for each class, also for those that no row has."""
    if len(present) == outputs:
        return trees
    base = jnp.full(outputs, ABSENT, trees.base.dtype).at[present].set(trees.base)
    value = jnp.zeros((*trees.value.shape[:-1], outputs), trees.value.dtype)
    value = value.at[..., present].set(trees.value)
    return eqx.tree_at(lambda t: (t.base, t.value), trees, (base, value))
