"""Learnt weights that make gradients about equally long."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, check_positive, Loss, Model, mse
from ._balancer import AbstractWeighting, TaskStats
from ._memory import blank, by_number, check_num_tasks, Learnt, recall, renew
from ._task_gradients import even


class GradNormState(eqx.Module):
    """Weights, and the first loss of each task; zero where none was seen."""

    weights: Learnt
    first: Float[Array, "numbered"]


class GradNorm(AbstractWeighting):
    """Learns weights under which the gradients of all tasks are about equally long, those of tasks that lag behind longer.

    How long the weighted gradient of a task should be is the mean length times `r ** alpha`, where `r` is what is left of
    the task's first loss, relative to the other tasks. Weights move against the slope of the absolute difference, by Adam;
    they stay at zero or above, and the sum over the tasks that are there is kept.

    Source: Chen et al. 2018, *GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks*,
    algorithm 1. There lengths are those of the gradient of the last shared layer; here of all that tasks share.

    **Arguments:**

    - `num_tasks`: how many numbered tasks there are.
    - `alpha`: how strongly tasks that lag behind are favoured.
    - `lr`: the step size for the weights, which begin at one.

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
        return GradNormState(
            Learnt(blank(model, self.num_tasks, fill=1.0)), blank(model, self.num_tasks)
        )

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
        kept = eqx.tree_at(
            lambda learnt: learnt.value, learnt, _same_sum(learnt.value, weights, stats)
        )
        return weights, GradNormState(kept, renew(state.first, stats, first))


def _same_sum(
    new: Float[Array, "numbered"], old: Float[Array, "tasks"], stats: TaskStats
) -> Float[Array, "numbered"]:
    """New weights, none below zero, scaled so that those of the tasks that are there sum to what the old ones do."""
    before, there = by_number(old, stats, len(new))
    new = jnp.where(there, jnp.maximum(new, 0), new)
    total = jnp.where(there, new, 0).sum()
    scale = jnp.where(total > 0, before.sum() / jnp.where(total > 0, total, 1), 1)
    return jnp.where(there, scale * new, new)
