"""CORAL: equal covariances."""

import numpy as np
from jaxtyping import Shaped

from ..core import check_not_negative
from ._alignment import AbstractAlignment, Aligned, covariance, pair, Points, power


class CORAL(AbstractAlignment):
    """CORAL (correlation alignment): whitens the source and colours it with the covariance of the
    target. Means stay where they are.

    **Arguments:**

    - `l2`: added to the diagonals of both covariances; the authors' 1 is for standardised features.
      With 0, covariances are equal afterwards where both have full rank.

    **Raises:** `InputError` for a negative `l2`, and for inputs of different sizes.

    Source: Sun, Feng & Saenko 2016, *Return of Frustratingly Easy Domain Adaptation*, algorithm 1.

    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> source, target = random.normal(size=(50, 2)), random.normal(size=(60, 2)) * [1, 9]
    >>> aligned = CORAL(l2=0.0).align(source, np.zeros(50), target)
    >>> np.allclose(np.cov(aligned.source.T), np.cov(target.T))
    True
    """

    l2: float = 1.0

    def __check_init__(self):
        check_not_negative("CORAL", l2=self.l2)

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        source, target = pair("CORAL", source, target)
        of_source, of_target = (covariance(points, self.l2) for points in (source, target))
        moved = source @ power(of_source, -0.5) @ power(of_target, 0.5)
        return Aligned(moved, target, np.ones(len(source)))
