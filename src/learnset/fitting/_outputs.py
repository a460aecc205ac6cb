"""Outputs for rows of any tasks, by a model of all tasks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import for_task, Model, Predictor
from ..meta import InUnits
from ..models import Separate, SharedBody
from ..multitask import (
    Exponential,
    LinearPredictor,
    LinearTasks,
    LogLink,
    MixedEffects,
    Stacked,
    TreesPerTask,
)
from ._newcomers import Calibrated, PerTask

SIZES = (1, 8, 64, 512)  # of batches: few lengths, and so few compiled programs
AT_ONCE = 2**16  # rows of a linear model


class MeanOfTasks(eqx.Module):
    """The mean of what a model predicts for each of its tasks."""

    model: Any
    count: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        of_all = jax.vmap(lambda index: for_task(self.model, index)(x))(jnp.arange(self.count))
        return of_all.mean(axis=0)


def newcomer(model: Model, count: int) -> Predictor:
    """The predictor for a task that is not known: the mean of the `count` tasks that are. A shared
    body has it as the mean of its heads, and a mixed model as its fixed effects; in context it is
    what is predicted without any rows."""
    if isinstance(model, LogLink):
        return Exponential(newcomer(model.model, count), model.zero[-1])
    if isinstance(model, SharedBody):
        return model.with_mean_head().model
    if _in_context(model):
        return _without_rows(_of_task(model, jnp.asarray(0)))
    if isinstance(model, (Separate, PerTask)):
        return MeanOfTasks(model, count)
    return _of_task(model, jnp.asarray(-1))


class Outputs:
    """The outputs of a model for rows of known tasks (0, 1, …) and of others (-1)."""

    def __init__(self, model: Model, count: int):
        self.model, self.new, self.count = model, newcomer(model, count), count
        self.linear = _linear(model, count)

    def __call__(
        self, x: Float[np.ndarray, "rows in"], number: Int[np.ndarray, "rows"]
    ) -> Float[np.ndarray, "rows out"]:
        """One output for each row, in float64."""
        if self.linear is not None:
            return _by_products(*self.linear, x, number)
        known = number >= 0
        if isinstance(self.model, (TreesPerTask, Stacked)) or _in_context(self.model):
            return self._task_by_task(x, number)
        if known.all():
            return _in_batches(_of_tasks, self.model, x, number)
        outputs = _in_batches(_of_one, self.new, x, number)
        if known.any():
            outputs[known] = _in_batches(_of_tasks, self.model, x[known], number[known])
        return outputs

    def _task_by_task(self, x: np.ndarray, number: np.ndarray) -> np.ndarray:
        """For trees of each task, of which a row would take a copy, and for tasks in context, whose
        rows each row would read."""
        parts = {}
        for task in np.unique(number).tolist():
            predictor = self.new if task < 0 else _of_task(self.model, jnp.asarray(task))
            parts[task] = _in_batches(_of_one, predictor, x[number == task], number)
        outputs = np.zeros((len(x), next(iter(parts.values())).shape[1]))
        for task, part in parts.items():
            outputs[number == task] = part
        return outputs

    def features(self, x: Float[np.ndarray, "rows in"]) -> Float[np.ndarray, "rows features"]:
        """What the correction of a new task is linear in: the features of a network, otherwise the
        inputs."""
        if not hasattr(self.new, "features"):
            return x
        return _in_batches(_features, self.new, x, np.zeros(len(x), int))


def outputs_of(predictor: Predictor, x: Float[np.ndarray, "rows in"]) -> np.ndarray:
    """The outputs of one predictor, one for each row."""
    return _in_batches(_of_one, predictor, x, np.zeros(len(x), int))


def _in_context(model: Model) -> bool:
    """Whether a model has the rows of each task, and reads them to answer."""
    common = model.common if isinstance(model, PerTask) else None
    common = common.predictor if isinstance(common, Calibrated) else common
    return isinstance(common, InUnits)


def _without_rows(predictor: Any) -> Predictor:
    """The predictor of a task of which no row is known."""
    if isinstance(predictor, Calibrated):
        inner = _without_rows(predictor.predictor)
        return Calibrated(inner, predictor.scale, predictor.offset)
    return predictor.without_rows()


def _linear(model: Model, count: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Weights "tasks in out" and offsets of a model whose predictors are linear, those for a new
    task last; None for any other model."""
    if not isinstance(model, (LinearTasks, MixedEffects)):
        return None
    with jax.default_matmul_precision("highest"):
        predictors = _of_all(model, jnp.asarray([*range(count), -1]))
    if isinstance(predictors, LinearPredictor):
        return np.asarray(predictors.weight, np.float64), np.asarray(predictors.bias, np.float64)
    fixed = np.asarray(predictors.fixed, np.float64)
    return fixed[:, 1:], fixed[:, 0]


def _by_products(
    weight: np.ndarray, bias: np.ndarray, x: np.ndarray, number: np.ndarray
) -> np.ndarray:
    parts = [
        np.einsum("ri,rio->ro", x[i : i + AT_ONCE], weight[number[i : i + AT_ONCE]])
        for i in range(0, max(len(x), 1), AT_ONCE)
    ]
    return np.concatenate(parts) + bias[number]


def _in_batches(program: Any, model: Any, x: np.ndarray, number: np.ndarray) -> np.ndarray:
    """A program's answer for each row, in batches of few different sizes."""
    x = x.astype(np.dtype(jnp.result_type(float)))
    outputs = []
    for start in range(0, len(x), SIZES[-1]):
        rows, which = x[start : start + SIZES[-1]], number[start : start + SIZES[-1]]
        size = next(size for size in SIZES if size >= len(rows))
        lack = size - len(rows)
        rows, which = np.pad(rows, ((0, lack), (0, 0))), np.pad(which, (0, lack))
        outputs.append(np.asarray(program(model, rows, which))[: size - lack])
    return np.concatenate(outputs).astype(np.float64)


@eqx.filter_jit
def _of_task(model: Model, number: Array) -> Predictor:
    return for_task(model, number)


@eqx.filter_jit
def _of_all(model: LinearTasks | MixedEffects, numbers: Array) -> Predictor:
    return jax.vmap(model.for_task)(numbers)


@eqx.filter_jit
def _of_tasks(model: Model, x: Array, number: Array) -> Array:
    return jax.vmap(lambda x, index: for_task(model, index)(x))(x, number)


@eqx.filter_jit
def _of_one(model: Predictor, x: Array, number: Array) -> Array:
    del number
    return jax.vmap(model)(x)


@eqx.filter_jit
def _features(model: Any, x: Array, number: Array) -> Array:
    del number
    return jax.vmap(model.features)(x)
