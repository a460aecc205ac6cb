"""Weights by how far the tasks are from their optimum."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_positive, Loss, Model, mse
from ._balancer import AbstractJacobian, TaskStats
from ._memory import blank, by_number, check_num_tasks, num_shared, recall, renew
from ._shares import softmax


class ExcessMTLState(eqx.Module):
    """The sums of squared gradients, the first excess of each task (zero if there was none), and
    the logarithms of the weights."""

    squares: Float[Array, "numbered params"]
    first: Float[Array, "numbered"]
    log_weights: Float[Array, "numbered"]


class ExcessMTL(AbstractJacobian):
    """ExcessMTL: tasks weigh more the further they are from their optimum. Noisy labels change this
    excess risk less than the loss.

    The excess is estimated from a task's gradient alone, as `g · g / sqrt(sum of squares so far)`
    summed over the parameters, relative to its first value. Each step multiplies the weights by
    `exp(lr excess)`.

    Source: He et al. 2024, *Robust Multi-Task Learning with Excess Risks*, eqs. 6, 7 and 9; the
    `1e-7` that is added to the squares is that of its code. Its state is as large as tasks times
    shared parameters.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `lr`: the step size of the weights, which start equal.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix = jnp.array([[2.0, 0.0], [0.0, 4.0]])
    >>> ls.multitask.ExcessMTL(num_tasks=2).direction(matrix).round(6).tolist()
    [1.0, 2.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    lr: float | Float[Array, "..."] = 0.01

    def __check_init__(self):
        check_num_tasks("ExcessMTL", self.num_tasks)
        check_positive("ExcessMTL", lr=self.lr)

    def init(self, model: Model) -> ExcessMTLState:
        zero = blank(model, self.num_tasks)
        return ExcessMTLState(blank(model, self.num_tasks, num_shared(model)), zero, zero)

    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: ExcessMTLState,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], ExcessMTLState]:
        del key
        squares = recall(state.squares, stats) + jacobian**2
        excess = (jacobian**2 / jnp.sqrt(squares + 1e-7)).sum(axis=1)
        first = recall(state.first, stats)
        first = jnp.where(first == 0, excess, first)
        relative = jnp.where(first > 0, excess / jnp.where(first > 0, first, 1), 1)
        log_weights = recall(state.log_weights, stats) + self.lr * relative
        new = ExcessMTLState(
            renew(state.squares, stats, squares),
            renew(state.first, stats, first),
            _centred(renew(state.log_weights, stats, log_weights), state.log_weights, stats),
        )
        return softmax(log_weights, stats.present) @ jacobian, new


def _centred(
    new: Float[Array, "numbered"], old: Float[Array, "numbered"], stats: TaskStats
) -> Float[Array, "numbered"]:
    """New logarithms of weights, whose mean over the present tasks stays the same. Only their
    differences matter, and so they cannot grow without bound."""
    _, present = by_number(stats.loss, stats, len(new))
    share = present.astype(new.dtype) / jnp.maximum(present.sum(), 1).astype(new.dtype)
    return jnp.where(present, new - (share * (new - old)).sum(), new)
