"""Linear optimal transport: one normal distribution moved to another."""

import numpy as np
from jaxtyping import Shaped

from ..core import check_not_negative
from ._alignment import AbstractAlignment, Aligned, covariance, pair, Points, power


class LinearTransport(AbstractAlignment):
    """Linear optimal transport: moves the source by the affine map that takes its mean and its
    covariance to those of the target, and of all such maps moves points least.

    **Arguments:**

    - `l2`: added to the diagonals of both covariances.

    **Raises:** `InputError` for a negative `l2`, and for inputs of different sizes.

    Source: Knott & Smith 1984, *On the optimal mapping of distributions*; for domain adaptation:
    Flamary et al. 2019, *Concentration bounds for linear Monge mapping estimation*, equation 5.

    >>> import numpy as np
    >>> source = np.random.default_rng(0).normal(size=(50, 2))
    >>> target = source * [1.0, 9.0] + 3.0
    >>> np.allclose(LinearTransport(l2=0.0).align(source, np.zeros(50), target).source, target)
    True
    """

    l2: float = 1e-8

    def __check_init__(self):
        check_not_negative("LinearTransport", l2=self.l2)

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        source, target = pair("LinearTransport", source, target)
        of_source, of_target = (covariance(points, self.l2) for points in (source, target))
        root, inverse = power(of_source, 0.5), power(of_source, -0.5)
        change = inverse @ power(root @ of_target @ root, 0.5) @ inverse
        moved = (source - source.mean(axis=0)) @ change + target.mean(axis=0)
        return Aligned(moved, target, np.ones(len(source)))
