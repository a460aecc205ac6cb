"""The direction that makes the same angle with every task's gradient."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import cosines, one_over
from ._imtlg import impartial
from ._quadratic import product


class ConFIG(AbstractGramian):
    """ConFIG: the direction with the same cosine to every task's gradient, whose length is the sum
    of the gradients' projections onto it.

    It is the direction of `IMTLG`, and it is longer the less the gradients are in conflict. For one
    task it is the gradient. If gradients are linearly dependent, the cosines are as equal as
    possible; if no direction is good, the result is zero.

    Source: Liu, Chu & Thuerey 2024, *ConFIG: Towards Conflict-free Training of Physics Informed
    Neural Networks*, eqs. 2 and 3, computed from the Gramian: singular values of unit gradients
    below the root of rounding error count as zero.

    >>> import jax.numpy as jnp, learnset as ls
    >>> direction = ls.multitask.ConFIG().direction(jnp.array([[1.0, 0.0], [0.0, 3.0]]))
    >>> [round(x, 3) for x in direction.tolist()]
    [2.0, 2.0]
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
        best = impartial(between)
        along = product(between, best)
        square = best @ along
        square = jnp.where(square > len(norms) ** 2 * jnp.finfo(norms.dtype).eps, square, 0)
        return (norms @ along) * one_over(square) * best * one_over(norms)
