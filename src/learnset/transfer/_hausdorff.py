"""The modified Hausdorff distance between drawings: what no learning at all makes of the Omniglot challenge."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from ..core import InputError


def modified_hausdorff(
    left: Shaped[np.ndarray, "left height width 1"],
    right: Shaped[np.ndarray, "right height width 1"],
) -> Float[np.ndarray, "left right"]:
    """How far each of some drawings is from each of others, in pixels.

    A drawing is the places of its inked pixels (at least half of full ink), with their mean at the origin. From one
    drawing to another it is as far as its pixels are from their nearest ones there, on the average; the distance is
    the longer of the two ways. Nothing is trained, and the nearest drawing's class is the answer.

    **Arguments:**

    - `left`, `right`: images, uint8 or from 0 to 1, ink being high.

    **Raises:** `InputError` for a drawing without ink.

    Source: Dubuisson & Jain 1994, *A Modified Hausdorff Distance for Object Matching*, ICPR;
    coordinates as in `demo_classification.py` of the Omniglot repository.

    >>> import numpy as np, learnset as ls
    >>> drawing = np.zeros((2, 5, 5, 1))
    >>> drawing[0, 2, 1:4], drawing[1, 1:4, 2] = 1, 1  # a line across, and one down
    >>> ls.transfer.modified_hausdorff(drawing[:1], drawing).round(3).tolist()
    [[0.0, 0.667]]
    """
    from scipy.spatial import cKDTree  # here: `import learnset` need not wait for it

    ours, theirs = ([_ink(image) for image in images] for images in (left, right))
    trees = [[cKDTree(points) for points in drawings] for drawings in (ours, theirs)]
    distances = np.empty((len(ours), len(theirs)))
    for i, (one, one_tree) in enumerate(zip(ours, trees[0], strict=True)):
        for j, (other, other_tree) in enumerate(zip(theirs, trees[1], strict=True)):
            distances[i, j] = max(_way(one, other_tree), _way(other, one_tree))
    return distances


def _ink(image: Shaped[np.ndarray, "height width 1"]) -> Float[np.ndarray, "points 2"]:
    """Row and column of each inked pixel, from their mean."""
    full = 255 if image.dtype == np.uint8 else 1
    places = np.argwhere(image[..., 0] >= full / 2).astype(np.float64)
    if not len(places):
        raise InputError("A drawing has no ink, so it is at no distance from others. Leave it out.")
    return places - places.mean(axis=0)


def _way(places: Float[np.ndarray, "points 2"], tree: Any) -> float:
    """The mean distance to the nearest point of the tree."""
    return float(tree.query(places)[0].mean())
