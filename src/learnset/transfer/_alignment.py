"""The common part of alignments: a labelled source and an unlabelled target made alike."""

import abc
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float, Shaped

from ..core import InputError

Points = Float[np.ndarray, "points features"]


class Aligned(NamedTuple):
    """Source and target after an alignment, in the same coordinates, and how much each source point
    counts from now on."""

    source: Points
    target: Points
    weight: Float[np.ndarray, "source"]


class AbstractAlignment(eqx.Module):
    """An alignment: makes the inputs of a source domain, whose labels are known, like those of a
    target domain, whose labels are not. Any classifier that is trained on the aligned source is
    then used on the aligned target.

    It is computed on the host, in double precision, and it is transductive: it sees the inputs of
    all target points at once.
    """

    @abc.abstractmethod
    def align(
        self,
        source: Float[np.ndarray, "source features"],
        labels: Shaped[np.ndarray, "source"],
        target: Float[np.ndarray, "target features"],
    ) -> Aligned:
        """Aligns.

        **Arguments:**

        - `source`: inputs whose `labels` are known; most alignments do not read the labels.
        - `target`: inputs whose labels are not known.

        **Raises:** `InputError` for inputs of different sizes, or that are not finite.
        """


class Unaligned(AbstractAlignment):
    """No alignment: source and target as they are. It is the baseline.

    >>> import numpy as np
    >>> Unaligned().align(np.zeros((2, 3)), np.arange(2), np.ones((4, 3))).weight.tolist()
    [1.0, 1.0]
    """

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        source, target = pair("Unaligned", source, target)
        return Aligned(source, target, np.ones(len(source)))


def pair(owner: str, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both domains in double precision, checked."""
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    for name, points in (("source", source), ("target", target)):
        if points.ndim != 2 or len(points) < 2 or not np.isfinite(points).all():
            raise InputError(
                f"{owner}: `{name}` must be finite numbers, (points, features), of two points or"
                f" more, but its shape is {points.shape}, or some are NaN or infinite."
            )
    if source.shape[1] != target.shape[1]:
        raise InputError(
            f"{owner}: source points have {source.shape[1]} features, target points"
            f" {target.shape[1]}. Give both the same ones."
        )
    return source, target


def covariance(points: Points, l2: float) -> Float[np.ndarray, "features features"]:
    """The covariance of points, with `l2` added to its diagonal."""
    return np.atleast_2d(np.cov(points.T)) + l2 * np.eye(points.shape[1])


def squared_distances(left: Points, right: Points) -> Float[np.ndarray, "left right"]:
    """Squared distances, of each point of one set to each of the other."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None]
    return np.maximum(squares - 2 * left @ right.T, 0)


def check_size(owner: str, size: int, most: int) -> None:
    """Raises `InputError` for a number of dimensions that is not from 1 to `most`."""
    if not 1 <= size <= most:
        raise InputError(f"{owner}: `size={size}`, but it must be from 1 to {most} here.")


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric matrix without negative eigenvalues; of zero eigenvalues it is zero.

    >>> power(np.diag([4.0, 9.0]), -0.5).round(3).tolist()
    [[0.5, 0.0], [0.0, 0.333]]
    """
    from scipy.linalg import eigh  # here and not above: the import takes time

    values, vectors = eigh(matrix, driver="evd")  # NumPy's takes longer
    kept = values > 1e-12 * max(values[-1], 1e-300)
    return (vectors[:, kept] * values[kept] ** exponent) @ vectors[:, kept].T


def nearest_neighbour(
    source: Points, labels: Shaped[np.ndarray, "source"], target: Points
) -> Shaped[np.ndarray, "target"]:
    """The label of the nearest source point; of two as near, that of the first.

    >>> nearest_neighbour(np.array([[0.0], [5.0]]), np.array(["a", "b"]), np.array([[4.0]])).item()
    'b'
    """
    distance = (source**2).sum(axis=1)[None] - 2 * target @ source.T
    return np.asarray(labels)[distance.argmin(axis=1)]
