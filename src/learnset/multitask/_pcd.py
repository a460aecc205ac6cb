"""A primary task first, as long as the others get their share."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, InputError, Loss, Model, mse
from ._balancer import AbstractWeighting, TaskStats
from ._cosines import cosines, one_over
from ._memory import blank, check_num_tasks, recall, renew
from ._quadratic import nonnegative_minimum, product


class PCDState(eqx.Module):
    """The averaged square of each task's gradient, and the number of its steps."""

    square: Float[Array, "numbered"]
    steps: Float[Array, "numbered"]


class PCD(AbstractWeighting):
    """PCD, priority-constrained descent: the primary task's gradient, changed as little as possible
    so that every other task gains at least the fraction `tau` of what its own gradient would give
    it. The direction is as long as the primary gradient.

    Gradients are first divided by the root of their squared lengths, averaged over steps. If it is
    impossible to give every task its share, the direction is the primary gradient. A batch without
    the primary task does not move the model.

    Source: *Not All Objectives Are Born Equal: Priority-Constrained Descent for Hierarchical
    Multi-Objective Optimization* (TMLR 2026), eq. 5 and appendix B.2. Theirs tries all sets of
    constraints; here the dual is solved.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `primary`: the index of the primary task.
    - `tau`: the fraction of progress, between zero and one.
    - `beta`: the part of the averaged squares that is kept, below one.
    - `eps`: is added to the averages.

    **Raises:** `InputError` for numbers outside of these ranges.

    >>> import jax.numpy as jnp, learnset as ls
    >>> direction = ls.multitask.PCD(num_tasks=2).direction(jnp.array([[3.0, 0.0], [0.0, 1.0]]))
    >>> [round(x, 2) for x in direction.tolist()]
    [3.0, 0.06]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    primary: int = 0
    tau: float | Float[Array, "..."] = 0.02
    beta: float | Float[Array, "..."] = 0.999
    eps: float | Float[Array, "..."] = 1e-8

    def __check_init__(self):
        check_num_tasks("PCD", self.num_tasks)
        check_not_negative("PCD", primary=self.primary, tau=self.tau, beta=self.beta, eps=self.eps)
        for name, value, most in (("tau", self.tau, 1), ("beta", self.beta, 1 - 1e-9)):
            if isinstance(value, (int, float)) and value > most:
                raise InputError(
                    f"PCD: `{name}={value}`, but it must be a fraction, and `beta` below one."
                )
        if self.primary >= self.num_tasks:
            raise InputError(
                f"PCD: `primary={self.primary}`, but tasks are numbered 0 to {self.num_tasks - 1}."
            )

    def init(self, model: Model) -> PCDState:
        return PCDState(blank(model, self.num_tasks), blank(model, self.num_tasks))

    def weigh(
        self,
        gramian: Float[Array, "tasks tasks"],
        stats: TaskStats,
        state: PCDState,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "tasks"], PCDState]:
        del key
        between, norms = cosines(gramian)
        steps = recall(state.steps, stats) + 1
        square = self.beta * recall(state.square, stats) + (1 - self.beta) * norms**2
        scale = one_over(jnp.sqrt(square / (1 - self.beta**steps) + self.eps))
        first = (stats.present & (stats.index == self.primary)).astype(norms.dtype)
        other = (1 - first) * (norms > 0).astype(norms.dtype)
        # In units of each scaled gradient: the part of its share that the primary gradient does not
        # give.
        lengths = scale * norms
        length = first @ lengths
        lacking = other * (self.tau * lengths - length * product(between, first))
        pairs = between * other[:, None] * other[None]
        relative = one_over(jnp.abs(lacking).max())
        added = nonnegative_minimum(pairs, -lacking * relative)
        given = (product(pairs, added) - lacking * relative).min() > -1e-3
        mixed = jnp.where(given, added, 0) * one_over(relative) + length * first
        norm = jnp.sqrt(jnp.maximum(mixed @ product(between, mixed), 0))
        lost = 4 * jnp.sqrt(jnp.finfo(norms.dtype).eps) * mixed.sum()
        weights = mixed * one_over(norms) * (first @ norms)
        weights = weights * one_over(jnp.where(norm > lost, norm, 0))
        state = PCDState(renew(state.square, stats, square), renew(state.steps, stats, steps))
        return weights, state
