"""Weights that were chosen beforehand."""

import equinox as eqx
from jaxtyping import Array, Float, Key

from ..core import Loss, mse, State
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import recall


class FixedWeights(AbstractScalarisation):
    """The sum of the tasks' losses, each times a number of its own that never changes: linear scalarisation.

    Source: Xin et al. 2022, *Do Current Multi-Task Optimization Methods in Deep Learning Even Help?*; it is what they
    tune, and find to reach all that balancers reach.

    **Arguments:**

    - `weights`: one for each numbered task.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.multitask.FixedWeights(ls.mse, weights=jnp.array([1.0, 0.5])).direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [2.0, 2.0]
    """

    loss: Loss = mse
    weights: Float[Array, "numbered"] = eqx.field(kw_only=True)

    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        del key
        return recall(self.weights, stats), state
