"""Gradients of a single sign for each parameter."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import InputError, Loss, mse, State
from ._balancer import AbstractJacobian, TaskStats


def _identity(purity: Float[Array, "params"]) -> Float[Array, "params"]:
    return purity


class GradDrop(AbstractJacobian):
    """GradDrop, gradient sign dropout: draws a sign for each parameter and drops the gradients of
    the other sign. The positive sign is as likely as the share of positive gradients, by absolute
    value. The remaining gradients are summed.

    Source: Chen et al. 2020, *Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign
    Dropout*, algorithm 1, lines 10 to 15.

    **Arguments:**

    - `leak`: the part of each gradient that is never dropped, between zero and one.
    - `probability`: an increasing function from the purity of signs, between zero and one, to the
      probability of the positive sign.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix = jnp.array([[1.0, -2.0], [3.0, -4.0]])  # nothing is in conflict
    >>> ls.multitask.GradDrop().direction(matrix).tolist()
    [4.0, -6.0]
    """

    loss: Loss = mse
    leak: float | Float[Array, "..."] = 0.0
    probability: Callable[[Array], Array] = eqx.field(static=True, default=_identity)

    def __check_init__(self):
        if isinstance(self.leak, (int, float)) and not 0 <= self.leak <= 1:
            raise InputError(f"GradDrop: `leak={self.leak}`, but it must be between zero and one.")

    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: State,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], State]:
        size = jnp.abs(jacobian).sum(axis=0)
        purity = (1 + jacobian.sum(axis=0) / jnp.where(size > 0, size, 1)) / 2
        drawn = jr.uniform(key, purity.shape, purity.dtype)
        positive = self.probability(purity) > drawn
        kept = jnp.where(positive[None], jnp.maximum(jacobian, 0), jnp.minimum(jacobian, 0))
        return (self.leak * jacobian + (1 - self.leak) * kept).sum(axis=0), state
