"""Measures: how good predictions are, as one number for each task and one over all tasks."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core import Batch, calibration_error, confidence, mse, predict, Predictor


class AbstractMeasure(eqx.Module):
    """A measure: values that are computed on the host from what a question observed of all tasks.

    - `name`, `higher_is_better`, `percent`: how the number is shown.
    - `margin`: a difference that makes none to a user: one percentage point, or a hundredth.
    - `settles`: whether validation tasks settle more than settings, such as the scale of logits.
    - `over_tasks`: whether the overall value is the mean over tasks, so that tasks are the units of
      chance, and not the rows of all tasks together.

    Predictions that are not finite are infinitely bad: no value hides them.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    percent: ClassVar[bool] = True
    margin: ClassVar[float] = 0.01
    settles: ClassVar[bool] = False
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

    def choice(self, observed: np.ndarray, asked: Any) -> Float[np.ndarray, "seeds steps"]:
        """What settings and recipes are chosen by on validation tasks; higher is better."""
        return self.sign * self.overall(observed, asked)

    def settled(self, observed: np.ndarray, validation: np.ndarray, asked: Any) -> np.ndarray:
        """What was observed of test tasks, with what validation tasks settle: the scale of class
        probabilities.

        **Arguments:** `validation`, `asked`: the same of validation tasks.
        """
        del validation, asked
        return observed

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


# What the logits of a model may be multiplied with, so that probabilities are neither too sure nor
# too unsure: a model of least squares has 0 and 1 where another has -5 and 5.
SCALES = tuple(float(scale) for scale in np.geomspace(0.125, 32, 17))


class LogLoss(AbstractPointMeasure):
    """The log loss of a task's queries: minus the logarithm of the probability of their class, with
    the scale of logits that is best on validation tasks (Guo et al. 2017, *On Calibration of Modern
    Neural Networks*)."""

    name = "log loss"
    higher_is_better = False
    percent = False
    settles = True

    def observe(self, predictor: Predictor, query: Batch) -> Array:
        logits = predict(predictor, query.x, query.weight)
        weight = query.weight / jnp.maximum(query.weight.sum(), 1)

        def at(scale: Array) -> Array:
            return -jnp.sum(weight[:, None] * query.y * jax.nn.log_softmax(scale * logits))

        return jax.vmap(at)(jnp.asarray(SCALES, logits.dtype))

    def of_tasks(self, observed: np.ndarray, asked: Any) -> Float[np.ndarray, "seeds tasks steps"]:
        if observed.ndim == 4:  # not settled: logits as they are
            observed = observed[..., SCALES.index(1.0)]
        return np.where(np.isnan(observed), np.inf, observed)

    def choice(self, observed: np.ndarray, asked: Any) -> Float[np.ndarray, "seeds steps"]:
        return -_of_scales(observed).min(axis=-1)

    def settled(self, observed: np.ndarray, validation: np.ndarray, asked: Any) -> np.ndarray:
        best = _of_scales(validation).argmin(axis=-1)  # "seeds steps"
        return np.take_along_axis(observed, best[:, None, :, None], axis=-1)[..., 0]


def _of_scales(observed: np.ndarray) -> Float[np.ndarray, "seeds steps scales"]:
    return np.where(np.isnan(observed), np.inf, observed).mean(axis=1)
