"""A weighted sum of losses that keeps to a direction."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, Loss, mse, State
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import recall


class COSMOS(AbstractScalarisation):
    """The sum of the losses times preferences, minus `penalty` times the cosine between losses and preferences: tasks are
    pulled towards losses in the proportions of the preferences.

    Source: Ruchte & Grabocka 2021, *Scalable Pareto Front Approximation for Deep Multi-Objective Learning*, algorithm 1; its
    `penalty` goes from 0.01 to 8, by data set. There new preferences are drawn at each step and the model is told them, so
    as to learn the whole front; here they are given, and one point of it is learnt.

    **Arguments:**

    - `penalty`: how strongly the direction is kept to; zero for the weighted sum.
    - `preference`: one for each numbered task; equal, unless given.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.multitask.COSMOS(penalty=0.0).direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [2.0, 4.0]
    """

    loss: Loss = mse
    penalty: float | Float[Array, "..."] = 1.0
    preference: Float[Array, "numbered"] | None = None

    def __check_init__(self):
        check_not_negative("COSMOS", penalty=self.penalty)

    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        del key
        given = (
            jnp.ones_like(stats.loss) if self.preference is None else recall(self.preference, stats)
        )
        preference = jnp.where(stats.present, given, 0)
        largest = jnp.abs(stats.loss).max(where=stats.present, initial=0.0)
        scale = jnp.where(
            largest > 0, largest, 1
        )  # the cosine needs squares, which of losses as they are could overflow

        def scalar(losses: Float[Array, "tasks"]) -> Float[Array, ""]:
            scaled = jnp.where(stats.present, losses, 0) / scale
            cosine = (preference * scaled).sum() / (_length(preference) * _length(scaled))
            return (preference * losses).sum() - self.penalty * cosine

        return jax.grad(scalar)(stats.loss), state


def _length(vector: Float[Array, "tasks"]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.maximum((vector**2).sum(), 1e-12))
