"""The mean without the extremes."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._errors import InputError
from .._losses import Loss, mse
from .._types import State
from ._balancer import AbstractJacobian, Seen


class TrimmedMean(AbstractJacobian):
    """For each parameter the mean of the tasks' gradients without the `trim` largest and the `trim` smallest, so that as
    many tasks as that can be arbitrarily wrong. Where so few tasks are there that nothing would be left, it is the median.

    Source: Yin et al. 2018, *Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates*, definition 2.

    **Raises:** `InputError` for a batch of fewer than `2 trim + 1` tasks.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.TrimmedMean(trim=1).direction(jnp.array([[1.0], [2.0], [3.0], [1e9]])).tolist()
    [2.5]
    """

    loss: Loss = mse
    trim: int = 1

    def __check_init__(self):
        if not isinstance(self.trim, int) or self.trim < 0:
            raise InputError(
                f"TrimmedMean: `trim={self.trim}`, but it is a number of tasks: a whole number, 0 or above."
            )

    def balance(
        self, jacobian: Float[Array, "tasks params"], seen: Seen, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "params"], State]:
        del key
        if len(jacobian) < 2 * self.trim + 1:
            raise InputError(
                f"TrimmedMean: `trim={self.trim}` leaves nothing of {len(jacobian)} tasks. Lower `trim`, or take more"
                " tasks a step."
            )
        there = seen.present.sum()
        trim = jnp.clip((there - 1) // 2, 0, self.trim)
        ordered = jnp.sort(jnp.where(seen.present[:, None], jacobian, jnp.inf), axis=0)  # absent tasks come last
        place = jnp.arange(len(jacobian))
        kept = (place >= trim) & (place < there - trim)
        total = jnp.where(kept[:, None], ordered, 0).sum(axis=0)
        return total / jnp.maximum(kept.sum(), 1).astype(total.dtype), state
