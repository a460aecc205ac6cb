"""Points in a plane, of two classes, whose distribution shifts in one of four ways."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

SHIFTS = ("covariate_shift", "target_shift", "concept_drift", "subspace")
NOISE = {"covariate_shift": 0.6, "target_shift": 0.8, "concept_drift": 0.8, "subspace": 0.4}
CLUSTER = 100  # points of a cluster of the second class; three times as many for `subspace`
CENTRE = (-0.4, 3)  # near which the inputs of the target are frequent, under covariate shift

# Where clusters of the second class lie, and the matrix that their normal points are multiplied by.
CLUSTERS = (
    ((-1.5, 3), ((0.15, 0), (0, 0.3))),
    ((-0.5, 1), ((0.2, -0.1), (-0.1, 0.2))),
    ((1, -0.4), ((0.17, -0.05), (-0.05, 0.17))),
    ((3, -1), ((0.3, 0), (0, 0.15))),
)


class Shifted(NamedTuple):
    """A labelled source, and a target with the labels that it is scored by."""

    source: Float[np.ndarray, "source 2"]
    labels: Int[np.ndarray, "source"]
    target: Float[np.ndarray, "target 2"]
    truth: Int[np.ndarray, "target"]


def shifted(shift: str, seed: int) -> Shifted:
    """Source and target as `skada.datasets.make_shifted_datasets` draws them with the settings of
    SKADA-Bench: number for number, since NumPy's `RandomState` does not change.

    Source: Lalou et al. 2024, *SKADA-Bench: Benchmarking Unsupervised Domain Adaptation Methods
    with Realistic Validation*, and its file datasets/simulated.py.
    """
    random = np.random.RandomState(seed)
    size = 3 * CLUSTER if shift == "subspace" else CLUSTER
    source, labels = crescent(size, random)
    if shift == "covariate_shift":
        target, truth = crescent(100 * size, random)
        weight = np.exp(-2 * ((target - np.array(CENTRE)) ** 2).sum(axis=1))
        kept = random.choice(len(weight), 8 * size, replace=False, p=weight / weight.sum())
        target, truth = target[kept], truth[kept]
    elif shift == "target_shift":
        target, truth = crescent(3 * size, random)
        half, first = 12 * size, int(8 * size * 0.9)
        kept = random.choice(half, first, replace=False)
        others = random.choice(half, 8 * size - first, replace=False) + half
        kept = np.concatenate([kept, others])
        target, truth = target[kept], truth[kept]
    elif shift == "concept_drift":
        target, truth = crescent(size, random)
        target = 0.7 * target + 1
    else:
        source, labels = triangle(size, random)
        target, truth = triangle(size, random)
        target = -target
    source = source + random.normal(scale=NOISE[shift], size=source.shape)
    target = target + random.normal(scale=NOISE[shift], size=target.shape)
    return Shifted(source, labels, target, truth)


def crescent(size: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """A disc of the first class, and four clusters of the second one along it."""
    angle = random.rand(4 * size, 1) * 2 * np.pi
    radius = np.sqrt(random.rand(4 * size, 1))
    disc = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    disc = disc @ np.array([[2, -0.5], [-0.5, 2]]) + 2
    parts = [random.randn(size, 2) @ np.array(spread) + place for place, spread in CLUSTERS]
    return np.concatenate([disc, *parts]), np.repeat([0, 1], 4 * size)


def triangle(size: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """A cluster of the first class and two of the second one. They are apart along one direction,
    in which source and target are alike."""
    parts = [
        random.randn(number, 2) * spread + place
        for number, spread, place in (
            (2 * size, 0.5, (-1, 1)),
            (size, 0.1, (1.5, 0.5)),
            (size, 0.2, (-0.5, -1.5)),
        )
    ]
    return np.concatenate(parts), np.repeat([0, 1], 2 * size)
