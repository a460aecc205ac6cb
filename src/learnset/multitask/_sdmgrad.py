"""A direction that hurts no task, pulled towards the mean gradient."""

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, check_positive, InputError, Loss, Model, mse
from ._balancer import TaskStats
from ._cosines import one_over
from ._memory import blank, check_num_tasks, renew
from ._quadratic import product
from ._shares import to_simplex
from ._task_gradients import even
from ._two_batches import AbstractTwoBatches, recall_shares


class SDMGrad(AbstractTwoBatches):
    """SDMGrad, stochastic direction-oriented gradient descent: the shortest of all mixtures of
    gradients plus `strength` times the mean gradient. A strength of zero is `MGDA`, and a large one
    is the mean.

    The weights start from those of the last step and take `steps` of projected gradient descent
    with momentum, on the products of gradients of two independent batches, the support and the
    query sets, divided by the square of their mean length.

    Source: Xiao, Ban & Ji 2023, *Direction-oriented Multi-objective Learning: Simple and Provable
    Stochastic Algorithms*, algorithm 1; rates and `strength` are those of the authors' experiments.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `strength`: of the pull towards the mean gradient (λ).
    - `lr`, `momentum`, `steps`: of the descent.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    >>> ls.multitask.SDMGrad(num_tasks=2).direction(matrix).round(4).tolist()
    [0.5, 0.5]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    strength: float | Float[Array, "..."] = 0.3
    lr: float | Float[Array, "..."] = 10.0
    momentum: float | Float[Array, "..."] = 0.5
    steps: int = 20

    def __check_init__(self):
        check_num_tasks("SDMGrad", self.num_tasks)
        check_not_negative("SDMGrad", strength=self.strength, momentum=self.momentum)
        check_positive("SDMGrad", lr=self.lr, steps=self.steps)
        if isinstance(self.momentum, (int, float)) and self.momentum >= 1:
            raise InputError(
                f"SDMGrad: `momentum={self.momentum}`, but it must be below one, or steps grow"
                " without bound."
            )

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
        mean = even(stats.present).astype(gramian.dtype)
        length = mean @ jnp.sqrt(jnp.maximum(jnp.diagonal(gramian), 0))
        gramian = gramian * one_over(length) * one_over(length)

        def step(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            weights, velocity = carry
            velocity = self.momentum * velocity + product(gramian, weights + self.strength * mean)
            return to_simplex(weights - self.lr * velocity, stats.present), velocity

        start = recall_shares(state, stats), jnp.zeros_like(mean)
        weights = lax.fori_loop(0, self.steps, step, start)[0]
        return (weights + self.strength * mean) / (1 + self.strength), renew(state, stats, weights)
