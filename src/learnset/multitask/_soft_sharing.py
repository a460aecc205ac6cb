"""A model for each task, pulled together."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import AbstractMethod, check_not_negative, Loss, Metrics, Model, mse, State, Task
from ._task_gradients import task_losses


class SoftSharing(AbstractMethod):
    """Soft sharing: the pooled loss plus penalties that pull each task's parameters to zero or to
    the mean of the tasks' parameters.

    The model is `Separate`: one model for each task. With both penalties zero, every task is learnt
    alone.

    Source: Evgeniou & Pontil 2004, *Regularized Multi-Task Learning*, eq. 8 (pull to the mean); as
    baselines of meta-learning in Finn, Abbeel & Levine 2017, appendix C, table 2 ("multi-task": no
    penalty, l2, to the mean).

    **Arguments:**

    - `to_zero`: the weight of the mean over tasks of the squared norm of the parameters.
    - `to_mean`: the weight of the mean over tasks of the squared distance to the mean of all tasks'
      parameters.

    >>> import jax.random as jr, optax, learnset as ls
    >>> model = ls.models.separate(lambda key: ls.MLP(1, 1, key=key), 30, key=jr.key(0))
    >>> tasks = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=30, points=20, key=jr.key(1))
    >>> method = ls.SoftSharing(ls.mse, to_mean=0.01)
    >>> run = ls.train(method, model, tasks, optax.adam(1e-3), steps=2, key=jr.key(2))
    >>> sorted(run.metrics)
    ['loss']
    """

    loss: Loss = mse
    to_zero: float | Float[Array, "..."] = 0.0
    to_mean: float | Float[Array, "..."] = 0.0

    def __check_init__(self):
        check_not_negative("SoftSharing", to_zero=self.to_zero, to_mean=self.to_mean)

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        del key

        @eqx.filter_value_and_grad(has_aux=True)
        def penalised(model: Model) -> tuple[Float[Array, ""], Float[Array, ""]]:
            loss = task_losses(self.loss, model, tasks).mean()
            return loss + self._penalty(model.models), loss

        (_, loss), grads = penalised(model)
        return grads, state, {"loss": loss}

    def _penalty(self, models: PyTree) -> Float[Array, ""]:
        leaves = [leaf for leaf in jax.tree.leaves(models) if eqx.is_inexact_array(leaf)]
        size = sum((leaf**2).sum() for leaf in leaves) / len(leaves[0])
        distances = (leaf - leaf.mean(axis=0, keepdims=True) for leaf in leaves)
        spread = sum((distance**2).sum() for distance in distances) / len(leaves[0])
        return jnp.asarray(self.to_zero * size + self.to_mean * spread)
