"""The direction with the same projection onto every task's gradient."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import cosines, one_over
from ._quadratic import product


class IMTLG(AbstractGramian):
    """IMTL-G: the weighted sum whose projections onto the tasks' gradients are equal and not
    negative, with weights that sum to one or to minus one.

    Weights may be negative, and with more than two tasks so may their sum. The published method
    then scales the sum to one, and all projections are negative, so that every task would get
    worse; ours goes in the opposite direction. If gradients are linearly dependent, the projections
    are as equal as possible, and the result is zero if the sum of the weights is lost to rounding.
    Gradients of many tasks on a small network are nearly dependent, and rounding then decides on a
    hundredth of the direction: another order of the same sums, by another number of processes, say,
    gives another direction.

    Source: Liu et al. 2021, *Towards Impartial Multi-task Learning*, §3.1; for dependent gradients,
    by the pseudo-inverse, Quinton & Rey 2024, *Jacobian Descent for Multi-Objective Optimization*,
    appendix. They invert the Gramian; here the cosines are inverted, so that of dependent gradients
    the longer ones do not count more.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.IMTLG().direction(jnp.array([[1.0, 0.0], [0.0, 3.0]])).tolist()
    [0.75, 0.75]
    """

    loss: Loss = mse

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        del present, key
        between, norms = cosines(gramian)
        least = norms.min(where=norms > 0, initial=jnp.inf)
        inverse = jnp.where(norms > 0, least * one_over(norms), 0)
        weights = inverse * impartial(between)
        total = jnp.abs(weights.sum())
        lost = len(norms) * jnp.finfo(norms.dtype).eps * jnp.abs(weights).sum()
        return weights * one_over(jnp.where(total > lost, total, 0))


def impartial(between: Float[Array, "tasks tasks"]) -> Float[Array, "tasks"]:
    """The weights of unit gradients whose sum has a product of one with each of them: the
    pseudo-inverse of the cosines, times ones.

    >>> import jax.numpy as jnp
    >>> impartial(jnp.array([[1.0, 1.0], [1.0, 1.0]])).round(4).tolist()
    [0.5, 0.5]
    """
    eps = jnp.finfo(between.dtype).eps
    root = jnp.linalg.cholesky(between)
    half = jax.scipy.linalg.solve_triangular(
        root, jnp.eye(len(between), dtype=between.dtype), lower=True
    )
    inverse = product(half.T, half)
    # One over the norm of the inverse is no more than the smallest eigenvalue. Where the matrix has
    # no root, it is NaN.
    sound = jnp.linalg.norm(inverse) * jnp.linalg.norm(between) * len(between) * eps < 1

    def solved() -> Array:
        weights = inverse.sum(axis=1)
        return weights + product(inverse, 1 - product(between, weights))

    return lax.cond(sound, solved, lambda: _by_eigenvalues(between))


def _by_eigenvalues(between: Float[Array, "tasks tasks"]) -> Float[Array, "tasks"]:
    """The same where the matrix may be singular, and slower."""
    values, vectors = jnp.linalg.eigh(between)
    positive = values > len(values) * jnp.finfo(values.dtype).eps * values.max()
    inverse = jnp.where(positive, 1 / jnp.where(positive, values, 1), 0)
    return product(vectors, inverse * vectors.sum(axis=0))
