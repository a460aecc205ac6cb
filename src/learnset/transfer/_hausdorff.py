"""The modified Hausdorff distance between drawings: the Omniglot challenge without any learning."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from ..core import InputError


def modified_hausdorff(
    left: Shaped[np.ndarray, "left height width 1"],
    right: Shaped[np.ndarray, "right height width 1"],
) -> Float[np.ndarray, "left right"]:
    """The modified Hausdorff distance of each drawing in `left` from each in `right`, in pixels.

    A drawing is the set of its inked pixels (at least half of full ink), with their mean at the
    origin. The distance from one drawing to another is the mean distance of its pixels from the
    nearest pixels of the other; the larger of the two directions counts. Nothing is trained: the
    class of the nearest drawing is the answer.

    **Arguments:**

    - `left`, `right`: images, uint8 or from 0 to 1, with high values for ink.

    **Raises:** `InputError` for a drawing without ink.

    Source: Dubuisson & Jain 1994, *A Modified Hausdorff Distance for Object Matching*, ICPR;
    coordinates as in `demo_classification.py` of the Omniglot repository.

    >>> import numpy as np, learnset as ls
    >>> drawing = np.zeros((2, 5, 5, 1))
    >>> drawing[0, 2, 1:4], drawing[1, 1:4, 2] = 1, 1  # a line across, and one down
    >>> ls.transfer.modified_hausdorff(drawing[:1], drawing).round(3).tolist()
    [[0.0, 0.667]]
    """
    from scipy.spatial import KDTree  # here, so that `import learnset` need not wait for it

    ours, theirs = ([_ink(image) for image in images] for images in (left, right))
    trees = [[KDTree(points) for points in drawings] for drawings in (ours, theirs)]
    distances = np.empty((len(ours), len(theirs)))
    for i, (one, one_tree) in enumerate(zip(ours, trees[0], strict=True)):
        for j, (other, other_tree) in enumerate(zip(theirs, trees[1], strict=True)):
            distances[i, j] = max(_directed(one, other_tree), _directed(other, one_tree))
    return distances


def _ink(image: Shaped[np.ndarray, "height width 1"]) -> Float[np.ndarray, "points 2"]:
    """Row and column of each inked pixel, relative to their mean."""
    full = 255 if image.dtype == np.uint8 else 1
    pixels = np.argwhere(image[..., 0] >= full / 2).astype(np.float64)
    if not len(pixels):
        raise InputError("A drawing has no ink, so it has no distance from others. Leave it out.")
    return pixels - pixels.mean(axis=0)


def _directed(pixels: Float[np.ndarray, "points 2"], tree: Any) -> float:
    """The mean distance of the pixels to the nearest point of the tree."""
    return float(tree.query(pixels)[0].mean())
