"""Principal components of source and target together."""

import numpy as np
from jaxtyping import Shaped

from ._alignment import AbstractAlignment, Aligned, check_size, pair, Points
from ._subspace_alignment import components


class JointPCA(AbstractAlignment):
    """The principal components of all points of source and target together. Nothing is aligned: it
    is the baseline of alignments that reduce dimensions.

    **Arguments:**

    - `size`: the number of principal components.

    **Raises:** `InputError` for more components than there are features or points.

    Source: Pearson 1901; as a baseline: Long et al. 2013, *Transfer Feature Learning with Joint
    Distribution Adaptation*, §4.2.

    >>> import numpy as np
    >>> source, target = np.random.default_rng(0).normal(size=(2, 50, 4))
    >>> JointPCA(2).align(source, np.zeros(50), target).target.shape
    (50, 2)
    """

    size: int

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        source, target = pair("JointPCA", source, target)
        both = np.concatenate([source, target])
        check_size("JointPCA", self.size, min(both.shape))
        both = both - both.mean(axis=0)
        both = both @ components(both, self.size)
        return Aligned(both[: len(source)], both[len(source) :], np.ones(len(source)))
