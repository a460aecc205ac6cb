"""Dual balancing: logarithms of losses, and gradients of equal length."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..core import check_not_negative, InputError, Loss, Model, mse
from ._balancer import AbstractJacobian, TaskStats
from ._memory import blank, check_num_tasks, num_shared, recall, renew
from ._shares import inverses


class DBMTLState(eqx.Module):
    """The averaged gradients of the logarithm of each loss."""

    steps: Int[Array, ""]
    average: Float[Array, "numbered params"]


class DBMTL(AbstractJacobian):
    """DB-MTL, dual-balancing multi-task learning: the sum of the gradients of the logarithms of the
    losses, averaged over steps and all made as long as the longest. The units of a loss do not
    matter. Losses must be above zero.

    At step `t` the average keeps `beta / t ** beta_decay` of itself.

    Source: Lin et al. 2023, *Dual-Balancing for Multi-Task Learning*, algorithm 1; default rates
    are those of LibMTL. Parameters that single tasks own, such as heads, move by the gradient of
    the logarithm in the paper; here they move by that of the loss, as for all balancers on
    gradients.

    Its state is as large as tasks times shared parameters.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `beta`, `beta_decay`: how slowly gradients are averaged.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix, losses = jnp.array([[2.0, 0.0], [0.0, 4.0]]), jnp.array([1.0, 8.0])
    >>> ls.multitask.DBMTL(num_tasks=2, beta=0.0).direction(matrix, losses=losses).tolist()
    [2.0, 2.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    beta: float | Float[Array, "..."] = 0.9
    beta_decay: float | Float[Array, "..."] = 0.0

    def __check_init__(self):
        check_num_tasks("DBMTL", self.num_tasks)
        check_not_negative("DBMTL", beta=self.beta, beta_decay=self.beta_decay)
        if isinstance(self.beta, (int, float)) and self.beta >= 1:
            raise InputError(
                f"DBMTL: `beta={self.beta}`, but it is the part of an average that is kept: below"
                " one."
            )

    def init(self, model: Model) -> DBMTLState:
        return DBMTLState(jnp.asarray(0), blank(model, self.num_tasks, num_shared(model)))

    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: DBMTLState,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], DBMTLState]:
        del key
        keeps = self.beta / (state.steps + 1).astype(jacobian.dtype) ** self.beta_decay
        of_logs = inverses(stats.loss, stats.present)[:, None] * jacobian
        average = of_logs + keeps * (recall(state.average, stats) - of_logs)
        average = jnp.where(stats.present[:, None], average, 0)
        norms = jnp.linalg.norm(average, axis=1)
        lengthen = jnp.where(norms > 0, norms.max() / jnp.where(norms > 0, norms, 1), 0)
        return lengthen @ average, DBMTLState(state.steps + 1, renew(state.average, stats, average))
