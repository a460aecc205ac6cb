"""The H-score of features for classes."""

import numpy as np
from jaxtyping import Shaped

from ._scored_features import codes, double


def h_score(
    features: Shaped[np.ndarray, "points features"],
    labels: Shaped[np.ndarray, "points *classes"],
    *,
    shrunk: bool = True,
) -> float:
    """The H-score: the variance of the features' class means relative to the variance of the
    features, as a trace. It is the sum of the squared canonical correlations of features and
    classes: from 0 (nothing in common) to the number of classes less one.

    **Arguments:**

    - `labels`: numbers or words of the classes, or one-hot rows.
    - `shrunk`: whether covariances are shrunk as Ledoit and Wolf do. Without it the score of any
      features is at its maximum as soon as there are as many of them as points.

    **Raises:** `InputError` for targets that are no classes, and for features that are not finite.

    Source: Bao et al. 2019, *An Information-Theoretic Approach to Transferability in Task Transfer
    Learning*, definition 2; shrunk: Ibrahim et al. 2022, *Newer is not always better*, §3.2.

    >>> import numpy as np
    >>> labels = np.repeat([0, 1, 2], 20)
    >>> random = np.random.default_rng(0).normal(size=(60, 4))
    >>> good = random + 5 * np.eye(4)[labels]
    >>> h_score(good, labels) > 1.5 > 0.3 > h_score(random, labels)
    True
    """
    features = double("h_score", features)
    number = codes("h_score", labels, len(features))
    x = features - features.mean(axis=0)
    counts = np.bincount(number)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, number, x)
    between = means / np.sqrt(counts * len(x))[:, None]  # of which the products are summed
    covariance = x.T @ x / len(x)
    if not shrunk:
        solved = np.linalg.lstsq(covariance, between.T, rcond=1e-12)[0]
        return float((between.T * solved).sum())
    share = shrinkage(x, covariance)
    size = np.trace(covariance) / len(covariance)
    if size == 0:
        return 0.0
    shrunken = (1 - share) * covariance + share * size * np.eye(len(covariance))
    return float((1 - share) * (between.T * np.linalg.solve(shrunken, between.T)).sum())


def shrinkage(x: np.ndarray, covariance: np.ndarray) -> float:
    """The share of a multiple of the identity in the estimate of the covariance of centred `x`,
    from 0 to 1.

    Source: Ledoit & Wolf 2004, *A well-conditioned estimator for large-dimensional covariance
    matrices*, §3.3.
    """
    points, size = x.shape
    squares = (covariance**2).sum()
    distance = squares - np.trace(covariance) ** 2 / size
    noise = (((x**2).sum(axis=1) ** 2).sum() / points - squares) / points
    return float(np.clip(noise / distance, 0, 1)) if distance > 0 else 1.0
