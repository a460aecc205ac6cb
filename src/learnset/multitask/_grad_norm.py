"""Weights that are learnt so that gradients are about equally long."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, check_positive, Loss, Model, mse
from ._balancer import AbstractWeighting, TaskStats
from ._memory import blank, by_number, check_num_tasks, Learnt, recall, renew
from ._task_gradients import even


class GradNormState(eqx.Module):
    """The weights, and the first loss of each task; zero if there was none."""

    weights: Learnt
    first: Float[Array, "numbered"]


class GradNorm(AbstractWeighting):
    """GradNorm: learns weights under which the gradients of all tasks are about equally long, and
    longer for tasks that lag behind.

    The weighted gradient of a task should be as long as the mean length times `r ** alpha`, where
    `r` is the fraction of the task's first loss that is left, relative to the other tasks. The
    weights move against the slope of the absolute difference, by Adam. They are never negative, and
    their sum over the present tasks stays the same.

    Source: Chen et al. 2018, *GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep
    Multitask Networks*, algorithm 1. In the paper, lengths are those of the gradient of the last
    shared layer; here, of all shared parameters.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `alpha`: how strongly tasks that lag behind are favoured.
    - `lr`: the step size of the weights, which start at one.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.GradNorm(num_tasks=2).direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [2.0, 4.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    alpha: float | Float[Array, "..."] = 1.5
    lr: float | Float[Array, "..."] = 0.025

    def __check_init__(self):
        check_num_tasks("GradNorm", self.num_tasks)
        check_positive("GradNorm", lr=self.lr)
        check_not_negative("GradNorm", alpha=self.alpha)

    def init(self, model: Model) -> GradNormState:
        ones = blank(model, self.num_tasks, fill=1.0)
        return GradNormState(Learnt(ones), blank(model, self.num_tasks))

    def weigh(
        self,
        gramian: Float[Array, "tasks tasks"],
        stats: TaskStats,
        state: GradNormState,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "tasks"], GradNormState]:
        del key
        weights, first = recall(state.weights.value, stats), recall(state.first, stats)
        first = jnp.where(first == 0, stats.loss, first)
        share = even(stats.present).astype(weights.dtype)
        left = jnp.where(first == 0, 1, stats.loss / jnp.where(first == 0, 1, first))
        mean_left = (share * left).sum()
        rate = jnp.where(mean_left > 0, left / jnp.where(mean_left > 0, mean_left, 1), 1)
        norms = jnp.sqrt(jnp.diagonal(gramian))
        target = (share * weights * norms).sum() * rate**self.alpha
        slope = jnp.sign(weights * norms - target) * norms
        learnt = state.weights.step(slope, stats, lr=self.lr)
        value = _same_sum(learnt.value, weights, stats)
        learnt = eqx.tree_at(lambda learnt: learnt.value, learnt, value)
        return weights, GradNormState(learnt, renew(state.first, stats, first))


def _same_sum(
    new: Float[Array, "numbered"], old: Float[Array, "tasks"], stats: TaskStats
) -> Float[Array, "numbered"]:
    """New weights, none of them negative, scaled so that those of the present tasks have the same
    sum as the old ones."""
    before, present = by_number(old, stats, len(new))
    new = jnp.where(present, jnp.maximum(new, 0), new)
    total = jnp.where(present, new, 0).sum()
    scale = jnp.where(total > 0, before.sum() / jnp.where(total > 0, total, 1), 1)
    return jnp.where(present, scale * new, new)
