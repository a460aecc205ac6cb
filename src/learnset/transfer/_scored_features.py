"""Features, labels and targets that are scored: checked, and in double precision."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..core import InputError


def double(owner: str, features: Shaped[np.ndarray, "points features"]) -> np.ndarray:
    """Features in double precision.

    **Raises:** `InputError` for anything but a matrix of finite numbers.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise InputError(
            f"{owner}: features must be finite numbers, (points, features), but their shape is"
            f" {features.shape}, or some are NaN or infinite."
        )
    return features


def codes(owner: str, labels: Shaped[np.ndarray, "points *classes"], points: int) -> np.ndarray:
    """The number of each point's class, from 0 without gaps, of labels or of rows of zeros with a
    single one.

    **Raises:** `InputError` for another number of points, for targets that are no classes, and for
    a single class.

    >>> codes("LEEP", np.array([7, 7, 3]), 3).tolist()
    [1, 1, 0]
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and _one_hot(labels):
        labels = labels.argmax(axis=1)
    if labels.ndim != 1 or labels.dtype.kind == "f":
        raise InputError(
            f"{owner}: labels must be classes, whole numbers or words or one-hot rows, but they are"
            f" {labels.dtype} of shape {labels.shape}. For other targets use `log_me` or"
            " `leave_one_out`."
        )
    if len(labels) != points:
        raise InputError(f"{owner}: {points} points, but {len(labels)} labels.")
    classes, number = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"{owner}: all labels are {classes[0]}, but a score needs two classes.")
    return number


def columns(
    owner: str, targets: Shaped[np.ndarray, "points *out"], points: int
) -> Float[np.ndarray, "points out"]:
    """Targets as columns; a column of zeros and ones for each class where they are labels."""
    targets = np.asarray(targets)
    if targets.ndim == 2 and not _one_hot(targets) or targets.dtype.kind == "f":
        values = targets.astype(np.float64).reshape(len(targets), -1)
        if len(values) != points or not np.isfinite(values).all():
            raise InputError(
                f"{owner}: {points} points, but {len(values)} targets, or some are not finite."
            )
        return values if not _one_hot(values) else values[:, values.any(axis=0)]
    return one_hot(codes(owner, targets, points))


def one_hot(number: Int[np.ndarray, "points"]) -> Float[np.ndarray, "points classes"]:
    """A row of zeros with a single one for each point."""
    return np.eye(number.max() + 1)[number]


def _one_hot(values: np.ndarray) -> bool:
    if values.ndim != 2 or values.shape[1] < 2:
        return False
    return bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())
