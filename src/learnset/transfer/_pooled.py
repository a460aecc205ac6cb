"""The mean of the tasks' losses."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import AbstractMethod, for_task, Loss, mean_gradient, Metrics, Model, mse, State, Task


class Pooled(AbstractMethod):
    """Pooled training: solves all tasks at once. Each loss has the same weight, and both support
    and query points are trained on. A task without any point in the batch does not count.

    With one model for all tasks this is the pretraining of transfer learning; with a model that has
    parts for each task (`SharedBody`) it is multi-task learning with uniform weights ("linear
    scalarisation"); with `Separate` models it is single-task learning.

    Source: Finn, Abbeel & Levine 2017, §5.1 ("pretraining on all of the tasks"); Caruana 1997.

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.Sinusoids().draw(25, ls.Split.TRAIN, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> grads, state, metrics = ls.Pooled(ls.mse).gradient(model, tasks, None, key=jr.key(2))
    >>> sorted(metrics)
    ['loss']
    """

    loss: Loss = mse

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        del key

        def of_one(model: Model, task: Task) -> Float[Array, ""]:
            return self.loss(for_task(model, task.index), task.points)

        present = jax.vmap(lambda task: task.points.weight.max() > 0)(tasks).astype(float)
        weight = present / jnp.maximum(present.sum(), 1)
        loss, grads = mean_gradient(of_one, model, tasks, weight)
        return grads, state, {"loss": loss}
