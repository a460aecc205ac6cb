"""Handwritten digits that come with scikit-learn: real data for a first look, without a
download."""

import numpy as np

from ..core import needs
from ._labelled import Labelled


def digits() -> Labelled:
    """Handwritten digits: 1 797 images of ten classes, written by 43 people. Each has 8×8 pixels in
    17 shades, which become 0 to 255.

    **Raises:** `InputError` if scikit-learn is not installed.

    Source: Alpaydin & Kaynak 1998, *Optical Recognition of Handwritten Digits* (its test set), UCI
    Machine Learning Repository, as loaded by scikit-learn's `load_digits`.

    >>> import learnset as ls
    >>> ls.data.digits()
    Labelled(10 classes, 1797 examples of 8×8×1 uint8)
    """
    with needs("sklearn"):
        from sklearn.datasets import load_digits
    images, labels = load_digits(return_X_y=True)
    shades = np.rint(np.asarray(images).reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Labelled.from_arrays(shades, np.asarray(labels))
