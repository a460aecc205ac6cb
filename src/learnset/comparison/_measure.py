"""Measures: how good predictions are, as one number for each task and one over all tasks."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float

from ..core import Batch, calibration_error, confidence, mse, predict, Predictor
from ._rows import roc_auc, Rows


class AbstractMeasure(eqx.Module):
    """A measure: values that are computed on the host from what a question observed of all tasks.

    - `name`, `higher_is_better`, `percent`: how the number is shown.
    - `over_tasks`: whether the overall value is the mean over tasks, so that tasks are the units of
      chance, and not the rows of all tasks together.

    Predictions that are not finite are infinitely bad: no value hides them.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    percent: ClassVar[bool] = True
    over_tasks: ClassVar[bool] = True

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.higher_is_better else -1

    @abc.abstractmethod
    def of_tasks(self, observed: np.ndarray, asked: Any) -> Float[np.ndarray, "seeds tasks steps"]:
        """The value of each task; NaN where it is not defined, such as ROC-AUC of one class."""

    def overall(self, observed: np.ndarray, asked: Any) -> Float[np.ndarray, "seeds steps"]:
        """The value over all tasks of each seed."""
        return self.of_tasks(observed, asked).mean(axis=1)

    def calibration(self, observed: np.ndarray, places: Float[np.ndarray, "seeds"]) -> float | None:
        """The expected calibration error of class probabilities; None where there are none.

        **Arguments:** `places`: which of the observed steps counts, for each seed.
        """
        return None


class AbstractPointMeasure(AbstractMeasure):
    """A measure of predictions for points. `observe` is compiled and sees one task."""

    @abc.abstractmethod
    def observe(self, predictor: Predictor, query: Batch) -> Array:
        """Everything of one task's predictions that the values are computed from."""


class MeanSquaredError(AbstractPointMeasure):
    """The mean squared error of a task's queries."""

    name = "mean squared error"
    higher_is_better = False
    percent = False

    def observe(self, predictor: Predictor, query: Batch) -> Array:
        return mse(predictor, query)

    def of_tasks(self, observed: np.ndarray, asked: Any) -> Float[np.ndarray, "seeds tasks steps"]:
        return np.where(np.isnan(observed), np.inf, observed)


class Accuracy(AbstractPointMeasure):
    """The part of a task's queries whose class is right, with the calibration of confidences."""

    name = "accuracy"

    def observe(self, predictor: Predictor, query: Batch) -> Array:
        return confidence(predictor, query)

    def of_tasks(self, observed: np.ndarray, asked: Any) -> Float[np.ndarray, "seeds tasks steps"]:
        sure, right = observed[..., 0, :], observed[..., 1, :]
        bad = (np.isnan(sure) & ~np.isnan(right)).any(axis=-1)
        return np.where(bad, -np.inf, np.nanmean(right, axis=-1))

    def calibration(self, observed: np.ndarray, places: Float[np.ndarray, "seeds"]) -> float | None:
        chosen = np.stack([observed[seed, :, place] for seed, place in enumerate(places)])
        return calibration_error(chosen[..., 0, :], chosen[..., 1, :])


class AbstractRowMeasure(AbstractPointMeasure):
    """A measure of predictions for all rows of all tasks, which are observed as they are."""

    over_tasks = False

    def observe(self, predictor: Predictor, query: Batch) -> Array:
        return predict(predictor, query.x, query.weight)

    def of_tasks(self, observed: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks steps"]:
        bad = _not_finite(observed, asked).any(axis=-1)
        return np.where(bad, -np.inf, _at_each_step(self.of_rows, observed, asked))

    def overall(self, observed: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds steps"]:
        bad = _not_finite(observed, asked).any(axis=(1, 3))
        return np.where(bad, -np.inf, _at_each_step(self.of_all, observed, asked))

    @abc.abstractmethod
    def of_rows(
        self, predictions: Float[np.ndarray, "seeds tasks points out"], asked: Rows
    ) -> Float[np.ndarray, "seeds tasks"]:
        """The value of each task."""

    @abc.abstractmethod
    def of_all(
        self, predictions: Float[np.ndarray, "seeds tasks points out"], asked: Rows
    ) -> Float[np.ndarray, "seeds"]:
        """The value over all tasks."""


def _not_finite(
    observed: Float[np.ndarray, "seeds tasks steps points out"], asked: Rows
) -> Bool[np.ndarray, "seeds tasks steps points"]:
    """Which of the predictions that count are not finite."""
    return ~np.isfinite(observed).all(axis=-1) & asked.present[:, :, None]


def _at_each_step(value: Any, observed: np.ndarray, asked: Rows) -> np.ndarray:
    steps = range(observed.shape[2])
    return np.stack([value(np.float64(observed[:, :, step]), asked) for step in steps], axis=-1)


class ExplainedVariance(AbstractRowMeasure):
    """The part of the variance of the target that predictions explain: of all rows together where
    they have one target, and the mean over targets otherwise."""

    name = "explained variance"

    def of_rows(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks"]:
        error, total = asked.squares(predictions)[0], asked.squares_within()
        return np.where(total > 0, 1 - error / np.maximum(total, 1e-30), np.nan)

    def of_all(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds"]:
        if not asked.one_target:
            return np.nanmean(self.of_rows(predictions, asked), axis=1)
        error, total = asked.squares(predictions)
        return 1 - error.sum(axis=1) / np.maximum(total, 1e-30)


class RocAuc(AbstractRowMeasure):
    """The mean over tasks of the area under the ROC curve, of two classes."""

    name = "ROC-AUC"

    def of_rows(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks"]:
        leaning = predictions[..., 1] - predictions[..., 0]
        return np.array(
            [
                [
                    roc_auc(asked.y[seed, task, rows, 1], leaning[seed, task, rows])
                    for task, rows in enumerate(of_seed)
                ]
                for seed, of_seed in enumerate(asked.present)
            ]
        )

    def of_all(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds"]:
        return np.nanmean(self.of_rows(predictions, asked), axis=1)


class RowAccuracy(AbstractRowMeasure):
    """The part of all rows whose class is right."""

    name = "accuracy"

    def of_rows(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks"]:
        right = np.where(asked.present, asked.right(predictions), 0).sum(axis=2)
        return right / np.where(asked.present.any(axis=2), asked.count, np.nan)

    def of_all(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds"]:
        right = asked.right(predictions)
        return np.array([r[p].mean() for r, p in zip(right, asked.present, strict=True)])


def measure_of_rows(classes: int) -> AbstractRowMeasure:
    """The measure of a table's rows: explained variance of numbers, ROC-AUC of two classes, and
    accuracy of more."""
    return ExplainedVariance() if classes == 0 else RocAuc() if classes == 2 else RowAccuracy()
