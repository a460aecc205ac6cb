"""The mean without the extremes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import InputError, Loss, mse, State
from ._balancer import AbstractJacobian, TaskStats


class TrimmedMean(AbstractJacobian):
    """Trimmed mean: for each parameter, the mean of the tasks' gradients without the `trim` largest
    and the `trim` smallest, so that `trim` tasks may be arbitrarily wrong. If too few tasks are
    present for that, it is the median.

    Source: Yin et al. 2018, *Byzantine-Robust Distributed Learning: Towards Optimal Statistical
    Rates*, definition 2.

    **Raises:** `InputError` for a batch of fewer than `2 trim + 1` tasks.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix = jnp.array([[1.0], [2.0], [3.0], [1e9]])
    >>> ls.multitask.TrimmedMean(trim=1).direction(matrix).tolist()
    [2.5]
    """

    loss: Loss = mse
    trim: int = 1

    def __check_init__(self):
        if not isinstance(self.trim, int) or self.trim < 0:
            raise InputError(
                f"TrimmedMean: `trim={self.trim}`, but it must be a whole number, 0 or above."
            )

    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: State,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], State]:
        del key
        if len(jacobian) < 2 * self.trim + 1:
            raise InputError(
                f"TrimmedMean: `trim={self.trim}` leaves none of {len(jacobian)} tasks. Lower"
                " `trim`, or train on more tasks in each step."
            )
        place = jnp.arange(len(jacobian))[:, None]

        def without_extremes(
            _: int, kept: Bool[Array, "tasks params"]
        ) -> Bool[Array, "tasks params"]:
            kept = kept & (place != jnp.where(kept, jacobian, -jnp.inf).argmax(axis=0)[None])
            return kept & (place != jnp.where(kept, jacobian, jnp.inf).argmin(axis=0)[None])

        # Few are trimmed: to search for them one at a time is ten times faster than to sort.
        most = jnp.clip((stats.present.sum() - 1) // 2, 0, self.trim)
        present = jnp.broadcast_to(stats.present[:, None], jacobian.shape)
        kept = jax.lax.fori_loop(0, most, without_extremes, present)
        total = jnp.where(kept, jacobian, 0).sum(axis=0)
        return total / jnp.maximum(kept.sum(axis=0), 1).astype(total.dtype), state
