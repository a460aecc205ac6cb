"""Each task's gradient, rotated until it hurts no task."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import cosines, one_over
from ._quadratic import nonnegative_minimum
from ._task_gradients import even


class UPGrad(AbstractGramian):
    """UPGrad: the mean of the tasks' gradients, each projected onto the directions along which no
    task gets worse (the dual cone of all gradients).

    It hurts no task, and it is linear in the scale of each gradient: a task whose loss is doubled
    counts twice, but its conflicts do not.

    Source: Quinton & Rey 2024, *Jacobian Descent for Multi-Objective Optimization*, §3.1 and
    proposition 1.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.UPGrad().direction(jnp.array([[1.0, 0.0], [-1.0, 1.0]])).round(4).tolist()
    [0.25, 0.75]
    """

    loss: Loss = mse

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        del key
        between, norms = cosines(gramian)
        added = jax.vmap(lambda row: nonnegative_minimum(between, row))(between)
        projected = jnp.eye(len(norms), dtype=norms.dtype) + added
        mean = even(present).astype(norms.dtype)
        # Norms are divided before they are summed, because only their quotients may be
        # representable.
        return (mean[:, None] * projected * norms[:, None] * one_over(norms)[None]).sum(axis=0)
