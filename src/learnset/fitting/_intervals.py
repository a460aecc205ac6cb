"""Intervals of predictions, and calibrated probabilities, from rows that were held out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ..core import calibration_error

LEVEL = 0.9
ENOUGH = 100  # residuals of a task for an interval of its own


class Intervals(NamedTuple):
    """Half widths of 90 % intervals, in units of the targets: of each known task, of the mean of
    tasks for one that is not known, and of that after as many rows as `shots`."""

    tasks: Float[np.ndarray, "tasks"]
    new: float
    shots: tuple[int, ...] = ()
    adapted: tuple[float, ...] = ()

    def after(self, shots: int) -> float:
        """The half width for a task that was adapted to as many rows: that of the largest number of
        them that was tried."""
        tried = [half for n, half in zip(self.shots, self.adapted, strict=True) if n <= shots]
        return tried[-1] if tried else self.new

    def of_more(self, names: Sequence[str], known: Sequence[str]) -> "Intervals":
        """The intervals of tasks of which some are not known: these have the widest of the
        others."""
        own = dict(zip(known, self.tasks.tolist(), strict=True))
        return self._replace(tasks=np.array([own.get(n, max(own.values())) for n in names]))


def half_widths(residuals: list[np.ndarray]) -> Float[np.ndarray, "tasks"]:
    """Half widths of split-conformal intervals from the residuals of each task: its own where it
    has enough of them, and otherwise that of all tasks.

    Source: Papadopoulos et al. 2002, *Inductive Confidence Machines for Regression*; for each group
    of rows: Vovk 2012, *Conditional Validity of Inductive Conformal Predictors*.

    >>> half_widths([np.arange(100.0), np.arange(3.0)]).tolist()
    [90.0, 90.0]
    """
    shared = conformal(np.concatenate(residuals))
    return np.array([conformal(r) if len(r) >= ENOUGH else shared for r in residuals])


def conformal(residuals: np.ndarray, tasks: int | None = None) -> float:
    """The quantile of absolute residuals that covers a new row with the probability `LEVEL`.

    **Arguments:** `tasks`: how many tasks the residuals are of, where they are for a new one: tasks
    are then what counts.
    """
    count = len(residuals)
    if count == 0:
        return float("nan")
    among = tasks or count
    rank = int(np.ceil((among + 1) * LEVEL / among * count - 1e-9))
    return float(np.sort(np.abs(residuals))[min(rank, count) - 1])


class Calibration(NamedTuple):
    """Logits for calibrated probabilities: `scale * output + offset`, the scale by temperature
    (Guo et al. 2017, *On Calibration of Modern Neural Networks*, §4.2) and an offset for each
    class; one of both for all tasks, or one for each target. `error` is the expected calibration
    error on rows that it was not fitted to."""

    scale: Float[np.ndarray, "targets"]
    offset: Float[np.ndarray, "targets classes"]
    error: float

    def __call__(
        self, outputs: Float[np.ndarray, "rows classes"], target: int | np.ndarray = 0
    ) -> Float[np.ndarray, "rows classes"]:
        return self.scale[target, ..., None] * outputs + self.offset[target]


def calibrated(groups: Sequence[tuple[np.ndarray, ...]]) -> Calibration:
    """The calibration of the outputs for held-out rows, with one-hot targets and perhaps weights:
    for each group of rows one."""
    each = [_of_group(*group) for group in groups]
    sure, right = (np.concatenate([one[i] for one in each]) for i in (2, 3))
    scale, offset = (np.stack([one[i] for one in each]) for i in (0, 1))
    return Calibration(scale, offset, float(calibration_error(sure, right)))


def _of_group(
    outputs: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Scale and offset, and of rows that they were not fitted to the confidence and whether it was
    right."""
    weighted = y if weight is None else weight[:, None] * y
    halves = [np.arange(len(y)) % 2 == side for side in (0, 1)]
    sure, right = [], []
    for fitted_on in halves:
        scale, offset = _scaled(outputs[fitted_on], weighted[fitted_on])
        chance = softmax(scale * outputs[~fitted_on] + offset, axis=1)
        sure.append(chance.max(axis=1))
        right.append(chance.argmax(axis=1) == y[~fitted_on].argmax(axis=1))
    scale, offset = _scaled(outputs, weighted)
    return np.asarray(scale), offset, np.concatenate(sure), np.concatenate(right).astype(float)


def _scaled(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The best scale and offset; `y` is one-hot, times the weights of rows."""
    classes, weight = y.shape[1], y.sum(axis=1, keepdims=True)

    def loss(both: np.ndarray) -> tuple[float, Any]:
        logits = both[0] * outputs + both[1:]
        left = weight * softmax(logits, axis=1) - y
        value = -(y * log_softmax(logits, axis=1)).sum() + 0.5e-3 * (both**2).sum()
        slope = np.append((left * outputs).sum(), left.sum(axis=0)) + 1e-3 * both
        return float(value) / len(y), slope / len(y)

    start, bounds = np.append(1.0, np.zeros(classes)), [(0.0, None)] + [(None, None)] * classes
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(found[0]), found[1:]
