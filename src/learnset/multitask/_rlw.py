"""Random weights."""

import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import Loss, mse, State
from ._balancer import AbstractScalarisation, TaskStats
from ._shares import softmax


class RLW(AbstractScalarisation):
    """RLW, random loss weighting: new weights at each step, the softmax of standard normal numbers.
    It is a control that other balancers should beat, and often do not.

    Source: Lin et al. 2022, *Reasonable Effectiveness of Random Weighting: A Litmus Test for
    Multi-Task Learning*, algorithm 2.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> round(float(ls.multitask.RLW().direction(jnp.eye(2), key=jr.key(0)).sum()), 6)
    1.0
    """

    loss: Loss = mse

    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        return softmax(jr.normal(key, stats.loss.shape, stats.loss.dtype), stats.present), state
