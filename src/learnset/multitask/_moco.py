"""Tracked gradients, against the bias from small batches."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..core import check_not_negative, check_positive, Loss, Model, mse
from ._balancer import AbstractJacobian, TaskStats
from ._gramian import gramian_of
from ._memory import blank, check_num_tasks, num_shared, recall, renew
from ._shares import to_simplex


class MoCoState(eqx.Module):
    """The tracked gradient and the weight of each task."""

    steps: Int[Array, ""]
    tracked: Float[Array, "numbered params"]
    weights: Float[Array, "numbered"]


class MoCo(AbstractJacobian):
    """MoCo, multi-objective gradient correction: follows the weights of `MGDA` slowly, on gradients
    that are averaged over steps, so that the noise of small batches does not bias them.

    At step `t` the tracked gradient `y` of a task moves `beta / t ** beta_decay` of the way to its
    new gradient. The weights take a step of `gamma / t ** gamma_decay` against the slope of
    `weights (Y Yᵀ + rho I) weights / 2` and are projected back onto the simplex. The direction is
    the weighted sum of tracked gradients.

    Source: Fernando et al. 2023, *Mitigating Gradient Bias in Multi-objective Learning: A Provably
    Convergent Approach*, algorithm 1; default rates are those of LibMTL, which also scales
    gradients to the length of the loss and uses a softmax instead of the projection; neither is
    done here.

    Its state is as large as tasks times shared parameters.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `beta`, `beta_decay`: how fast gradients are tracked.
    - `gamma`, `gamma_decay`: how fast the weights move.
    - `rho`: the pull towards equal weights.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    >>> ls.multitask.MoCo(num_tasks=2, beta=1.0).direction(matrix).tolist()
    [0.5, 0.5]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    beta: float | Float[Array, "..."] = 0.5
    beta_decay: float | Float[Array, "..."] = 0.5
    gamma: float | Float[Array, "..."] = 0.1
    gamma_decay: float | Float[Array, "..."] = 0.5
    rho: float | Float[Array, "..."] = 0.0

    def __check_init__(self):
        check_num_tasks("MoCo", self.num_tasks)
        check_positive("MoCo", beta=self.beta, gamma=self.gamma)
        check_not_negative(
            "MoCo", beta_decay=self.beta_decay, gamma_decay=self.gamma_decay, rho=self.rho
        )

    def init(self, model: Model) -> MoCoState:
        tracked = blank(model, self.num_tasks, num_shared(model))
        weights = blank(model, self.num_tasks, fill=1 / self.num_tasks)
        return MoCoState(jnp.asarray(0), tracked, weights)

    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: MoCoState,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], MoCoState]:
        del key
        step = (state.steps + 1).astype(jacobian.dtype)
        beta, gamma = self.beta / step**self.beta_decay, self.gamma / step**self.gamma_decay
        old = recall(state.tracked, stats)
        tracked = jnp.where(stats.present[:, None], old + beta * (jacobian - old), 0)
        weights = recall(state.weights, stats)
        weights = weights - gamma * (gramian_of(tracked) @ weights + self.rho * weights)
        weights = to_simplex(weights, stats.present)
        new = MoCoState(
            state.steps + 1,
            renew(state.tracked, stats, tracked),
            renew(state.weights, stats, weights),
        )
        return weights @ tracked, new
