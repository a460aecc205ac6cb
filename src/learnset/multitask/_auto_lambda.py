"""Weights that are learnt by a look one step ahead."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import AbstractMethod, check_positive, Loss, Metrics, Model, mse, Task, trainable
from ._balancer import TaskStats
from ._bilevel import mean_of_present, query_only, support_only
from ._memory import blank, check_num_tasks, Learnt, recall
from ._task_gradients import in_batch, task_losses


class AutoLambda(AbstractMethod):
    """Auto-λ: learns a weight for each task by a look one step ahead. A task weighs more if a step
    along its gradient helps the primary tasks on points that were not trained on, so that which
    tasks help which is learnt, not assumed.

    In each step,

    1. the model takes a trial step of `inner_lr` against the weighted sum of the losses on the
       support sets;
    2. the weights take a step of Adam against the slope of the primary tasks' summed loss on the
       query sets after that trial, which for task `i` is `-inner_lr` times the inner product of its
       support gradient with the gradient of that loss;
    3. the returned gradient is that of the losses on the support sets under the new weights.

    Source: Liu et al. 2022, *Auto-Lambda: Disentangling Dynamic Task Relationships*, §3.2 and
    algorithm 1. The slope is by finite differences in the paper; here it is exact and as cheap, by
    forward differentiation. The trial step ignores the optimiser's momentum. Weights are not
    constrained: they may be negative.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `lr`: the step size of the weights, which start at `begin`. `inner_lr`: the size of the trial
      step.
    - `primary`: how much the loss of each numbered task on fresh points matters. Default: equally.

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
            "loss": mean_of_present(losses, stats.present),
            "query_loss": mean_of_present(fresh, in_batch(query)),
        }
        return weighted(self._weights(state, stats))[0], state, metrics

    def _weights(self, state: Learnt, stats: TaskStats) -> Float[Array, "tasks"]:
        return jnp.where(stats.present, recall(state.value, stats), 0)
