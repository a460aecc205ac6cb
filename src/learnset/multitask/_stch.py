"""A smooth worst case of the losses."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..core import check_not_negative, check_positive, Loss, Model, mse
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import blank, check_num_tasks, recall, renew
from ._shares import inverses, logs, softmax


class STCHState(eqx.Module):
    """The number of steps, and the losses that make the nadir."""

    steps: Int[Array, ""]
    total: Float[Array, "numbered"]
    count: Float[Array, "numbered"]


class STCH(AbstractScalarisation):
    """STCH, smooth Tchebycheff scalarisation: descends on a smooth form of the loss of the worst
    task, `mu log(sum exp(f / mu))` times the number of tasks, where `f` is the logarithm of the
    loss over its nadir.

    Training starts on the sum of the logarithms of the losses, for `warmup` steps and `window`
    more, and the mean loss of the latter is a task's nadir. A task that was absent from them has
    its first loss as nadir. The smaller `mu`, the closer it is to training only the worst task.
    Losses must be above zero.

    Source: Lin et al. 2024, *Smooth Tchebycheff Scalarization for Multi-Objective Optimization*,
    with an ideal point of zero and equal preferences; logarithms, warm-up and nadir are those of
    its multi-task code, which warms up for four epochs and takes the nadir from the fifth.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `mu`: the smoothness.
    - `warmup`, `window`: in steps.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix, losses = jnp.array([[2.0, 0.0], [0.0, 4.0]]), jnp.array([1.0, 4.0])
    >>> ls.multitask.STCH(num_tasks=2).direction(matrix, losses=losses).tolist()  # warming up
    [2.0, 1.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    mu: float | Float[Array, "..."] = 1.0
    warmup: int = 400
    window: int = 100

    def __check_init__(self):
        check_num_tasks("STCH", self.num_tasks)
        check_positive("STCH", mu=self.mu)
        check_not_negative("STCH", warmup=self.warmup, window=self.window)

    def init(self, model: Model) -> STCHState:
        zero = blank(model, self.num_tasks)
        return STCHState(jnp.asarray(0), zero, zero)

    def weigh(
        self, stats: TaskStats, state: STCHState, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], STCHState]:
        del key
        warming = state.steps < self.warmup + self.window
        state = self._remember(stats, state, warming)
        nadir = recall(state.total, stats) / jnp.maximum(recall(state.count, stats), 1)
        f = logs(stats.loss, stats.present) - logs(nadir, stats.present)
        smooth = stats.present.sum().astype(f.dtype) * softmax(f / self.mu, stats.present)
        return jnp.where(warming, 1, smooth) * inverses(stats.loss, stats.present), state

    def _remember(self, stats: TaskStats, state: STCHState, warming: Array) -> STCHState:
        total, count = recall(state.total, stats), recall(state.count, stats)
        counts = jnp.where(warming, state.steps >= self.warmup, count == 0)
        adding = TaskStats(stats.loss, stats.present & counts, stats.index)
        return STCHState(
            state.steps + 1,
            renew(state.total, adding, total + stats.loss),
            renew(state.count, adding, count + 1),
        )
