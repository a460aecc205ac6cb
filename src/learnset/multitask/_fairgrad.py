"""Gains shared out by a chosen idea of fairness."""

from jaxtyping import Array, Bool, Float, Key

from ..core import check_not_negative, Loss, mse
from ._balancer import AbstractGramian
from ._fairness import fair_weights
from ._task_gradients import even


class FairGrad(AbstractGramian):
    """The weighted sum of gradients whose products with the gradients are fair to degree `alpha`: the larger, the more counts
    the task that gains least.

    The weights solve `G w = w ** (-1 / alpha)`: 0 is the mean, 1 shares in proportion (Nash-MTL's direction, uncut), 2 makes
    the mean delay least, and a very large number is fair as max-min is. The direction's length is what the equation says,
    for one task too: the gradient, to length `|g| ** ((1 - alpha) / (1 + alpha))`.

    Source: Ban & Ji 2024, *Fair Resource Allocation in Multi-Task Learning*, algorithm 1; `alpha` is that of their
    program. Theirs solves by least squares of the equation.

    **Raises:** `InputError` for an `alpha` below zero.

    >>> import jax.numpy as jnp, learnset as ls
    >>> direction = ls.multitask.FairGrad(alpha=1.0).direction(jnp.array([[5.0, 0.0], [0.0, 90.0]]))
    >>> [round(x, 3) for x in direction.tolist()]
    [1.0, 1.0]
    """

    loss: Loss = mse
    alpha: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_not_negative("FairGrad", alpha=self.alpha)

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        del key
        if isinstance(self.alpha, (int, float)) and self.alpha == 0:
            return even(present).astype(gramian.dtype)
        return fair_weights(gramian, 1 / self.alpha)
