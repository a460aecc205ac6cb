"""A weighted sum of losses that stays close to a direction."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, Loss, mse, State
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import recall


class COSMOS(AbstractScalarisation):
    """COSMOS: the sum of the losses times preferences, minus `penalty` times the cosine between
    losses and preferences. It pulls the losses towards the proportions of the preferences.

    Source: Ruchte & Grabocka 2021, *Scalable Pareto Front Approximation for Deep Multi-Objective
    Learning*, algorithm 1; whose `penalty` is between 0.01 and 8, depending on the data set. There,
    preferences are drawn at each step and are an input of the model, which learns the whole front;
    here they are fixed, and one point of the front is learnt.

    **Arguments:**

    - `penalty`: the strength of the pull towards the direction; zero is the weighted sum.
    - `preference`: a number for each numbered task. Default: all equal.

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
        # The cosine needs squares, which could overflow if losses were not scaled.
        scale = jnp.where(largest > 0, largest, 1)

        def scalar(losses: Float[Array, "tasks"]) -> Float[Array, ""]:
            scaled = jnp.where(stats.present, losses, 0) / scale
            cosine = (preference * scaled).sum() / (_length(preference) * _length(scaled))
            return (preference * losses).sum() - self.penalty * cosine

        return jax.grad(scalar)(stats.loss), state


def _length(vector: Float[Array, "tasks"]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.maximum((vector**2).sum(), 1e-12))
