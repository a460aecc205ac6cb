"""KMM: weights of source points that make the two means equal."""

import numpy as np
from jaxtyping import Float, Shaped

from ..core import check_positive, InputError
from ._alignment import AbstractAlignment, Aligned, pair, Points, squared_distances


class KMM(AbstractAlignment):
    """KMM (kernel mean matching): weighs source points so that the weighted mean of the source is
    the mean of the target, in the features of a Gaussian kernel. Inputs stay as they are.

    **Arguments:**

    - `gamma`: of the kernel `exp(-gamma |x - y|²)`; default: one over the median squared distance.
    - `most`: the largest weight. The mean weight is 1 within `most / sqrt(source points)`.
    - `tolerance`: accelerated projected gradients end where the squared distance of the two means
      is this near its minimum; inputs have length one in the kernel's features.
    - `steps`: the most that are taken.

    **Raises:** `InputError` if the steps do not suffice, and for inputs of different sizes.

    Source: Huang et al. 2007, *Correcting Sample Selection Bias by Unlabeled Data*, §4.

    >>> import numpy as np
    >>> source, target = np.array([[0.0], [1.0], [2.0]]), np.array([[1.9], [2.0], [2.1]])
    >>> KMM(gamma=1.0).align(source, np.zeros(3), target).weight.argmax().item()
    2
    """

    gamma: float | None = None
    most: float = 1000.0
    tolerance: float = 1e-5
    steps: int = 20_000

    def __check_init__(self):
        check_positive("KMM", gamma=1.0 if self.gamma is None else self.gamma, most=self.most)
        check_positive("KMM", tolerance=self.tolerance)

    def align(
        self, source: Points, labels: Shaped[np.ndarray, "source"], target: Points
    ) -> Aligned:
        source, target = pair("KMM", source, target)
        within, across = squared_distances(source, source), squared_distances(source, target)
        gamma = 1 / max(float(np.median(within)), 1e-300) if self.gamma is None else self.gamma
        slack = self.most / np.sqrt(len(source))
        sums = (len(source) * max(1 - slack, 0), len(source) * (1 + slack))
        kernel, pull = np.exp(-gamma * within), np.exp(-gamma * across).mean(axis=1)
        enough = 0.5 * self.tolerance * len(source) ** 2
        weight = matching(kernel, len(source) * pull, self.most, sums, enough, self.steps)
        return Aligned(source, target, weight)


def matching(
    kernel: Float[np.ndarray, "points points"],
    pull: Float[np.ndarray, "points"],
    most: float,
    sums: tuple[float, float],
    enough: float,
    steps: int,
) -> Float[np.ndarray, "points"]:
    """The weights `w` from 0 to `most`, with a sum between `sums`, that minimise
    `w'kernel w / 2 - pull'w` but for `enough`, by the bound of Frank and Wolfe."""
    half = factor(kernel, 2e-3 * enough / len(pull) ** 2)  # a thousandth of `enough` at most

    def product(weight: Float[np.ndarray, "points"]) -> Float[np.ndarray, "points"]:
        return kernel @ weight if half is None else half @ (weight @ half)

    length = 1 / kernel.sum(axis=1).max()  # a bound of the curvature, as no entry is negative
    weight = ahead = project(np.ones(len(pull)), most, sums)
    pace, gap = 1.0, np.inf
    for step in range(steps):
        slope = product(ahead) - pull
        new = project(ahead - length * slope, most, sums)
        faster = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        if slope @ (new - weight) > 0:  # uphill: begin anew without momentum
            faster, pace = 1.0, 1.0
        ahead = new + (pace - 1) / faster * (new - weight)
        weight, pace = new, faster
        if step % 50 == 49:
            slope = product(weight) - pull
            gap = slope @ (weight - lowest(slope, most, sums))
            if gap <= enough:
                return weight
    raise InputError(
        f"KMM: after {steps} steps the objective may still be {gap:.1g} above its minimum, and"
        f" {enough:.1g} would do. Raise `steps` or `tolerance`."
    )


def factor(
    kernel: Float[np.ndarray, "points points"], tolerance: float
) -> Float[np.ndarray, "points rank"] | None:
    """A narrow matrix whose product with its transpose is the kernel, but for `tolerance`, by a
    Cholesky decomposition that takes the point next that is explained least; `None` where it would
    have more than half as many columns as points.

    >>> x = np.linspace(0, 1, 60)
    >>> kernel = np.exp(-(x[:, None] - x[None]) ** 2)
    >>> half = factor(kernel, 1e-9)
    >>> half.shape[1] < 12, bool(np.allclose(half @ half.T, kernel))
    (True, True)
    """
    rest, most = np.diag(kernel).copy(), len(kernel) // 2
    columns = np.zeros((most, len(kernel)))
    for number in range(most):
        next_one = int(rest.argmax())
        if rest[next_one] <= tolerance:
            return np.ascontiguousarray(columns[:number].T)
        column = kernel[next_one] - columns[:number, next_one] @ columns[:number]
        columns[number] = column / np.sqrt(rest[next_one])
        rest = np.maximum(rest - columns[number] ** 2, 0)
    return None


def project(
    weight: Float[np.ndarray, "points"], most: float, sums: tuple[float, float]
) -> Float[np.ndarray, "points"]:
    """The nearest weights from 0 to `most` with a sum between `sums`.

    >>> project(np.array([3.0, -1.0, 1.0]), 10.0, (2.0, 2.0)).round(6).tolist()
    [2.0, 0.0, 0.0]
    """
    inside = np.clip(weight, 0, most)
    if sums[0] <= inside.sum() <= sums[1]:
        return inside
    goal = sums[0] if inside.sum() < sums[0] else sums[1]
    low, high = -weight.max() - 1, most - weight.min() + 1
    for _ in range(100):  # halving
        middle = (low + high) / 2
        low, high = (
            (middle, high) if np.clip(weight + middle, 0, most).sum() < goal else (low, middle)
        )
    return np.clip(weight + high, 0, most)


def lowest(
    slope: Float[np.ndarray, "points"], most: float, sums: tuple[float, float]
) -> Float[np.ndarray, "points"]:
    """The allowed weights with the smallest inner product with a slope: where it begins to rise the
    least sum, and elsewhere as much as is allowed."""
    order = np.argsort(slope)
    fill = np.zeros(len(slope))
    wanted = np.where(slope[order] < 0, sums[1], sums[0])
    before = most * np.arange(len(slope))
    fill[order] = np.clip(wanted - before, 0, most)
    return fill
