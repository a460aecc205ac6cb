"""Weights that make the next step good for fresh points."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import AbstractMethod, check_positive, Loss, Metrics, Model, mse, Task, trainable
from ._balancer import TaskStats
from ._bilevel import mean_there, query_only, support_only
from ._memory import blank, check_num_tasks, Learnt, recall
from ._task_gradients import in_batch, task_losses


class AutoLambda(AbstractMethod):
    """Learns a weight for each task by looking a step ahead: a task weighs more if a step along its gradient helps the
    primary tasks on points that were not trained on. Which tasks help which is thereby found out, not assumed.

    Each step,

    1. the model goes, on trial, a step of `inner_lr` against the weighted sum of the losses on the support sets;
    2. weights go a step of Adam against the slope of the primary tasks' summed loss on the query sets after that trial:
       for task `i` it is `-inner_lr` times the inner product of its support gradient with that loss's gradient;
    3. the gradient that is returned is that of the losses on the support sets, weighted anew.

    Source: Liu et al. 2022, *Auto-Lambda: Disentangling Dynamic Task Relationships*, §3.2 and algorithm 1. The slope, which
    is taken there by finite differences, is exact here and as cheap, by forward differentiation; the trial step knows
    nothing of the optimiser's momentum. Weights are free: they may go below zero.

    **Arguments:**

    - `num_tasks`: how many numbered tasks there are.
    - `lr`: the step size for the weights, which begin at `begin`. `inner_lr`: of the trial step.
    - `primary`: how much each numbered task's loss on fresh points matters; all the same, unless given.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=5, points=20, key=jr.key(0))
    >>> method, model = ls.multitask.AutoLambda(ls.mse, num_tasks=5), ls.MLP(1, 1, key=jr.key(1))
    >>> sorted(ls.train(method, model, tasks, optax.adam(1e-3), steps=2, key=jr.key(2)).metrics)
    ['loss', 'query_loss']
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    lr: float | Float[Array, "..."] = 1e-4
    inner_lr: float | Float[Array, "..."] = 0.1
    begin: float | Float[Array, "..."] = 0.1
    primary: Float[Array, "numbered"] | None = None

    def __check_init__(self):
        check_num_tasks("AutoLambda", self.num_tasks)
        check_positive("AutoLambda", lr=self.lr, inner_lr=self.inner_lr, begin=self.begin)

    def init(self, model: Model) -> Learnt:
        return Learnt(blank(model, self.num_tasks) + self.begin)

    def gradient(
        self, model: Model, tasks: Task, state: Learnt, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Learnt, Metrics]:
        del key
        support, query = support_only(tasks), query_only(tasks)
        moving, fixed = trainable(model)

        def losses_of(moving: PyTree, part: Task) -> Float[Array, "tasks"]:
            return task_losses(self.loss, eqx.combine(moving, fixed), part)

        losses, weighted = jax.vjp(lambda moving: losses_of(moving, support), moving)
        stats = TaskStats(losses, in_batch(support), tasks.index)
        slope = weighted(self._weights(state, stats))[0]
        ahead = jax.tree.map(lambda p, g: p - self.inner_lr * g, moving, slope)
        primary = jnp.ones_like(losses) if self.primary is None else recall(self.primary, stats)
        fresh, primary_sum = jax.vjp(lambda moving: losses_of(moving, query), ahead)
        outward = primary_sum(primary)[0]
        helps = jax.jvp(lambda moving: losses_of(moving, support), (moving,), (outward,))[1]
        state = state.step(-self.inner_lr * helps, stats, lr=self.lr)
        metrics = {
            "loss": mean_there(losses, stats.present),
            "query_loss": mean_there(fresh, in_batch(query)),
        }
        return weighted(self._weights(state, stats))[0], state, metrics

    def _weights(self, state: Learnt, stats: TaskStats) -> Float[Array, "tasks"]:
        return jnp.where(stats.present, recall(state.value, stats), 0)
