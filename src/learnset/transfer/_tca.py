"""TCA: components in which source and target have the same mean."""

import numpy as np
from jaxtyping import Float, Shaped

from ..core import check_positive
from ._alignment import AbstractAlignment, Aligned, check_size, pair, Points, squared_distances


class TCA(AbstractAlignment):
    """TCA (transfer component analysis): components of a kernel that have much variance, and in
    which the means of source and target are near each other.

    **Arguments:**

    - `size`: the number of components.
    - `l2`: penalty on the components' weights.
    - `gamma`: of the kernel `exp(-gamma |x - y|²)`; default: the linear kernel.
    - `unit`: whether inputs and components get length one, as in the code of JDA's authors.

    **Raises:** `InputError` for more components than the kernel has.

    Where we differ: the published constraint gives all components the same variance; here weights
    have length one, as the eigenvectors that MATLAB's `eigs` returns, so a component with more
    variance counts more.

    Source: Pan et al. 2011, *Domain Adaptation via Transfer Component Analysis*, §III.C; scaled as
    in Long et al. 2013, §3.4.

    >>> import numpy as np
    >>> source, target = np.random.default_rng(0).normal(size=(2, 50, 4))
    >>> aligned = TCA(2).align(source, np.zeros(50), target + [3, 0, 0, 0])
    >>> gap = aligned.source.mean(axis=0) - aligned.target.mean(axis=0)
    >>> bool(np.abs(gap).max() < 0.5)
    True
    """

    size: int
    l2: float = 1.0
    gamma: float | None = None
    unit: bool = False

    def __check_init__(self):
        check_positive("TCA", l2=self.l2, gamma=1.0 if self.gamma is None else self.gamma)

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        kernel, variance, split = self.prepared(source, target)
        apart = means_apart(split, kernel.shape[1])[:, None]
        return self.projected(kernel, variance, apart, split)

    def prepared(self, source: Points, target: Points) -> tuple[np.ndarray, np.ndarray, int]:
        """The kernel's coordinates of all points, as columns, their products about the mean, and
        the number of source points."""
        source, target = pair("TCA", source, target)
        points = np.concatenate([source, target])
        if self.unit:
            points = unit_rows(points)
        coordinates = kernel_coordinates(points, self.gamma)
        check_size("TCA", self.size, len(coordinates))
        centred = coordinates - coordinates.mean(axis=1, keepdims=True)
        return coordinates, centred @ centred.T, len(source)

    def projected(
        self, kernel: np.ndarray, variance: np.ndarray, apart: np.ndarray, split: int
    ) -> Aligned:
        """All points in the components that keep what `apart` weighs (a column for each difference
        of means) near zero."""
        apart = apart / np.sqrt(np.linalg.norm(apart.T @ apart))
        weights = transfer_components(variance, kernel @ apart, self.l2, self.size)
        points = kernel.T @ weights
        if self.unit:
            points = unit_rows(points)
        return Aligned(points[:split], points[split:], np.ones(split))


def means_apart(
    split: int, points: int, of: Shaped[np.ndarray, "points"] | None = None
) -> Float[np.ndarray, "points"]:
    """Weights of points whose sum is the mean of the source less that of the target, of all points
    or of some; a mean of no points is zero.

    >>> means_apart(2, 4).tolist()
    [0.5, 0.5, -0.5, -0.5]
    """
    member = np.ones(points) if of is None else of.astype(np.float64)
    source, target = member[:split], member[split:]
    return np.concatenate([source / max(source.sum(), 1), -target / max(target.sum(), 1)])


def kernel_coordinates(points: Points, gamma: float | None) -> Float[np.ndarray, "rank points"]:
    """The kernel matrix in the basis of its eigenvectors: as many rows as it has rank."""
    if gamma is None and points.shape[1] <= len(points):
        values, vectors = np.linalg.eigh(points.T @ points)  # smaller than the kernel matrix
        vectors = vectors.T @ points.T / np.sqrt(np.maximum(values, 1e-300))[:, None]
    elif gamma is None:
        values, vectors = np.linalg.eigh(points @ points.T)
        vectors = vectors.T
    else:
        values, vectors = np.linalg.eigh(np.exp(-gamma * squared_distances(points, points)))
        vectors = vectors.T
    kept = values > 1e-10 * values[-1]
    return values[kept, None] * vectors[kept]


def transfer_components(
    variance: Float[np.ndarray, "rank rank"],
    apart: Float[np.ndarray, "rank differences"],
    l2: float,
    size: int,
) -> Float[np.ndarray, "rank size"]:
    """Weights of length one, as columns, of the components with the largest ratio of their variance
    to their differences of means and the penalty."""
    from scipy.linalg import eigh  # here and not above: the import takes time

    # The denominator is the identity but for a few directions, so its root is known.
    turned, lengths, _ = np.linalg.svd(apart, full_matrices=False)
    shrinking = (1 / np.sqrt(l2 + lengths**2) - 1 / np.sqrt(l2))[:, None]

    def scaled(values: np.ndarray) -> np.ndarray:
        return values / np.sqrt(l2) + turned @ (shrinking * (turned.T @ values))

    most = len(variance) - 1
    ratios = scaled(scaled(variance).T)
    _, vectors = eigh((ratios + ratios.T) / 2, subset_by_index=[most - size + 1, most])
    weights = scaled(vectors[:, ::-1])
    return weights / np.linalg.norm(weights, axis=0)


def unit_rows(points: Points) -> Points:
    """Points of length one; the origin stays."""
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-300)
