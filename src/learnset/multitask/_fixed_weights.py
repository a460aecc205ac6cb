"""Weights that are chosen beforehand."""

import equinox as eqx
from jaxtyping import Array, Float, Key

from ..core import Loss, mse, State
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import recall


class FixedWeights(AbstractScalarisation):
    """Linear scalarisation: the sum of the tasks' losses, each times a constant weight.

    Source: Xin et al. 2022, *Do Current Multi-Task Optimization Methods in Deep Learning Even
    Help?*; they tune it, and find that it reaches all that balancers reach.

    **Arguments:**

    - `weights`: a weight for each numbered task.

    >>> import jax.numpy as jnp, learnset as ls
    >>> method = ls.multitask.FixedWeights(weights=jnp.array([1.0, 0.5]))
    >>> method.direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [2.0, 2.0]
    """

    loss: Loss = mse
    weights: Float[Array, "numbered"] = eqx.field(kw_only=True)

    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        del key
        return recall(self.weights, stats), state
