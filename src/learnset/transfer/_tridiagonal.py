"""A symmetric matrix as a tridiagonal one, turned by reflections that LAPACK keeps."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class Tridiagonal(NamedTuple):
    """A symmetric matrix `Q T Q'`, of which `T` has these diagonals, and `Q` is kept as
    reflections."""

    diagonal: Float[np.ndarray, "n"]
    next_to_it: Float[np.ndarray, "n-1"]
    reflections: tuple[np.ndarray, np.ndarray]

    def columns(self, right: Float[np.ndarray, "n out"]) -> Float[np.ndarray, "n out"]:
        """`Q' right`."""
        product = np.array(right, order="F")
        if len(self.diagonal) < 3:
            return product
        # The first coordinate stays: reflections of the others are those of a QR decomposition.
        work = 64 * max(product.shape)
        product[1:] = _lapack().dormqr("L", "T", *self.reflections, product[1:], work)[0]
        return product

    def rotation(self) -> Float[np.ndarray, "n n"]:
        """`Q` itself."""
        product = np.eye(len(self.diagonal))
        if len(product) > 2:
            product[1:, 1:] = _lapack().dorgqr(*self.reflections, 64 * len(product))[0]
        return product


def tridiagonal(gram: Float[np.ndarray, "n n"]) -> Tridiagonal:
    """The tridiagonal form of a symmetric matrix, of which the lower half is read.

    >>> import numpy as np
    >>> turned = tridiagonal(np.diag([3.0, 1.0, 2.0]))
    >>> turned.diagonal.tolist(), turned.next_to_it.tolist()
    ([3.0, 1.0, 2.0], [0.0, 0.0])
    """
    if len(gram) < 3:
        return Tridiagonal(np.diag(gram).copy(), np.diag(gram, -1).copy(), (gram, gram))
    turns, diagonal, next_to_it, lengths, _ = _lapack().dsytrd(gram, lower=1, lwork=32 * len(gram))
    return Tridiagonal(diagonal, next_to_it, (turns[1:, :-1], lengths))


def _lapack() -> Any:
    """LAPACK, whose functions type checkers do not know; imported here as that takes time."""
    from scipy.linalg import lapack

    return lapack
