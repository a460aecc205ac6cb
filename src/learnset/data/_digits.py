"""Handwritten digits that come with scikit-learn: a real data set for a first look, with nothing to download."""

import numpy as np

from ..core import needs
from ._labelled import Labelled


def digits() -> Labelled:
    """1 797 handwritten digits of 43 people, 8×8 pixels in 17 shades, which become 0 to 255; ten classes.

    **Raises:** `InputError` where scikit-learn is not installed.

    Source: Alpaydin & Kaynak 1998, *Optical Recognition of Handwritten Digits* (its test set), UCI Machine Learning
    Repository, as scikit-learn's `load_digits` has it.

    >>> import learnset as ls
    >>> ls.data.digits()
    Labelled(10 classes, 1797 examples of 8×8×1 uint8)
    """
    with needs("sklearn"):
        from sklearn.datasets import load_digits
    images, labels = load_digits(return_X_y=True)
    shades = np.rint(np.asarray(images).reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Labelled.from_arrays(shades, np.asarray(labels))
