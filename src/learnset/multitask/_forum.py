"""Fresh points are fitted evenly, subject to training being solved."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Key, PyTree

from ..core import (
    AbstractMethod,
    check_positive,
    InputError,
    Loss,
    Metrics,
    Model,
    mse,
    rows,
    Task,
    trainable,
)
from ._balancer import TaskStats
from ._bilevel import mean_of_present, query_only, support_only
from ._gramian import gramian_of
from ._memory import blank, check_num_tasks, Learnt, recall, renew
from ._shares import softmax, to_simplex
from ._task_gradients import in_batch, task_gradients, task_losses

ITERATIONS = 300  # of accelerated projected gradient descent


class FORUMState(eqx.Module):
    """The logits of the training weights; the averages of the validation weights, and the number of
    steps that they average."""

    logits: Learnt
    mixture: Float[Array, "numbered"]
    count: Float[Array, "numbered"]


class FORUM(AbstractMethod):
    """FORUM, first-order bilevel balancing: lowers the losses on the query sets together, while the
    weighted sum of the losses on the support sets stays near its minimum. The weights of that sum
    are learnt as well.

    In each step,

    1. `steps` of gradient descent bring the training problem, the support losses weighted by
       `softmax(logits)`, closer to its solution; `q` is how much that lowers it, differentiated by
       logits and model with the solution held fixed;
    2. query gradients are scaled to length one, and their weights, which sum to one, are those of
       the shortest direction whose descent lowers `q` at a rate of at least `phi` times its squared
       slope: the dual of that quadratic problem is solved by accelerated projected gradient
       descent;
    3. those weights are averaged, a task's `k`-th with the rate `k ** -0.75`; the direction is the
       weighted sum of query gradients plus the slope of `q` times its multiplier, the smallest that
       keeps that rate;
    4. the logits take a step of Adam along their part of the direction; the rest is the returned
       gradient.

    Source: Ye et al. 2024, *A First-Order Multi-Gradient Algorithm for Multi-Objective Bi-Level
    Optimization*, algorithm 1; unit lengths, Adam and defaults are those of its code (LibMTL),
    which lowers the rate by epochs, not steps, and omits the factor of one half of the squares in
    the dual. Here a step that does not lower the training problem ends its descent; there it ends
    when the loss exceeds 100 000.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `lr`: the step size of the logits. `inner_lr`, `steps`: of the descent on the training
      problem.
    - `phi`: how fast training must approach its solution.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=5, points=20, key=jr.key(0))
    >>> method, model = ls.multitask.FORUM(ls.mse, num_tasks=5), ls.MLP(1, 1, key=jr.key(1))
    >>> sorted(ls.train(method, model, tasks, optax.adam(1e-3), steps=2, key=jr.key(2)).metrics)
    ['loss', 'query_loss']
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    lr: float | Float[Array, "..."] = 1e-3
    inner_lr: float | Float[Array, "..."] = 0.1
    steps: int = 5
    phi: float | Float[Array, "..."] = 0.1

    def __check_init__(self):
        check_num_tasks("FORUM", self.num_tasks)
        check_positive("FORUM", lr=self.lr, inner_lr=self.inner_lr, phi=self.phi)
        if not isinstance(self.steps, int) or self.steps < 1:
            raise InputError(
                f"FORUM: `steps={self.steps}`, but it must be a whole number, at least 1."
            )

    def init(self, model: Model) -> FORUMState:
        zero = blank(model, self.num_tasks)
        return FORUMState(Learnt(zero), zero, zero)

    def gradient(
        self, model: Model, tasks: Task, state: FORUMState, *, key: Key[Array, ""]
    ) -> tuple[PyTree, FORUMState, Metrics]:
        del key
        support, query = support_only(tasks), query_only(tasks)
        losses, of_logits, of_model = self._slope_of_gap(model, support, state)
        trained = TaskStats(losses, in_batch(support), tasks.index)
        fresh, grads = task_gradients(self.loss, model, query)
        validated = TaskStats(fresh, in_batch(query), tasks.index)
        matrix = rows(grads)
        norms = jnp.linalg.norm(matrix, axis=1, keepdims=True)
        matrix = matrix / jnp.where(norms > 0, norms, 1)
        slope, shaped = ravel_pytree(of_model)
        size = (slope**2).sum() + (of_logits**2).sum()
        pull = self.phi - matrix @ slope / jnp.where(size > 0, size, 1)
        weights = validation_weights(gramian_of(matrix), validated.present, pull, size)
        weights, state = self._averaged(weights, validated, state)
        multiplier = jnp.maximum((weights * pull).sum(), 0)
        logits = state.logits.step(multiplier * of_logits, trained, lr=self.lr)
        metrics = {
            "loss": mean_of_present(losses, trained.present),
            "query_loss": mean_of_present(fresh, validated.present),
        }
        return (
            shaped(weights @ matrix + multiplier * slope),
            FORUMState(logits, state.mixture, state.count),
            metrics,
        )

    def _slope_of_gap(
        self, model: Model, support: Task, state: FORUMState
    ) -> tuple[Float[Array, "tasks"], Float[Array, "tasks"], PyTree]:
        """The losses on the support sets, and the derivatives by logits and model of the gap
        between the training problem here and at its solution."""
        moving, fixed = trainable(model)
        present = in_batch(support)
        stats = TaskStats(present.astype(state.count.dtype), present, support.index)
        logits = recall(state.logits.value, stats)

        def problem(
            logits: Float[Array, "tasks"], moving: PyTree
        ) -> tuple[Float[Array, ""], Float[Array, "tasks"]]:
            losses = task_losses(self.loss, eqx.combine(moving, fixed), support)
            return (softmax(logits, present) * losses).sum(), losses

        def descend(_: int, carry: tuple[PyTree, Array, PyTree]) -> tuple[PyTree, Array, PyTree]:
            kept, least, ahead = carry
            (value, _), slope = jax.value_and_grad(problem, argnums=1, has_aux=True)(logits, ahead)
            better = value < least  # not so for NaN
            kept = jax.tree.map(lambda new, old: jnp.where(better, new, old), ahead, kept)
            return (
                kept,
                jnp.where(better, value, least),
                jax.tree.map(lambda p, g: p - self.inner_lr * g, kept, slope),
            )

        (of_logits, of_model), losses = jax.grad(problem, argnums=(0, 1), has_aux=True)(
            logits, moving
        )
        begin = (moving, jnp.full((), jnp.inf, losses.dtype), moving)
        solved = jax.lax.fori_loop(0, self.steps + 1, descend, begin)[0]
        return losses, of_logits - jax.grad(problem, has_aux=True)(logits, solved)[0], of_model

    def _averaged(
        self, weights: Float[Array, "tasks"], stats: TaskStats, state: FORUMState
    ) -> tuple[Float[Array, "tasks"], FORUMState]:
        count = recall(state.count, stats) + 1
        old = recall(state.mixture, stats)
        mixture = jnp.where(stats.present, old + count**-0.75 * (weights - old), 0)
        total = mixture.sum()
        even = jnp.where(total > 0, mixture / jnp.where(total > 0, total, 1), weights)
        return even, FORUMState(
            state.logits, renew(state.mixture, stats, mixture), renew(state.count, stats, count)
        )


