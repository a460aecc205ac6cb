"""The best model during training, judged by points that are not trained on."""

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


class EarlyStoppingState(eqx.Module):
    """The state of `EarlyStopping`: the best parameters, their error, and the state of the
    method."""

    best: PyTree
    error: Float[Array, ""]
    step: Int[Array, ""]
    state: State


class EarlyStopping(AbstractMethod):
    """Any method, with early stopping: every `every` steps the loss on held-out points of all tasks
    is computed, in which each point counts the same, and the best model so far is kept. Training
    continues to its end; `best` then gives the best model:

        run = ls.train(method, model, tasks, optimiser, steps=1000, key=key)
        best = method.best(run.model, run.state)

    Source: Prechelt 1998, *Early Stopping - But When?*; here without a rule that would save the
    remaining steps.

    **Arguments:**

    - `method`: the method of training.
    - `held_out`: points of all tasks in their order, "tasks points ...". `loss`: the loss on them.
    - `every`: steps between two evaluations.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=5, points=20, key=jr.key(0))
    >>> method = ls.multitask.EarlyStopping(ls.Pooled(ls.mse), tasks.held_out, ls.mse, every=2)
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> run = ls.train(method, model, tasks, optax.adam(1e-3), steps=4, key=jr.key(2))
    >>> method.best(run.model, run.state).head.bias.shape
    (1,)
    """

    method: AbstractMethod
    held_out: Batch
    loss: Loss
    every: int = 50

    def __check_init__(self):
        check_positive("EarlyStopping", every=self.every)

    def init(self, model: Model) -> EarlyStoppingState:
        return EarlyStoppingState(
            trainable(model)[0], jnp.full((), jnp.inf), jnp.asarray(0), self.method.init(model)
        )

    def gradient(
        self, model: Model, tasks: Task, state: EarlyStoppingState, *, key: Key[Array, ""]
    ) -> tuple[PyTree, EarlyStoppingState, Metrics]:
        def look() -> tuple[PyTree, Float[Array, ""]]:
            error = held_out_loss(self.loss, model, self.held_out).astype(state.error.dtype)
            better = error < state.error
            moving = trainable(model)[0]
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), moving, state.best)
            return best, jnp.where(better, error, state.error)

        best, error = jax.lax.cond(
            state.step % self.every == 0, look, lambda: (state.best, state.error)
        )
        grads, inner, metrics = self.method.gradient(model, tasks, state.state, key=key)
        return grads, EarlyStoppingState(best, error, state.step + 1, inner), metrics

    def best(self, model: Model, state: EarlyStoppingState) -> Model:
        """The best model of all that were evaluated, including the last."""
        better = held_out_loss(self.loss, model, self.held_out) < state.error
        moving, fixed = trainable(model)
        return eqx.combine(
            jax.tree.map(lambda new, old: jnp.where(better, new, old), moving, state.best), fixed
        )


def held_out_loss(loss: Loss, model: Model, points: Batch) -> Float[Array, ""]:
    """The loss on points of all tasks, in which each point counts the same."""
    index = jnp.arange(len(points.weight))
    losses = jax.vmap(lambda i, batch: loss(for_task(model, i), batch))(index, points)
    share = points.weight.reshape(len(index), -1).sum(axis=1)
    return (share * losses).sum() / jnp.maximum(share.sum(), 1)
