"""Gains that are shared by a chosen degree of fairness."""

from jaxtyping import Array, Bool, Float, Key

from ..core import check_not_negative, Loss, mse
from ._balancer import AbstractGramian
from ._fairness import fair_weights
from ._task_gradients import even


class FairGrad(AbstractGramian):
    """FairGrad: the weighted sum of gradients whose products with the gradients are fair to degree
    `alpha`. The larger it is, the more the task that gains least counts.

    The weights solve `G w = w ** (-1 / alpha)`: 0 is the mean, 1 is proportional fairness (the
    direction of Nash-MTL, not clipped), 2 minimises the mean delay, and a very large number is
    max-min fairness. The length of the direction is that of the equation; for one task it is the
    gradient, scaled to the length `|g| ** ((1 - alpha) / (1 + alpha))`.

    Source: Ban & Ji 2024, *Fair Resource Allocation in Multi-Task Learning*, algorithm 1; `alpha`
    is that of their code, which solves the equation by least squares.

    **Raises:** `InputError` for a negative `alpha`.

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
