"""Leave-one-out ridge regression on features, in closed form."""

import numpy as np
from jaxtyping import Float, Shaped

from ..core import InputError
from ._scored_features import columns, double
from ._tridiagonal import Tridiagonal, tridiagonal

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

    The influence of each point is computed in single precision where features are single.

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
    single = np.asarray(features).dtype == np.float32
    residuals = left_out_residuals(x, y, strengths=strengths, single=single)
    errors = (residuals**2).sum(axis=(1, 2))
    constant = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    if not constant.all():
        raise InputError("leave_one_out: a target is the same everywhere. Leave it out.")
    return float(1 - errors.min() / (constant.sum() * (len(x) / (len(x) - 1)) ** 2))


def left_out_residuals(
    x: Float[np.ndarray, "points features"],
    y: Float[np.ndarray, "points out"],
    *,
    strengths: tuple[float, ...],
    single: bool = False,
) -> Float[np.ndarray, "strengths points out"]:
    """Each point's target less its prediction from all others, for each strength.

    The fit is linear in the targets, and the bias is not shrunk: the residual of a point that was
    left out is its residual in the fit to all, over one less its own influence on it. The matrix to
    invert, of features or of points (if these are fewer), is made tridiagonal once for all.

    **Arguments:** `single`: whether features were rounded to single precision. Then the influence
    of points is found in it as well, which is a third of all work; the fit is not.
    """
    points, features = x.shape
    centred, rest = x - x.mean(axis=0), y - y.mean(axis=0)
    total = (centred**2).sum()
    l2 = np.asarray(strengths) * max(total / features, 1e-300)
    dual = points < features
    if not dual:
        turned = tridiagonal(centred.T @ centred)
        rotation, kind = turned.rotation(), np.float32 if single else np.float64
        basis = rotation.T.astype(kind) @ centred.T.astype(kind)
        right = rotation.T @ (centred.T @ rest)
        solved, squares = _inverses(turned, basis, right, l2)
        left = 1 - 1 / points - squares
        fit = _product(centred, _product(rotation, solved))
        return (rest - fit.swapaxes(0, 1)) / np.maximum(left, 1e-12)[:, :, None]
    # Centred points have no mean; one that is put there is taken off again, without cancellation.
    mean = total / points
    turned = tridiagonal(centred @ centred.T + mean / points)
    basis = np.ascontiguousarray(turned.rotation().T)
    solved, squares = _inverses(turned, basis, basis @ rest, l2)
    left = l2[:, None] * squares - (l2 / (mean + l2) / points)[:, None]
    fit = _product(basis.T, solved).swapaxes(0, 1)
    return l2[:, None, None] * fit / np.maximum(left, 1e-12)[:, :, None]


def _product(
    left: Float[np.ndarray, "rows n"], right: Float[np.ndarray, "n strengths out"]
) -> Float[np.ndarray, "rows strengths out"]:
    """The product for all strengths in one, which is faster than one for each."""
    return (left @ right.reshape(len(right), -1)).reshape(-1, *right.shape[1:])


def _inverses(
    turned: Tridiagonal,
    basis: Float[np.ndarray, "n points"],
    right: Float[np.ndarray, "n out"],
    l2: Float[np.ndarray, "strengths"],
) -> tuple[Float[np.ndarray, "n strengths out"], Float[np.ndarray, "strengths points"]]:
    """`(T + l2)^-1 right`, and `b' (T + l2)^-1 b` of each column `b` of the basis, for all `l2`, by
    the decomposition `L D L'` with a single diagonal next to that of `L`."""
    size, points = basis.shape
    pivots, ratios = np.ones((size, len(l2))), np.zeros((size + 1, len(l2)))
    solved = np.zeros((size + 1, len(l2), right.shape[1]))
    squares = np.zeros((len(l2), points))
    ahead, scratch = np.zeros_like(squares), np.empty_like(squares)
    for number in range(size):
        pivots[number] = turned.diagonal[number] + l2
        if number:
            ratios[number] = turned.next_to_it[number - 1] / pivots[number - 1]
            pivots[number] -= turned.next_to_it[number - 1] * ratios[number]
        solved[number] = right[number] - ratios[number, :, None] * solved[number - 1]
        np.multiply(ahead, -ratios[number, :, None], out=ahead)
        ahead += basis[number]
        np.multiply(ahead, ahead, out=scratch)
        scratch /= pivots[number, :, None]
        squares += scratch
    for number in reversed(range(size)):
        solved[number] /= pivots[number, :, None]
        solved[number] -= ratios[number + 1, :, None] * solved[number + 1]
    return solved[:-1], squares
