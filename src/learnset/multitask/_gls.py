"""The geometric mean of the losses."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import Loss, mse, State
from ._balancer import AbstractScalarisation, TaskStats
from ._shares import logs
from ._task_gradients import even


class GLS(AbstractScalarisation):
    """GLS, geometric loss strategy: descends on the geometric mean of the losses, so that only
    relative changes count and the units of a loss do not matter. Losses must be above zero.

    Source: Chennupati et al. 2019, *MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss
    Strategy*.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix, losses = jnp.array([[2.0, 0.0], [0.0, 4.0]]), jnp.array([1.0, 4.0])
    >>> ls.multitask.GLS().direction(matrix, losses=losses).round(6).tolist()
    [2.0, 1.0]
    """

    loss: Loss = mse

    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        del key
        share = even(stats.present).astype(stats.loss.dtype)

        def mean(losses: Float[Array, "tasks"]) -> Float[Array, ""]:
            return jnp.exp((share * logs(losses, stats.present)).sum())

        return jax.grad(mean)(stats.loss), state
