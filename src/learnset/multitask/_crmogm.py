"""The weights of another method, averaged over steps."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, InputError, Loss, Model, State
from ._balancer import AbstractWeighting, TaskStats
from ._memory import blank, check_num_tasks, recall, renew


class CRMOGMState(eqx.Module):
    """The averaged weights, which tasks already have one, and the state of the inner method."""

    weights: Float[Array, "numbered"]
    known: Float[Array, "numbered"]
    inner: State


class CRMOGM(AbstractWeighting):
    """CR-MOGM, correlation-reduced stochastic multi-objective gradient manipulation: the weights of
    another method, averaged over steps. The noise of a batch is in its weights and in its
    gradients; averaged weights correlate less with the gradients.

    Source: Zhou et al. 2022, *On the Convergence of Stochastic Multi-Objective Gradient
    Manipulation and Beyond*, algorithm 1. In the paper `alpha` may grow with the steps; here it is
    constant, with the usual value of moving averages.

    **Arguments:**

    - `method`: the method that weights tasks. Its weights of a task's first step are used as they
      are.
    - `num_tasks`: the number of numbered tasks.
    - `alpha`: the part of the old weights that is kept.

    **Raises:** `InputError` for an `alpha` that is not between zero and one.

    >>> import jax.numpy as jnp, learnset as ls
    >>> method = ls.multitask.CRMOGM(ls.MGDA(), num_tasks=2)
    >>> method.direction(jnp.array([[1.0, 0.0], [0.0, 1.0]])).round(4).tolist()
    [0.5, 0.5]
    """

    method: AbstractWeighting
    num_tasks: int = eqx.field(kw_only=True)
    alpha: float | Float[Array, "..."] = 0.9

    def __check_init__(self):
        check_num_tasks("CRMOGM", self.num_tasks)
        check_not_negative("CRMOGM", alpha=self.alpha)
        if isinstance(self.alpha, (int, float)) and self.alpha > 1:
            raise InputError(
                f"CRMOGM: `alpha={self.alpha}`, but it is the part of an average: at most 1."
            )

    # For type checkers, a callable field such as `loss` is a method.
    @property
    def loss(self) -> Loss:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.method.loss

    def init(self, model: Model) -> CRMOGMState:
        zero = blank(model, self.num_tasks)
        return CRMOGMState(zero, zero, self.method.init(model))

    def weigh(
        self,
        gramian: Float[Array, "tasks tasks"],
        stats: TaskStats,
        state: CRMOGMState,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "tasks"], CRMOGMState]:
        new, inner = self.method.weigh(gramian, stats, state.inner, key=key)
        old = jnp.where(recall(state.known, stats) > 0, recall(state.weights, stats), new)
        weights = new + self.alpha * (old - new)
        known = renew(state.known, stats, jnp.ones_like(new))
        return weights, CRMOGMState(renew(state.weights, stats, weights), known, inner)
