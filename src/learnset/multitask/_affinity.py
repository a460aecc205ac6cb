"""The affinity of tasks: which help and which hurt each other while they are learnt together."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    AbstractMethod,
    Batch,
    check_positive,
    for_task,
    Loss,
    Metrics,
    Model,
    State,
    Task,
    trainable,
)
from ._task_gradients import own_and_shared, shared_rows


class Observed(eqx.Module):
    """The state of `Affinity`: sums over observations, and the state of the method."""

    cosine: Float[Array, "tasks tasks"]
    lookahead: Float[Array, "tasks tasks"]
    looks: Int[Array, ""]
    step: Int[Array, ""]
    state: State


class Affinity(AbstractMethod):
    """Any method, with an observation of how tasks affect each other: every `every` steps, each
    task's gradient for the shared parameters is taken on given points, and two matrices are summed.

    - `cosine[i, j]`: the cosine of the angle between the gradients of tasks `i` and `j`. Below
      zero, the tasks are in conflict.
    - `lookahead[i, j]`: the fraction by which the loss of task `j` falls if the shared parameters
      take one step for task `i` alone, `1 - L_j(after) / L_j(before)`. Below zero, task `i` hurts
      task `j`. It is not symmetric.

    Training is that of the method. Afterwards, `method.mean(run.state)` gives both matrices as
    means over observations.

    Source: `lookahead` is the inter-task affinity of Fifty, Amid, Zhao, Yu, Anil & Finn 2021,
    *Efficiently Identifying Task Groupings for Multi-Task Learning*, eq. 1 and 2, with a step of
    plain gradient descent; `cosine` as in Yu et al. 2020, *Gradient Surgery for Multi-Task
    Learning*, §2.3.

    **Arguments:**

    - `method`: the method of training. `loss`: of a predictor on points.
    - `points`: points of the observed tasks, "tasks points ...". `index`: the numbers of these
      tasks.
    - `lr`: the step size of the lookahead. `every`: steps between two observations.

    >>> import jax.numpy as jnp, jax.random as jr, optax, learnset as ls
    >>> tasks = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=5, points=20, key=jr.key(0))
    >>> pooled, index = ls.Pooled(ls.mse), jnp.arange(5)
    >>> method = ls.multitask.Affinity(pooled, ls.mse, tasks.points, index, lr=0.01, every=2)
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> run = ls.train(method, model, tasks, optax.adam(1e-3), steps=4, key=jr.key(2))
    >>> cosine, lookahead = method.mean(run.state)
    >>> [round(float(c), 3) for c in jnp.diagonal(cosine)]
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    method: AbstractMethod
    loss: Loss
    points: Batch
    index: Int[Array, "tasks"]
    lr: float | Float[Array, "..."] = 0.1
    every: int = 50

    def __check_init__(self):
        check_positive("Affinity", lr=self.lr, every=self.every)

    def init(self, model: Model) -> Observed:
        zeros = jnp.zeros((len(self.index), len(self.index)))
        return Observed(zeros, zeros, jnp.asarray(0), jnp.asarray(0), self.method.init(model))

    def gradient(
        self, model: Model, tasks: Task, state: Observed, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Observed, Metrics]:
        def look() -> tuple[Array, Array, Array]:
            cosine, lookahead = self.observe(model)
            return state.cosine + cosine, state.lookahead + lookahead, state.looks + 1

        def pass_by() -> tuple[Array, Array, Array]:
            return state.cosine, state.lookahead, state.looks

        cosine, lookahead, looks = jax.lax.cond(state.step % self.every == 0, look, pass_by)
        grads, inner, metrics = self.method.gradient(model, tasks, state.state, key=key)
        return grads, Observed(cosine, lookahead, looks, state.step + 1, inner), metrics

    def observe(
        self, model: Model
    ) -> tuple[Float[Array, "tasks tasks"], Float[Array, "tasks tasks"]]:
        """Both matrices for the present model."""
        moving, fixed = trainable(model)

        def losses(part: PyTree) -> Float[Array, "tasks"]:
            whole = eqx.combine(part, fixed)
            return jax.vmap(lambda i, batch: self.loss(for_task(whole, i), batch))(
                self.index, self.points
            )

        def of_one(i: Array, batch: Batch) -> PyTree:
            return jax.grad(lambda part: self.loss(for_task(eqx.combine(part, fixed), i), batch))(
                moving
            )

        grads = jax.vmap(of_one)(self.index, self.points)
        own, shared = own_and_shared(moving)
        steps = own_and_shared(grads)[1]

        def after(step: PyTree) -> Float[Array, "tasks"]:
            return losses(
                eqx.combine(own, jax.tree.map(lambda p, g: p - self.lr * g, shared, step))
            )

        # One task's step at a time: all at once would hold the activations of tasks x tasks.
        ahead = jax.lax.map(after, steps)
        before = losses(moving)
        rows = shared_rows(grads)
        length = jnp.maximum(jnp.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
        unit = rows / length
        cosine = jnp.matmul(unit, unit.T, precision=jax.lax.Precision.HIGHEST)
        return cosine, 1 - ahead / jnp.maximum(before, 1e-30)[None]

    def mean(
        self, state: Observed
    ) -> tuple[Float[Array, "tasks tasks"], Float[Array, "tasks tasks"]]:
        """`cosine` and `lookahead` as means over observations."""
        looks = jnp.maximum(state.looks, 1)
        return state.cosine / looks, state.lookahead / looks
