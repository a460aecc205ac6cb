"""The gradients with the nearest neighbours."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import check_not_negative, InputError, Loss, mse
from ._balancer import AbstractGramian
from ._cosines import one_over


class Krum(AbstractGramian):
    """Krum: the mean of the gradients whose nearest neighbours are nearest, so that outliers do not
    count.

    The score of a gradient is the sum of squared distances to its `tasks - num_wrong - 2` nearest
    neighbours (at least one).

    Source: Blanchard et al. 2017, *Machine Learning with Adversaries: Byzantine Tolerant Gradient
    Descent*, §4; with more than one selected, multi-Krum, §6.

    **Arguments:**

    - `num_wrong`: the number of tasks that may have arbitrarily wrong gradients. There must be at
      least three more tasks than that.
    - `num_selected`: the number of gradients in the mean; all present ones, if they are fewer.

    **Raises:** `InputError` for a negative number, none selected, or, in use, too few tasks for
    `num_wrong`.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix = jnp.array([[1.0, 0.0], [1.0, 0.1], [0.9, 0.0], [-50.0, 7.0]])
    >>> ls.multitask.Krum(num_wrong=1).direction(matrix).tolist()
    [1.0, 0.0]
    """

    loss: Loss = mse
    num_wrong: int = 0
    num_selected: int = 1

    def __check_init__(self):
        check_not_negative("Krum", num_wrong=self.num_wrong)
        if self.num_selected < 1:
            raise InputError(
                f"Krum: `num_selected={self.num_selected}`, but it must be at least 1."
            )

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        del key
        size = len(gramian)
        if self.num_wrong > 0 and size < self.num_wrong + 3:
            raise InputError(
                f"Krum: `num_wrong={self.num_wrong}` of {size} tasks, but there must be at least"
                " three more tasks. Lower `num_wrong`, or train on more tasks in each step."
            )
        count, ranks = present.sum(), jnp.arange(size)
        gramian = gramian * one_over(jnp.diagonal(gramian).max())
        squares = jnp.diagonal(gramian)
        distances = jnp.maximum(squares[:, None] + squares[None] - 2 * gramian, 0)
        others = present[:, None] & present[None] & (ranks[:, None] != ranks[None])
        nearest = jnp.sort(jnp.where(others, distances, jnp.inf), axis=1)
        among = (ranks < jnp.maximum(count - self.num_wrong - 2, 1))[None] & jnp.isfinite(nearest)
        scores = jnp.where(present, jnp.where(among, nearest, 0).sum(axis=1), jnp.inf)
        selected = jnp.minimum(self.num_selected, count)
        best = jnp.argsort(jnp.argsort(scores)) < selected
        return best.astype(gramian.dtype) / jnp.maximum(selected, 1).astype(gramian.dtype)
