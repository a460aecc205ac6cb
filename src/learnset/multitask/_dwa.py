"""Weights by how slowly the losses fall."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..core import check_positive, Loss, Model, mse
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import blank, check_num_tasks, recall, renew
from ._shares import softmax


class DWAState(eqx.Module):
    """The losses of the current window (`total` over `count` steps), of the last one, and of the
    one before it; zero if unknown."""

    steps: Int[Array, ""]
    total: Float[Array, "numbered"]
    count: Float[Array, "numbered"]
    last: Float[Array, "numbered"]
    before: Float[Array, "numbered"]


class DWA(AbstractScalarisation):
    """DWA, dynamic weight average: a task whose loss fell less between the last two windows of
    steps weighs more.

    The weights of the present tasks sum to their number. They are equal until two windows have
    passed.

    Source: Liu, Johns & Davison 2019, *End-to-End Multi-Task Learning with Attention*, eq. 7. Their
    window is an epoch.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `temperature`: the larger it is, the more equal the weights.
    - `window`: the number of steps over which losses are averaged.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.multitask.DWA(num_tasks=2).direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [2.0, 4.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    temperature: float | Float[Array, "..."] = 2.0
    window: int = 100

    def __check_init__(self):
        check_num_tasks("DWA", self.num_tasks)
        check_positive("DWA", temperature=self.temperature, window=self.window)

    def init(self, model: Model) -> DWAState:
        zero = blank(model, self.num_tasks)
        return DWAState(jnp.asarray(0), zero, zero, zero, zero)

    def weigh(
        self, stats: TaskStats, state: DWAState, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], DWAState]:
        del key
        last, before = recall(state.last, stats), recall(state.before, stats)
        rate = jnp.where(before == 0, 1, last / jnp.where(before == 0, 1, before))
        shares = softmax(rate / self.temperature, stats.present)
        return stats.present.sum().astype(shares.dtype) * shares, self._remember(stats, state)

    def _remember(self, stats: TaskStats, state: DWAState) -> DWAState:
        total = renew(state.total, stats, recall(state.total, stats) + stats.loss)
        count = renew(state.count, stats, recall(state.count, stats) + 1)
        over = (state.steps + 1) % self.window == 0
        moves = over & (count > 0)
        return DWAState(
            state.steps + 1,
            jnp.where(over, 0, total),
            jnp.where(over, 0, count),
            jnp.where(moves, total / jnp.maximum(count, 1), state.last),
            jnp.where(moves, state.last, state.before),
        )
