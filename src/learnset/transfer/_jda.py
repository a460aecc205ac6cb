"""JDA: components in which source and target have the same means, of all points and of classes."""

import numpy as np
from jaxtyping import Shaped

from ..core import InputError
from ._alignment import AbstractAlignment, Aligned, nearest_neighbour, Points
from ._tca import means_apart, TCA


class JDA(AbstractAlignment):
    """JDA (joint distribution adaptation): TCA that also brings the means of each class together.
    Classes of target points are guessed by the nearest source point, and the guess is repeated in
    the new components.

    **Arguments:**

    - `components`: the components that are taken.
    - `steps`: the number of times that they are; with 1 it is TCA.

    **Raises:** `InputError` as `TCA`, and for less than one step.

    Source: Long et al. 2013, *Transfer Feature Learning with Joint Distribution Adaptation*,
    algorithm 1.

    >>> import numpy as np
    >>> source, target = np.random.default_rng(0).normal(size=(2, 50, 4))
    >>> labels = (source[:, 0] > 0).astype(int)
    >>> JDA(TCA(2)).align(source, labels, target).target.shape
    (50, 2)
    """

    components: TCA
    steps: int = 10

    def __check_init__(self):
        if self.steps < 1:
            raise InputError(f"JDA: `steps={self.steps}`, but it must be at least 1.")

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        kernel, variance, split = self.components.prepared(source, target)
        labels = np.asarray(labels)
        classes = np.unique(labels)
        # As much as all classes together.
        overall = np.sqrt(len(classes)) * means_apart(split, kernel.shape[1])
        aligned = self.components.projected(kernel, variance, overall[:, None], split)
        for _ in range(self.steps - 1):
            guess = nearest_neighbour(aligned.source, labels, aligned.target)
            member = np.concatenate([labels, guess])
            by_class = [means_apart(split, len(member), member == value) for value in classes]
            apart = np.stack([overall, *by_class], axis=1)
            aligned = self.components.projected(kernel, variance, apart, split)
        return aligned
