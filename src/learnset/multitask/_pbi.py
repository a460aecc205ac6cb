"""Distances along a direction and away from it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, Loss, mse, State
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import recall


class PBI(AbstractScalarisation):
    """PBI, penalty-based boundary intersection: the distance of the losses along the direction of
    the preferences, plus `penalty` times their distance from it. A task that is ahead of the
    direction may get a negative weight: it gets worse until the others catch up.

    Source: Zhang & Li 2007, *MOEA/D: A Multiobjective Evolutionary Algorithm Based on
    Decomposition*, §II-C, and the `penalty` of its experiments. A distance from the direction below
    a millionth of the largest loss counts as zero, so that the slope exists.

    **Arguments:**

    - `penalty`: the weight of the distance from the direction.
    - `preference`: the direction, a number for each numbered task. Default: all equal.
    - `ideal`: the losses from which distances are measured. Default: zero.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix, losses = jnp.array([[3.0, 0.0], [0.0, 4.0]]), jnp.array([2.0, 1.0])
    >>> direction = ls.multitask.PBI().direction(matrix, losses=losses)
    >>> [round(float(x), 3) for x in direction]
    [12.728, -11.314]
    """

    loss: Loss = mse
    penalty: float | Float[Array, "..."] = 5.0
    preference: Float[Array, "numbered"] | None = None
    ideal: Float[Array, "numbered"] | None = None

    def __check_init__(self):
        check_not_negative("PBI", penalty=self.penalty)

    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        del key
        given = (
            jnp.ones_like(stats.loss) if self.preference is None else recall(self.preference, stats)
        )
        preference = jnp.where(stats.present, given, 0)
        direction = preference / jnp.sqrt(jnp.maximum((preference**2).sum(), 1e-12))
        ideal = 0 if self.ideal is None else recall(self.ideal, stats)
        largest = jnp.abs(stats.loss - ideal).max(where=stats.present, initial=0.0)
        scale = jnp.where(largest > 0, largest, 1)  # squares of unscaled losses could overflow

        def distance(losses: Float[Array, "tasks"]) -> Float[Array, ""]:
            scaled = jnp.where(stats.present, losses - ideal, 0) / scale
            along = (direction * scaled).sum()
            away = jnp.sqrt(jnp.maximum(((scaled - along * direction) ** 2).sum(), 1e-12))
            return scale * (along + self.penalty * away)

        return jax.grad(distance)(stats.loss), state
