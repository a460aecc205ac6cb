"""GFK: all subspaces on the way from the source's principal components to the target's."""

import numpy as np
from jaxtyping import Float, Shaped

from ._alignment import AbstractAlignment, Aligned, check_size, pair, Points, power
from ._subspace_alignment import components


class GFK(AbstractAlignment):
    """GFK (geodesic flow kernel): the shortest path from the span of the source's principal
    components to that of the target's leads through subspaces; inner products are means of those of
    the projections on all of them. Source and target become points with these inner products.

    **Arguments:**

    - `size`: the number of principal components, of both. With a larger one than there are points
      in a domain, that domain's are all taken, and as many of the other.

    **Raises:** `InputError` for more components than half the features.

    Source: Gong et al. 2012, *Geodesic Flow Kernel for Unsupervised Domain Adaptation*, §3.3,
    equations 5 to 7.

    >>> import numpy as np
    >>> source, target = np.random.default_rng(0).normal(size=(2, 50, 6))
    >>> GFK(2).align(source, np.zeros(50), target).source.shape
    (50, 4)
    """

    size: int

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        source, target = pair("GFK", source, target)
        check_size("GFK", self.size, source.shape[1] // 2)
        size = min(self.size, len(source) - 1, len(target) - 1)
        own, other = (components(x - x.mean(axis=0), size) for x in (source, target))
        root = geodesic(own, other)
        return Aligned(source @ root, target @ root, np.ones(len(source)))


def geodesic(
    own: Float[np.ndarray, "features size"], other: Float[np.ndarray, "features size"]
) -> Float[np.ndarray, "features 2*size"]:
    """A matrix `R`, of which `R R'` is the mean projection on all subspaces of the path between
    those that the orthonormal columns of two matrices span.

    >>> one, two = np.eye(3)[:, :1], np.eye(3)[:, 1:2]
    >>> root = geodesic(one, two)
    >>> (root @ root.T).round(3)[:2, :2].tolist()
    [[0.5, 0.318], [0.318, 0.5]]
    """
    turn, cosines, back = np.linalg.svd(own.T @ other)
    start = own @ turn
    cosines = np.clip(cosines, 0, 1)
    across = other @ back.T - start * cosines  # of length sin(angle)
    angle = np.arctan2(np.linalg.norm(across, axis=0), cosines)
    across = across / np.maximum(np.sin(angle), 1e-300)
    twice = np.maximum(2 * angle, 1e-12)
    # Means of cos², cos sin and sin² from 0 to the angle.
    both, first = np.diag(0.5 * (1 - np.cos(twice)) / twice), 0.5 + 0.5 * np.sin(twice) / twice
    blocks = np.block([[np.diag(first), both], [both, np.diag(1 - first)]])
    return np.concatenate([start, across], axis=1) @ power(blocks, 0.5)
