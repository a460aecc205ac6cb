"""The direction with the same projection onto every task's gradient."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import cosines, one_over
from ._quadratic import product


class IMTLG(AbstractGramian):
    """The weighted sum whose projections onto the tasks' gradients are equal and not negative, by weights whose sum is one, or
    minus one.

    Weights may be negative, and so may their sum where there are more than two tasks. As published it is one then too, with
    projections below zero: every task would get worse. Ours goes the other way. Where gradients are linearly dependent the
    projections are as equal as can be, and zero comes out where the weights' sum is lost to rounding.

    Source: Liu et al. 2021, *Towards Impartial Multi-task Learning*, §3.1; for dependent gradients, by the pseudo-inverse,
    Quinton & Rey 2024, *Jacobian Descent for Multi-Objective Optimization*, appendix. Ours inverts the cosines and theirs
    the Gramian: where gradients are dependent, none counts more for being longer.

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
        inverse = jnp.where(
            norms > 0, norms.min(where=norms > 0, initial=jnp.inf) * one_over(norms), 0
        )
        weights = inverse * impartial(between)
        total, lost = (
            jnp.abs(weights.sum()),
            len(norms) * jnp.finfo(norms.dtype).eps * jnp.abs(weights).sum(),
        )
        return weights * one_over(jnp.where(total > lost, total, 0))


def impartial(between: Float[Array, "tasks tasks"]) -> Float[Array, "tasks"]:
    """How much of each unit gradient makes a sum whose product with every one of them is one: the pseudo-inverse of the
    cosines, times ones.

    >>> import jax.numpy as jnp
    >>> impartial(jnp.array([[1.0, 1.0], [1.0, 1.0]])).round(4).tolist()
    [0.5, 0.5]
    """
    values, vectors = jnp.linalg.eigh(between)
    there = values > len(values) * jnp.finfo(values.dtype).eps * values.max()
    inverse = jnp.where(there, 1 / jnp.where(there, values, 1), 0)
    return product(vectors, inverse * vectors.sum(axis=0))
