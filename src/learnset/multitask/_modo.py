"""Weights that follow an unbiased slope."""

import equinox as eqx
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, check_positive, Loss, Model, mse
from ._balancer import TaskStats
from ._memory import blank, check_num_tasks, renew
from ._quadratic import product
from ._shares import to_simplex
from ._two_batches import AbstractTwoBatches, recall_shares


class MoDo(AbstractTwoBatches):
    """MoDo, multi-objective gradient with double sampling: follows the weights of `MGDA` by one
    step of projected gradient descent at a time, whose slope is unbiased because it comes from two
    independent batches.

    The two batches are the support and the query sets. The weights take a step of `gamma` against
    `(J₁ J₂ᵀ + rho I) weights` and are projected back onto the simplex. Gradients are not scaled, so
    that the best rate depends on their length.

    Source: Chen et al. 2023, *Three-Way Trade-Off in Multi-Objective Learning: Optimization,
    Generalization and Conflict-Avoidance*, algorithm 2; default rates are those of TorchJD.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `gamma`: the step size of the weights.
    - `rho`: the pull towards equal weights.

    >>> import jax.numpy as jnp, learnset as ls
    >>> method = ls.multitask.MoDo(num_tasks=2, rho=0.0)
    >>> direction = method.direction(jnp.array([[1.0, 0.0], [0.0, 3.0]]))
    >>> [round(x, 3) for x in direction.tolist()]
    [0.7, 0.9]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    gamma: float | Float[Array, "..."] = 0.1
    rho: float | Float[Array, "..."] = 0.1

    def __check_init__(self):
        check_num_tasks("MoDo", self.num_tasks)
        check_positive("MoDo", gamma=self.gamma)
        check_not_negative("MoDo", rho=self.rho)

    def init(self, model: Model) -> Float[Array, "numbered"]:
        return blank(model, self.num_tasks, fill=1 / self.num_tasks)

    def weigh(
        self,
        gramian: Float[Array, "tasks tasks"],
        stats: TaskStats,
        state: Float[Array, "numbered"],
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "tasks"], Float[Array, "numbered"]]:
        del key
        old = recall_shares(state, stats)
        slope = product(gramian, old) + self.rho * old
        weights = to_simplex(old - self.gamma * slope, stats.present)
        return weights, renew(state, stats, weights)
