"""Weights that are averaged over steps, whatever they come from."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, InputError, Loss, Model, State
from ._balancer import AbstractWeighting, TaskStats
from ._memory import blank, check_num_tasks, recall, renew


class CRMOGMState(eqx.Module):
    """The averaged weights, which tasks have one already, and the state of the method within."""

    weights: Float[Array, "numbered"]
    known: Float[Array, "numbered"]
    inner: State


class CRMOGM(AbstractWeighting):
    """Correlation-reduced stochastic multi-objective gradient manipulation: the weights of another method, averaged over
    steps. A batch's noise is in its weights and in its gradients; averaged weights correlate less with the gradients.

    Source: Zhou et al. 2022, *On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond*, algorithm 1.
    There `alpha` may grow with the steps; here it is one number, with the usual value of moving averages.

    **Arguments:**

    - `method`: weighs tasks; its weights of a task's first step are taken as they are.
    - `num_tasks`: how many numbered tasks there are.
    - `alpha`: how much of the old weights is kept.

    **Raises:** `InputError` for an `alpha` that is not between zero and one.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.multitask.CRMOGM(ls.MGDA(), num_tasks=2).direction(jnp.array([[1.0, 0.0], [0.0, 1.0]])).round(4).tolist()
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
                f"CRMOGM: `alpha={self.alpha}`, but an average cannot keep more than all: at most 1."
            )

    @property
    def loss(self) -> Loss:
        return self.method.loss

    def init(self, model: Model) -> CRMOGMState:
        return CRMOGMState(
            blank(model, self.num_tasks), blank(model, self.num_tasks), self.method.init(model)
        )

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
