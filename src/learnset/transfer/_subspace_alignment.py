"""Subspace alignment: principal components of the source turned to those of the target."""

import numpy as np
from jaxtyping import Shaped

from ._alignment import AbstractAlignment, Aligned, check_size, pair, Points


class SubspaceAlignment(AbstractAlignment):
    """SA (subspace alignment): the source in its own principal components, which are turned to
    those of the target; the target in its principal components. Both are centred.

    **Arguments:**

    - `size`: the number of principal components, of both.

    **Raises:** `InputError` for more components than there are features or points.

    Source: Fernando et al. 2013, *Unsupervised Visual Domain Adaptation Using Subspace Alignment*,
    §3.2.

    >>> import numpy as np
    >>> source, target = np.random.default_rng(0).normal(size=(2, 50, 4))
    >>> SubspaceAlignment(2).align(source, np.zeros(50), target).source.shape
    (50, 2)
    """

    size: int

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        source, target = pair("SubspaceAlignment", source, target)
        check_size("SubspaceAlignment", self.size, min(*source.shape, len(target)))
        source, target = (points - points.mean(axis=0) for points in (source, target))
        own, other = (components(points, self.size) for points in (source, target))
        return Aligned(source @ own @ (own.T @ other), target @ other, np.ones(len(source)))


def components(centred: Points, size: int) -> np.ndarray:
    """The directions of largest variance, as columns."""
    if len(centred) < centred.shape[1]:
        return np.linalg.svd(centred, full_matrices=False)[2][:size].T
    return np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :size]  # a quarter of the time