def validation_weights(
    gramian: Float[Array, "tasks tasks"],
    present: Bool[Array, "tasks"],
    pull: Float[Array, "tasks"],
    size: Float[Array, ""],
) -> Float[Array, "tasks"]:
    """The weights `w` that sum to one and minimise `w · gramian w - size max(w · pull, 0)²`, by
    accelerated projected gradient descent. The subtracted term must be part of the length of the
    directions, so that the whole is convex."""
    # The subtracted term only flattens it, so that the largest row of the Gramian bounds the
    # curvature.
    bound = jnp.abs(gramian).sum(axis=1).max()
    rate = jnp.where(bound > 0, 1 / jnp.where(bound > 0, bound, 1), 0)

    def step(_: int, both: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        weights, ahead, momentum = both
        slope = gramian @ ahead - size * jnp.maximum((ahead * pull).sum(), 0) * pull
        new = to_simplex(ahead - rate * slope, present)
        overshot = ((ahead - new) * (new - weights)).sum() > 0
        momentum = jnp.where(overshot, 1, momentum)
        faster = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        return new, new + (momentum - 1) / faster * (new - weights), faster

    even = to_simplex(jnp.zeros_like(pull), present)
    return jax.lax.fori_loop(0, ITERATIONS, step, (even, even, jnp.ones((), pull.dtype)))[0]
