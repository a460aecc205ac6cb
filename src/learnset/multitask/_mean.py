"""Equal weights for all tasks."""

from jaxtyping import Array, Float, Key

from ..core import Loss, mse, State
from ._balancer import AbstractScalarisation, TaskStats
from ._task_gradients import even


class Mean(AbstractScalarisation):
    """Mean: the mean of the losses of the present tasks. It is a baseline that is hard to beat if
    it is tuned as well as the others.

    Source: "unitary scalarisation" of Kurin et al. 2022, *In Defense of the Unitary Scalarization
    for Deep Multi-Task Learning*, up to the number of tasks.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.Mean().direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [1.0, 2.0]
    """

    loss: Loss = mse

    def weigh(
        self, stats: TaskStats, state: State, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], State]:
        del key
        return even(stats.present).astype(stats.loss.dtype), state
