"""What rows that were held out say of a model: its scores, its intervals, and how strongly a new
task is pulled to the mean of tasks."""

from typing import Any, NamedTuple

import jax
import numpy as np

from ..comparison import Comparison, Outcome, SeenTasks
from ..core import at, Split, stack
from ..data import Table
from ..multitask import MixedEffects
from ._correction import (
    candidates,
    Correction,
    of_classes,
    of_mixed_model,
    of_numbers,
    Penalty,
    trials,
    TRIED,
)
from ._intervals import calibrated, Calibration, conformal, half_widths, Intervals
from ._outputs import Outputs


class Judgement(NamedTuple):
    """What held-out rows say."""

    intervals: Intervals | None  # of numbers
    calibration: Calibration | None  # of classes
    penalties: dict[int, Penalty]  # by numbers of rows


class HeldOut(NamedTuple):
    """The held-out rows of one division, task by task: scaled inputs, targets, and the outputs of
    the mean of tasks."""

    outputs: Outputs
    x: list[np.ndarray]
    y: list[np.ndarray]
    mean: list[np.ndarray]
    std: np.ndarray


def judged(
    table: Table, comparison: Comparison, outcome: Outcome, weight: np.ndarray | None = None
) -> Judgement:
    """What the test rows of all divisions say of the recipe. Probabilities are calibrated to rows
    as they are weighed."""
    rows, of_rows = comparison.rows, outcome.predictions
    calibration = None
    if table.classes:
        of_rows = _as_they_are(comparison.question, outcome)
        groups = (
            [rows.present]
            if table.task is not None
            else [rows.present & (np.arange(len(table)) == i)[:, None] for i in range(len(table))]
        )
        parts: list[tuple[np.ndarray, ...]] = [(of_rows[i], rows.y[i]) for i in groups]
        if weight is not None:
            row = rows.row if rows.row.ndim == rows.present.ndim else rows.row[:, None]
            weights = (weight / weight.mean())[np.broadcast_to(row, rows.present.shape)]
            parts = [(*part, weights[i]) for part, i in zip(parts, groups, strict=True)]
        calibration = calibrated(parts)
    if table.task is None:
        # Targets are the tasks: there are no others.
        return Judgement(None if table.classes else _of_tasks(rows, of_rows), calibration, {})
    held = _held_out(comparison.question, outcome)
    penalties, adapted = _tried(held, calibration)
    if table.classes:
        return Judgement(None, calibration, penalties)
    count = len(table)
    new = np.concatenate([(y - z)[:, 0] for y, z in zip(held.y, held.mean, strict=True)])
    half = float(held.std[0]) * further(count) * conformal(new, count)
    adapted = {shots: float(held.std[0]) * conformal(r, count) for shots, r in adapted.items()}
    intervals = _of_tasks(rows, of_rows)._replace(
        new=half, shots=tuple(adapted), adapted=tuple(adapted.values())
    )
    return Judgement(intervals, calibration, penalties)


def further(count: int) -> float:
    """How much further away a new task is: the mean of `count` tasks has seen each of them."""
    return float(np.sqrt((count + 1) / max(count - 1, 1)))


def _as_they_are(question: Any, outcome: Outcome) -> np.ndarray:
    """The outputs for the test rows of all divisions, "seeds tasks points out". An outcome of
    classes has them with the scale of validation rows, which the model does not know."""
    adapters = stack(list(outcome.recipe.adapters[:1]) * question.seeds)
    observed = question.answers(adapters, outcome.models, Split.TEST, None)
    return np.asarray(observed[:, :, -1], np.float64)


def _of_tasks(rows: Any, predictions: np.ndarray) -> Intervals:
    """The intervals of known tasks, from the residuals of all divisions."""
    scaled = np.where(rows.present, (rows.y - predictions)[..., 0], np.nan)
    units = rows.std[:, :, None] * scaled if rows.one_target else scaled
    residuals = [of[np.isfinite(of)] for of in units.swapaxes(0, 1)]
    half = half_widths(residuals)
    return Intervals(half if rows.one_target else half * rows.std[0], float("nan"))


def _held_out(question: Any, outcome: Outcome) -> HeldOut:
    """The first division: what was not learnt from, for choosing or scoring."""
    assert isinstance(question, SeenTasks)
    first = at(question.sets, 0)
    model = at(outcome.models, 0)
    outputs, x, y, mean = Outputs(model, len(first)), [], [], []
    for pool in zip(*(_pooled(first, s) for s in (Split.VALIDATION, Split.TEST)), strict=True):
        rows, targets = (np.concatenate(part) for part in zip(*pool, strict=True))
        x.append(rows)
        y.append(targets)
        mean.append(outputs(rows, np.full(len(rows), -1)))
    return HeldOut(outputs, x, y, mean, np.asarray(first.units, np.float64))


def _pooled(tasks: Any, split: Split) -> list[tuple[np.ndarray, np.ndarray]]:
    points = jax.tree.map(np.asarray, tasks.pool(split))
    inside = points.weight > 0
    return [
        (np.asarray(x[w], np.float64), np.asarray(y[w], np.float64))
        for x, y, w in zip(points.x, points.y, inside, strict=True)
    ]


def _tried(
    held: HeldOut, calibration: Calibration | None
) -> tuple[dict[int, Penalty], dict[int, np.ndarray]]:
    """For each number of rows: the penalty under which known tasks are best learnt from as few of
    their rows, as if they were new, and the residuals that are left."""
    mixed = isinstance(held.outputs.model, MixedEffects)
    options = [Penalty(1.0, 1.0)] if mixed else candidates(calibration is not None)
    features = [held.outputs.features(x) if len(x) else x for x in held.x]
    losses = {shots: np.zeros(len(options)) for shots in TRIED}
    left: dict[int, list[list[np.ndarray]]] = {shots: [[] for _ in options] for shots in TRIED}
    sizes = [len(x) for x in held.x]
    for shots, task, order in trials(sizes, np.random.default_rng(0)):
        few, others = order[:shots], order[shots:]
        x, y, mean = features[task], held.y[task], held.mean[task]
        for number, penalty in enumerate(options):
            fixed = corrected(held.outputs, x[few], mean[few], y[few], penalty, calibration)
            if calibration is None:
                residual = (y[others] - mean[others] - fixed(x[others]))[:, 0]
                left[shots][number].append(residual)
                losses[shots][number] += (residual**2).mean()
            else:
                moved = calibration(mean[others]) + fixed(x[others])
                chance = moved - np.logaddexp.reduce(moved, axis=1, keepdims=True)
                losses[shots][number] -= (chance * y[others]).sum() / len(others)
    best = {shots: int(loss.argmin()) for shots, loss in losses.items() if left_or(loss)}
    residuals = {
        shots: np.concatenate(left[shots][number])
        for shots, number in best.items()
        if left[shots][number]
    }
    return {shots: options[number] for shots, number in best.items()}, residuals


def left_or(loss: np.ndarray) -> bool:
    """Whether anything was tried."""
    return bool(loss.any())


def corrected(
    outputs: Outputs,
    features: np.ndarray,
    mean: np.ndarray,
    y: np.ndarray,
    penalty: Penalty,
    calibration: Calibration | None,
) -> Correction:
    """What a few rows add to the mean of tasks: to its outputs, or to its calibrated logits."""
    if isinstance(outputs.model, MixedEffects):
        fixed = of_mixed_model(outputs.new, features, y)
        if calibration is None:
            return fixed
        return Correction(*(calibration.scale[0] * part for part in fixed))
    if calibration is None:
        return of_numbers(features, y - mean, penalty)
    return of_classes(features, calibration(mean), y, penalty)
