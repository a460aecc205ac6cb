"""Measures of rows: how good predictions are for all rows of all tasks."""

import abc
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float

from ..core import Batch, predict, Predictor
from ._measure import AbstractPointMeasure, SCALES
from ._rows import log_losses, roc_auc, Rows

ENOUGH = 5  # scored rows of each class that a task needs for a ROC-AUC of its own
TINY = 1e-9  # of the variance of training rows, below which scored rows have one value


class AbstractRowMeasure(AbstractPointMeasure):
    """A measure of predictions for all rows of all tasks, which are observed as they are."""

    over_tasks = False

    def observe(self, predictor: Predictor, query: Batch) -> Array:
        return predict(predictor, query.x, query.weight)

    def of_tasks(self, observed: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks steps"]:
        bad = _not_finite(observed, asked).any(axis=-1)
        return np.where(bad, -self.sign * np.inf, _at_each_step(self.of_rows, observed, asked))

    def overall(self, observed: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds steps"]:
        bad = _not_finite(observed, asked).any(axis=(1, 3))
        return np.where(bad, -self.sign * np.inf, _at_each_step(self.of_all, observed, asked))

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
    they have one target, and the mean over targets otherwise. It is not defined where scored rows
    have one value."""

    name = "explained variance"

    def of_rows(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks"]:
        total = asked.squares_within()
        varied = total > TINY * asked.count
        error = asked.squares(predictions)[0]
        return np.where(varied, 1 - error / np.where(varied, total, 1), np.nan)

    def of_all(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds"]:
        if not asked.one_target:
            return mean_of_defined(self.of_rows(predictions, asked))
        error, total = asked.squares(predictions)
        varied = total > TINY * asked.count.sum(axis=1)
        return np.where(varied, 1 - error.sum(axis=1) / np.where(varied, total, 1), np.nan)


class ExplainedDeviance(AbstractRowMeasure):
    """The part of the Poisson deviance of counts that predictions explain (D²): of all rows
    together where they have one target, and the mean over targets otherwise. It ranks recipes as
    their log loss under a Poisson distribution does.

    Source: Cameron & Windmeijer 1996, *R-squared measures for count data regression models*.
    """

    name = "explained deviance"

    def of_rows(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks"]:
        return self._of(predictions, asked, (2,))

    def of_all(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds"]:
        if not asked.one_target:
            return mean_of_defined(self.of_rows(predictions, asked))
        return self._of(predictions, asked, (1, 2))[:, 0]

    def _of(self, predictions: np.ndarray, asked: Rows, axes: tuple[int, ...]) -> np.ndarray:
        """What is explained of the distances to the mean over these axes."""
        weight, count = asked.present, asked.present.sum(axis=axes, keepdims=True)
        y = np.where(weight, asked.y[..., 0], 0)
        mean = np.broadcast_to(y.sum(axis=axes, keepdims=True) / np.maximum(count, 1), y.shape)
        error, total = (
            np.where(weight, asked.deviances(z), 0).sum(axis=axes, keepdims=True)
            for z in (predictions, mean[..., None])
        )
        varied = total > TINY * count
        return np.where(varied, 1 - error / np.where(varied, total, 1), np.nan)[..., 0]


class AbstractClassMeasure(AbstractRowMeasure):
    """A measure of class probabilities. Settings are chosen by the log loss, which every row has a
    part in, each with the scale of its logits that is best on validation rows."""

    settles = True

    def choice(self, observed: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds steps"]:
        return -self._losses(observed, asked).min(axis=0)

    def settled(self, observed: np.ndarray, validation: np.ndarray, asked: Rows) -> np.ndarray:
        scale = np.asarray(SCALES)[self._losses(validation, asked).argmin(axis=0)]  # "seeds steps"
        return (observed * scale[:, None, :, None, None]).astype(observed.dtype)

    def _losses(self, observed: np.ndarray, asked: Rows) -> Float[np.ndarray, "scales seeds steps"]:
        return np.stack([RowLogLoss().overall(scale * observed, asked) for scale in SCALES])


class RocAuc(AbstractClassMeasure):
    """The area under the ROC curve of two classes: the probability that a row of the second class
    has a higher score than one of the first. Of all rows together where they have one target, and
    the mean over targets otherwise; of a task where it has enough scored rows of both classes."""

    name = "ROC-AUC"

    def of_rows(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks"]:
        return self._of_tasks(predictions, asked, ENOUGH)

    def of_all(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds"]:
        if not asked.one_target:
            return mean_of_defined(self._of_tasks(predictions, asked, 1))
        leaning = predictions[..., 1] - predictions[..., 0]
        pairs = zip(asked.y[..., 1], leaning, asked.present, strict=True)
        return np.array([roc_auc(y[rows], score[rows]) for y, score, rows in pairs])

    def _of_tasks(
        self, predictions: np.ndarray, asked: Rows, enough: int
    ) -> Float[np.ndarray, "seeds tasks"]:
        leaning = predictions[..., 1] - predictions[..., 0]
        return np.array(
            [
                [
                    roc_auc(asked.y[seed, task, rows, 1], leaning[seed, task, rows], enough)
                    for task, rows in enumerate(of_seed)
                ]
                for seed, of_seed in enumerate(asked.present)
            ]
        )


class RowLogLoss(AbstractClassMeasure):
    """The log loss of rows: minus the logarithm of the probability of their class. The mean over
    all rows where they have one target, and over targets otherwise."""

    name = "log loss"
    higher_is_better = False
    percent = False

    def of_rows(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks"]:
        total = np.where(asked.present, log_losses(predictions, asked.y), 0).sum(axis=2)
        return total / np.where(asked.count > 0, asked.count, np.nan)

    def of_all(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds"]:
        of_rows = self.of_rows(predictions, asked)
        if not asked.one_target:
            return mean_of_defined(of_rows)
        count = asked.count
        return np.where(count > 0, of_rows * count, 0).sum(axis=1) / count.sum(axis=1)


class RowAccuracy(AbstractClassMeasure):
    """The part of all rows whose class is right."""

    name = "accuracy"

    def of_rows(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds tasks"]:
        right = np.where(asked.present, asked.right(predictions), 0).sum(axis=2)
        return right / np.where(asked.present.any(axis=2), asked.count, np.nan)

    def of_all(self, predictions: np.ndarray, asked: Rows) -> Float[np.ndarray, "seeds"]:
        right = asked.right(predictions)
        return np.array([r[p].mean() for r, p in zip(right, asked.present, strict=True)])


def measure_of_rows(classes: int, *, counts: bool = False) -> AbstractRowMeasure:
    """The measure of a table's rows: explained variance of numbers, explained deviance of counts,
    ROC-AUC of two classes, and log loss of more."""
    if counts:
        return ExplainedDeviance()
    return ExplainedVariance() if classes == 0 else RocAuc() if classes == 2 else RowLogLoss()


def mean_of_defined(values: Float[np.ndarray, "seeds tasks"]) -> Float[np.ndarray, "seeds"]:
    """The mean over tasks whose value is defined; NaN where none is."""
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0).sum(axis=1)
    return total / np.where(defined.any(axis=1), defined.sum(axis=1), np.nan)
