"""Corrections: what a few rows of a new task add to the mean of tasks."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ..core import Batch
from ..multitask import BLUP

OFFSETS = (0.3, 1.0, 3.0, 10.0, 30.0)
SLOPES = (3.0, 30.0, 300.0, float("inf"))
TRIED = (1, 2, 5, 10, 20)  # numbers of rows for which penalties are chosen
MOST_ROWS = 2000  # of a new task


class Correction(NamedTuple):
    """What is added to the mean of tasks: `bias + features @ weight`."""

    bias: Float[np.ndarray, "out"]
    weight: Float[np.ndarray, "features out"]

    def __call__(self, features: Float[np.ndarray, "rows features"]) -> np.ndarray:
        return self.bias + features @ self.weight


class Penalty(NamedTuple):
    """How strongly a correction is pulled to zero: its offset, and its slopes (infinite: none)."""

    offset: float
    slopes: float


def candidates(classes: bool) -> list[Penalty]:
    """The penalties that are tried."""
    slopes = (30.0, float("inf")) if classes else SLOPES
    return [
        Penalty(offset, slope) for offset in OFFSETS[:: 2 if classes else 1] for slope in slopes
    ]


def of_numbers(
    features: Float[np.ndarray, "rows features"],
    residual: Float[np.ndarray, "rows out"],
    penalty: Penalty,
) -> Correction:
    """The ridge regression of what the mean of tasks leaves, offset and slopes shrunk to zero: with
    no rows it is nothing, and no rows can make it diverge."""
    slack = 1 / penalty.slopes
    gram = 1 / penalty.offset + slack * features @ features.T
    dual = np.linalg.solve(gram + np.eye(len(gram)), residual)
    return Correction(dual.sum(axis=0) / penalty.offset, slack * features.T @ dual)


def of_classes(
    features: Float[np.ndarray, "rows features"],
    logits: Float[np.ndarray, "rows classes"],
    y: Float[np.ndarray, "rows classes"],
    penalty: Penalty,
) -> Correction:
    """The same for the logits of classes, by their likelihood."""
    sloped = np.isfinite(penalty.slopes)
    design = np.ones((len(y), 1))
    pull = np.array([[penalty.offset]])
    if sloped:
        design = np.concatenate([design, features], axis=1)
        pull = np.append(pull, np.full((features.shape[1], 1), penalty.slopes), axis=0)
    shape = (design.shape[1], y.shape[1])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight = flat.reshape(shape)
        moved = logits + design @ weight
        value = -(y * log_softmax(moved, axis=1)).sum() + 0.5 * (pull * weight**2).sum()
        slope = design.T @ (softmax(moved, axis=1) - y) + pull * weight
        return float(value), slope.ravel()

    weight = minimize(loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B").x
    weight = weight.reshape(shape)
    slopes = weight[1:] if sloped else np.zeros((features.shape[1], y.shape[1]))
    return Correction(weight[0], slopes)


_blup = eqx.filter_jit(BLUP().adapt)


def of_mixed_model(new: Any, x: np.ndarray, y: np.ndarray) -> Correction:
    """The effects of a new task by `BLUP`, which needs no penalty: the variances say it."""
    x32, y32 = (jnp.asarray(a, jnp.result_type(float)) for a in (x, y))
    adapted: Any = _blup(new, Batch(x32, y32))
    added = np.asarray(adapted.fixed, np.float64) - np.asarray(new.fixed, np.float64)
    return Correction(added[0], added[1:])


def trials(
    sizes: Sequence[int], random: np.random.Generator
) -> Iterator[tuple[int, int, np.ndarray]]:
    """For each number of rows that is tried: tasks that have as many and some to be scored on, with
    their rows in random order."""
    for shots in TRIED:
        enough = [task for task, size in enumerate(sizes) if size >= shots + max(2, shots // 2)]
        for task in random.permutation(enough)[:64].tolist():
            yield shots, task, random.permutation(sizes[task])
