"""Leave-one-out ridge regression on features, in closed form."""

import numpy as np
from jaxtyping import Float, Shaped

from ..core import InputError
from ._scored_features import columns, double

STRENGTHS = tuple(10.0**exponent for exponent in range(-6, 5))


def leave_one_out(
    features: Shaped[np.ndarray, "points features"],
    targets: Shaped[np.ndarray, "points *out"],
    *,
    strengths: tuple[float, ...] = STRENGTHS,
) -> float:
    """The part of the targets' variance that ridge regression on the features predicts, each point
    from all others. It is 1 for perfect predictions, and 0 for those of the mean of the others.

    **Arguments:**

    - `targets`: one column or several; or classes (numbers, words or one-hot rows), of which each
      is a target of zeros and ones.
    - `strengths`: penalties, in units of the mean squared (centred) feature times the points; the
      best of them counts.

    **Raises:** `InputError` for features or targets that are not finite, and for a target that is
    the same everywhere.

    Source: Allen 1974, *The Relationship between Variable Selection and Data Augmentation and a
    Method for Prediction* (the closed form, "PRESS"); as a score of sources: learnset.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(leave_one_out(x, x @ [1.0, -2.0, 0.5]), 3)
    1.0
    """
    x = double("leave_one_out", features)
    y = columns("leave_one_out", targets, len(x))
    errors = [(residuals**2).sum() for residuals in left_out_residuals(x, y, strengths=strengths)]
    constant = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    if not constant.all():
        raise InputError("leave_one_out: a target is the same everywhere. Leave it out.")
    return float(1 - min(errors) / (constant.sum() * (len(x) / (len(x) - 1)) ** 2))


def left_out_residuals(
    x: Float[np.ndarray, "points features"],
    y: Float[np.ndarray, "points out"],
    *,
    strengths: tuple[float, ...],
) -> list[Float[np.ndarray, "points out"]]:
    """Each point's target less its prediction from all others, for each strength.

    The fit is linear in the targets, and the bias is not shrunk: the residual of a point that was
    left out is its residual in the fit to all, over one less its own influence on it.
    """
    from scipy.linalg import eigh  # here and not above: the import takes time

    centred, rest = x - x.mean(axis=0), y - y.mean(axis=0)
    dual = len(x) < x.shape[1]
    gram = centred @ centred.T if dual else centred.T @ centred
    values, vectors = eigh(gram, driver="evd")  # NumPy's takes longer for many features
    values = np.maximum(values, 0)
    if dual:
        basis, scale = vectors, values
    else:
        basis, scale = centred @ vectors, np.ones_like(values)
    along, squares = basis.T @ rest, basis**2
    unit = max(values.sum() / x.shape[1], 1e-300)
    residuals = []
    for strength in strengths:
        shrunk = scale / (values + strength * unit)
        fitted = basis @ (shrunk[:, None] * along)
        influence = 1 / len(x) + squares @ shrunk
        residuals.append((rest - fitted) / np.maximum(1 - influence, 1e-12)[:, None])
    return residuals
