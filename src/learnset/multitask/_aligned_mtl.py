"""Gradients made orthogonal and of one length, with as little change as can be."""

import enum

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import one_over
from ._quadratic import product
from ._task_gradients import even


class AlignedScale(enum.Enum):
    """How long `AlignedMTL` makes gradients: as the smallest singular value of their matrix, the median one (the lower one of
    two), or the root of the mean square."""

    MIN = "min"
    MEDIAN = "median"
    RMSE = "rmse"


class AlignedMTL(AbstractGramian):
    """The mean of the gradients after all singular values of their matrix have been made equal: they are orthogonal then, and
    of one length. Linearly dependent gradients share what they span.

    Source: Senushkin et al. 2023, *Independent Component Alignment for Multi-Task Learning*, §4.2 and algorithm 1; the other
    scales are those of the authors' program.

    **Arguments:**

    - `scale`: which length gradients get.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.multitask.AlignedMTL().direction(jnp.array([[2.0, 0.0], [0.0, 8.0]])).round(4).tolist()
    [1.0, 1.0]
    """

    loss: Loss = mse
    scale: AlignedScale = AlignedScale.MIN

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        del key
        largest = one_over(jnp.diagonal(gramian).max())
        values, vectors = jnp.linalg.eigh(gramian * largest)  # from the smallest to the largest
        there = values > len(values) * jnp.finfo(values.dtype).eps * values.max()
        rank = there.sum()
        scales = {
            AlignedScale.MIN: values.min(where=there, initial=jnp.inf),
            AlignedScale.MEDIAN: values[
                (len(values) - rank + (rank - 1) // 2).clip(0, len(values) - 1)
            ],
            AlignedScale.RMSE: values.sum(where=there) / jnp.maximum(rank, 1).astype(values.dtype),
        }
        factors = jnp.where(
            there,
            jnp.sqrt(jnp.where(there, scales[self.scale] / jnp.where(there, values, 1), 0)),
            0,
        )
        mean = even(present).astype(values.dtype)
        return product(vectors, factors * product(vectors.T, mean))
