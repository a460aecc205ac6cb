"""The modified Hausdorff distance, against its definition."""

import math

import numpy as np
import pytest

import learnset as ls
from learnset.transfer._hausdorff import modified_hausdorff


def slow(left, right):
    """The definition, pixel by pixel."""

    def pixels(image):
        height, width, _ = image.shape
        inked = [(r, c) for r in range(height) for c in range(width) if image[r, c, 0] >= 128]
        middle = [sum(part) / len(inked) for part in zip(*inked, strict=True)]
        return [(r - middle[0], c - middle[1]) for r, c in inked]

    def directed(some, others):
        return sum(min(math.dist(one, other) for other in others) for one in some) / len(some)

    a, b = pixels(left), pixels(right)
    return max(directed(a, b), directed(b, a))


@pytest.fixture
def drawings():
    return np.where(np.random.RandomState(0).rand(6, 9, 7, 1) < 0.2, 255, 0).astype(np.uint8)


def test_distances_are_those_of_the_definition(drawings):
    distances = modified_hausdorff(drawings[:2], drawings)
    expected = [[slow(left, right) for right in drawings] for left in drawings[:2]]
    assert np.allclose(distances, expected, rtol=1e-12, atol=1e-12)


def test_the_distance_is_symmetric_and_zero_to_itself_alone(drawings):
    distances = modified_hausdorff(drawings, drawings)
    assert (distances == distances.T).all()
    assert ((distances == 0) == np.eye(6, dtype=bool)).all()


def test_the_position_of_a_drawing_does_not_matter(drawings):
    wide = np.pad(drawings, ((0, 0), (0, 4), (0, 4), (0, 0)))
    moved = np.roll(wide, (3, 1), axis=(1, 2))
    assert np.allclose(modified_hausdorff(wide, moved), modified_hausdorff(wide, wide), atol=1e-12)


def test_shades_count_as_ink_from_one_half_on(drawings):
    shades = np.where(drawings > 0, 0.5, 0.49)
    distances = modified_hausdorff(drawings, drawings)
    assert (modified_hausdorff(shades, drawings) == distances).all()


def test_a_drawing_without_ink_is_an_error(drawings):
    with pytest.raises(ls.InputError, match="no ink"):
        modified_hausdorff(drawings, 0 * drawings)
