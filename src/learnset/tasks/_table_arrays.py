"""The points of a table as arrays: scaled targets, and tasks padded to one length."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Batch
from ..data import centre_and_spread, Table


def scales(table: Table, learn: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of each task's target in the rows to train on. Targets
    that are tasks have scales of their own; tasks of rows share one scale."""
    tasks = len(table)
    if table.classes:
        return np.zeros(tasks), np.ones(tasks)
    if table.task is None:
        values = [table.y[rows, i] for i, rows in enumerate(learn)]
    else:
        values = [table.y[np.concatenate(list(learn)), 0]]
    both = [centre_and_spread(v[:, None]) for v in values]
    mean, std = (np.resize(np.concatenate(one), tasks) for one in zip(*both, strict=True))
    return mean, np.where(std > 0, std, 1.0)


def scaled_targets(table: Table, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Scaled or one-hot targets, "rows targets out"; zero where they are missing."""
    if table.classes:
        return (table.y[..., None] == np.arange(len(table.classes))).astype(np.float64)
    return np.nan_to_num((table.y - mean) / std)[..., None]


def padded_rows(groups: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of all tasks, "tasks points", padded with -1."""
    length = max(len(group) for group in groups)
    return np.stack(
        [np.pad(group, (0, length - len(group)), constant_values=-1) for group in groups]
    )


def points_of(x: np.ndarray, y: np.ndarray, tasks: Sequence[tuple[np.ndarray, int]]) -> Batch:
    """The points of tasks, each of which is some rows and one target, padded to one length with
    points of weight zero."""
    rows, dtype = padded_rows([group for group, _ in tasks]), jnp.result_type(float)
    labels = np.stack([y[group, target] for group, (_, target) in zip(rows, tasks, strict=True)])
    arrays = (x[rows], labels, rows >= 0)
    # Converted on the host, which compiles nothing.
    return Batch(*(jax.device_put(np.asarray(array, dtype)) for array in arrays))
