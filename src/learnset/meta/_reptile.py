"""Meta-learning by moving towards the parameters that training on each task ends at."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    AbstractIterativeAdapter,
    AbstractMethod,
    Batch,
    check_positive,
    for_task,
    InputError,
    Loss,
    mean_in_tiles,
    Metrics,
    Model,
    mse,
    Predictor,
    State,
    Task,
    trainable,
)
from ..transfer import FineTune


class Reptile(AbstractMethod, AbstractIterativeAdapter):
    """Reptile: trains on each task for some steps, and moves the initialisation towards the end
    point. It needs no second derivatives and no split into support and query: all points of a task
    are trained on.

    The gradient is `(start - end) / inner_lr`, averaged over tasks, for any optimiser. With one
    step over all points it is exactly the pooled gradient.

    Source: Nichol, Achiam & Schulman 2018, *On First-Order Meta-Learning Algorithms*, §3 and (for
    its use in Adam) §2.

    **Arguments:**

    - `inner_lr`, `steps`: of the gradient descent on a task.
    - `points`: number of points of the task in each step, which goes through all of them in random
      order; `None` for all of them at once. Steps on different points cause the second-order effect
      of the method (§5.1 there).

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.Sinusoids().draw(25, ls.Split.TRAIN, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> grads, _, metrics = ls.Reptile(ls.mse).gradient(model, tasks, None, key=jr.key(2))
    """

    loss: Loss = mse
    inner_lr: float | Float[Array, "..."] = 0.02
    steps: int = 5
    points: int | None = 10

    def __check_init__(self):
        check_positive("Reptile", inner_lr=self.inner_lr)
        if self.steps < 1 or (self.points is not None and self.points < 1):
            raise InputError(
                f"Reptile: `steps={self.steps}`, `points={self.points}`, but both must be at least"
                " 1."
            )

    @property
    def adapter(self) -> FineTune:
        return FineTune(self.loss, self.inner_lr, self.steps)

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.adapter.adapt(model, support)

    def trace(self, model: Model, support: Batch, observe) -> PyTree:
        return self.adapter.trace(model, support, observe)

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        moving, fixed = trainable(model)

        def towards(item: tuple[Task, Key[Array, ""]]) -> tuple[PyTree, Float[Array, ""]]:
            task, key = item
            points, size = _shuffled(task.points, key), self.points or len(task.points.weight)

            def step(part: PyTree, number: Int[Array, ""]) -> tuple[PyTree, Float[Array, ""]]:
                some = points
                if size < len(points.weight):
                    # In turn through the shuffled points, and again from the start after the last.
                    at = (number * size + jnp.arange(size)) % len(points.weight)
                    some = jax.tree.map(lambda leaf: leaf[at], points)
                loss, grads = jax.value_and_grad(self._task_loss)(part, fixed, task.index, some)
                return jax.tree.map(lambda p, g: p - self.inner_lr * g, part, grads), loss

            end, losses = jax.lax.scan(step, moving, jnp.arange(self.steps))
            return jax.tree.map(lambda a, b: (a - b) / self.inner_lr, moving, end), losses[0]

        grads, loss = mean_in_tiles(towards, (tasks, jr.split(key, len(tasks.index))))
        return grads, state, {"loss": loss}

    def _task_loss(
        self, moving: PyTree, fixed: PyTree, index: Array, batch: Batch
    ) -> Float[Array, ""]:
        return self.loss(for_task(eqx.combine(moving, fixed), index), batch)


def _shuffled(batch: Batch, key: Key[Array, ""]) -> Batch:
    """The points in random order."""
    order = jr.permutation(key, len(batch.weight))
    return jax.tree.map(lambda leaf: leaf[order], batch)
