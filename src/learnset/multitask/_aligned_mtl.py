"""Gradients made orthogonal and equally long, with as little change as possible."""

import enum

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import one_over
from ._quadratic import product
from ._task_gradients import even


class AlignedScale(enum.Enum):
    """The length that `AlignedMTL` gives to gradients: the smallest singular value of their matrix,
    the median (the lower of two), or the root of the mean square."""

    MIN = "min"
    MEDIAN = "median"
    RMSE = "rmse"


class AlignedMTL(AbstractGramian):
    """Aligned-MTL: the mean of the gradients after all singular values of their matrix have been
    made equal, so that they are orthogonal and equally long. Linearly dependent gradients share
    what they span.

    Source: Senushkin et al. 2023, *Independent Component Alignment for Multi-Task Learning*, §4.2
    and algorithm 1; the other scales are those of the authors' code.

    **Arguments:**

    - `scale`: the length that gradients get.

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
        positive = values > len(values) * jnp.finfo(values.dtype).eps * values.max()
        rank = positive.sum()
        median = (len(values) - rank + (rank - 1) // 2).clip(0, len(values) - 1)
        mean = values.sum(where=positive) / jnp.maximum(rank, 1).astype(values.dtype)
        scales = {
            AlignedScale.MIN: values.min(where=positive, initial=jnp.inf),
            AlignedScale.MEDIAN: values[median],
            AlignedScale.RMSE: mean,
        }
        ratio = jnp.where(positive, scales[self.scale] / jnp.where(positive, values, 1), 0)
        factors = jnp.where(positive, jnp.sqrt(ratio), 0)
        share = even(present).astype(values.dtype)
        return product(vectors, factors * product(vectors.T, share))
