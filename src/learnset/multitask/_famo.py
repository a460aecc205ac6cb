"""Losses that fall at the same rate, for the cost of one backward pass."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from ..core import check_not_negative, check_positive, Loss, Metrics, Model, mse, Task, trainable
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import blank, check_num_tasks, Learnt, recall
from ._shares import logs, softmax
from ._task_gradients import in_batch, task_losses


class FAMOState(eqx.Module):
    """The logits of the tasks, and the parameters before the last update, if there was one."""

    logits: Learnt
    previous: PyTree
    began: Bool[Array, ""]


class FAMO(AbstractScalarisation):
    """FAMO, fast adaptive multi-task optimisation: weights under which the logarithms of all losses
    fall at the same rate.

    The weights are `softmax(logits) / loss`, scaled to sum to one. The logits are learnt from how
    much the logarithm of each loss fell by the last update: a task whose loss fell less gains
    weight. Losses must be above `min_losses`.

    Source: Liu et al. 2023, *FAMO: Fast Adaptive Multitask Optimization*, algorithm 1; Adam for the
    logits as in its code. In the paper, the losses before and after an update are those of the
    batch of the update. Here the method sees an update only at the next step: the previous
    parameters are kept, and both are scored on the next batch, for the cost of a forward pass and a
    copy of the parameters. If each step has all points, the two are the same.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `lr`, `decay`: the step size of the logits, and how strongly they are pulled to zero.
    - `min_losses`: a lower bound of each task's loss. Default: zero. A loss near its bound gets
      nearly all the weight. If that may happen, as it does without noise, give a number below what
      can be reached.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix, losses = jnp.array([[2.0, 0.0], [0.0, 4.0]]), jnp.array([1.0, 3.0])
    >>> ls.FAMO(num_tasks=2).direction(matrix, losses=losses).round(6).tolist()
    [1.5, 1.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    lr: float | Float[Array, "..."] = 0.025
    decay: float | Float[Array, "..."] = 1e-3
    min_losses: Float[Array, "numbered"] | None = None

    def __check_init__(self):
        check_num_tasks("FAMO", self.num_tasks)
        check_positive("FAMO", lr=self.lr)
        check_not_negative("FAMO", decay=self.decay)

    def init(self, model: Model) -> FAMOState:
        return FAMOState(
            Learnt(blank(model, self.num_tasks)), trainable(model)[0], jnp.asarray(False)
        )

    def weigh(
        self, stats: TaskStats, state: FAMOState, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], FAMOState]:
        del key
        logits = recall(state.logits.value, stats) - self._logs(stats.loss, stats)
        return softmax(logits, stats.present), state

    def gradient(
        self, model: Model, tasks: Task, state: FAMOState, *, key: Key[Array, ""]
    ) -> tuple[PyTree, FAMOState, Metrics]:
        moving, fixed = trainable(model)
        before = task_losses(self.loss, eqx.combine(state.previous, fixed), tasks)
        after = task_losses(self.loss, model, tasks)
        stats = TaskStats(after, in_batch(tasks) & state.began, tasks.index)
        state = FAMOState(self.learn(state, before, stats), moving, jnp.asarray(True))
        return super().gradient(model, tasks, state, key=key)

    def learn(self, state: FAMOState, before: Float[Array, "tasks"], stats: TaskStats) -> Learnt:
        """The logits after an update of the model by which losses went from `before` to
        `stats.loss`."""
        fall = self._logs(before, stats) - self._logs(stats.loss, stats)
        logits = recall(state.logits.value, stats)
        slope = jax.vjp(lambda logits: softmax(logits, stats.present), logits)[1](fall)[0]
        return state.logits.step(slope, stats, lr=self.lr, decay=self.decay)

    def _logs(self, losses: Float[Array, "tasks"], stats: TaskStats) -> Float[Array, "tasks"]:
        least = 0 if self.min_losses is None else recall(self.min_losses, stats)
        return logs(losses - least, stats.present)
