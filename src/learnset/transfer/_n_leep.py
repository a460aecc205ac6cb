"""N-LEEP: LEEP with clusters of features in place of source classes."""

import warnings

import numpy as np
from jaxtyping import Shaped

from ..core import check_positive, InputError, needs
from ._leep import leep
from ._scored_features import codes, double


def n_leep(
    features: Shaped[np.ndarray, "points features"],
    labels: Shaped[np.ndarray, "points *classes"],
    *,
    clusters: int = 5,
    energy: float = 0.8,
    seed: int = 0,
) -> float:
    """N-LEEP: LEEP of the posterior of a Gaussian mixture that is fitted to the features, so the
    source needs no classifier.

    **Arguments:**

    - `clusters`: components of the mixture for each class.
    - `energy`: the share of the variance that the principal components before it keep.
    - `seed`: of the mixture's start.

    **Raises:** `InputError` where scikit-learn is not installed, for fewer points than components,
    and for targets that are no classes.

    Source: Li et al. 2021, *Ranking Neural Checkpoints*, §3.2.

    >>> import numpy as np
    >>> labels = np.repeat([0, 1], 50)
    >>> random = np.random.default_rng(0).normal(size=(100, 2))
    >>> n_leep(random + 6 * labels[:, None], labels) > n_leep(random, labels)
    True
    """
    with needs("tables"):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
    check_positive("n_leep", clusters=clusters, energy=energy)
    x = double("n_leep", features)
    number = codes("n_leep", labels, len(x))
    components = clusters * (number.max() + 1)
    if components > len(x):
        raise InputError(
            f"n_leep: {len(x)} points are fewer than {components} components ({clusters} for each"
            " class). Lower `clusters`."
        )
    x = x - x.mean(axis=0)
    scores, values, _ = np.linalg.svd(x, full_matrices=False)
    share = np.cumsum(values**2) / max((values**2).sum(), 1e-300)
    kept = min(int(np.searchsorted(share, energy)) + 1, len(values))
    reduced = scores[:, :kept] * values[:kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a score needs no last digit
        mixture = GaussianMixture(components, random_state=seed).fit(reduced)
    return leep(mixture.predict_proba(reduced), number)
