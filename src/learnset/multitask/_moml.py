"""Weights under which a step of training is good for every task's fresh points."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import (
    AbstractMethod,
    check_positive,
    Loss,
    Metrics,
    mix,
    Model,
    mse,
    rows,
    Task,
    trainable,
)
from ._balancer import TaskStats
from ._bilevel import mean_of_present, query_only, support_only
from ._gramian import gramian_of
from ._memory import blank, check_num_tasks, Learnt, recall
from ._mgda import shortest
from ._shares import softmax
from ._task_gradients import in_batch, task_gradients


class MOML(AbstractMethod):
    """MOML, multi-objective meta-learning of task weights: moves the weights so that a step of
    training under them lowers the losses of all tasks on points that were not trained on, by `MGDA`
    on the gradients of the weights.

    In each step,

    1. the model takes a trial step of `inner_lr` against the support losses weighted by
       `softmax(logits)`;
    2. for each task, the slope by the logits of its query loss after that trial is computed
       exactly: it needs inner products of query gradients there with support gradients here, and no
       second derivatives;
    3. the logits take a step of Adam along the shortest convex combination of those slopes, each
       scaled to length one;
    4. the returned gradient is that of the support losses under the new weights.

    Source: Ye et al. 2021, *Multi-Objective Meta Learning*, algorithm 1 with one inner step, for
    task weights; unit lengths, Adam and defaults are those of its code in LibMTL, which trains on
    support and query sets together.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `lr`: the step size of the logits. `inner_lr`: the size of the trial step.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=5, points=20, key=jr.key(0))
    >>> method, model = ls.multitask.MOML(ls.mse, num_tasks=5), ls.MLP(1, 1, key=jr.key(1))
    >>> sorted(ls.train(method, model, tasks, optax.adam(1e-3), steps=2, key=jr.key(2)).metrics)
    ['loss', 'query_loss']
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    lr: float | Float[Array, "..."] = 1e-3
    inner_lr: float | Float[Array, "..."] = 0.1

    def __check_init__(self):
        check_num_tasks("MOML", self.num_tasks)
        check_positive("MOML", lr=self.lr, inner_lr=self.inner_lr)

    def init(self, model: Model) -> Learnt:
        return Learnt(blank(model, self.num_tasks))

    def gradient(
        self, model: Model, tasks: Task, state: Learnt, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Learnt, Metrics]:
        del key
        support, query = support_only(tasks), query_only(tasks)
        moving, fixed = trainable(model)
        losses, grads = task_gradients(self.loss, model, support)
        stats = TaskStats(losses, in_batch(support), tasks.index)
        weights = softmax(recall(state.value, stats), stats.present)
        ahead = jax.tree.map(lambda p, g: p - self.inner_lr * g, moving, mix(weights, grads))
        fresh, outward = task_gradients(self.loss, eqx.combine(ahead, fixed), query)
        by_weights = -self.inner_lr * rows(outward) @ rows(grads).T
        # Through the softmax.
        slopes = (by_weights - (by_weights @ weights)[:, None]) * weights[None]
        norms = jnp.linalg.norm(slopes, axis=1, keepdims=True)
        slopes = slopes / jnp.where(norms > 0, norms, 1)
        validated = in_batch(query)
        state = state.step(shortest(gramian_of(slopes), validated) @ slopes, stats, lr=self.lr)
        metrics = {
            "loss": mean_of_present(losses, stats.present),
            "query_loss": mean_of_present(fresh, validated),
        }
        return mix(softmax(recall(state.value, stats), stats.present), grads), state, metrics
