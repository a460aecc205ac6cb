"""The shortest weighted mean of the gradients."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import cosines, one_over
from ._quadratic import nonnegative_minimum


class MGDA(AbstractGramian):
    """MGDA: the shortest convex combination of the tasks' gradients, which is zero if no direction
    helps all of them.

    Its product with each task's gradient is at least its own squared length, so that no task gets
    worse.

    Source: Désidéri 2012, *Multiple-gradient descent algorithm (MGDA) for multiobjective
    optimization*, §2; for neural networks Sener & Koltun 2018, *Multi-Task Learning as
    Multi-Objective Optimization*, eq. 3. Theirs approaches the weights by Frank-Wolfe steps; here
    they are solved for.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.MGDA().direction(jnp.array([[1.0, 1.0], [3.0, -1.0]])).round(4).tolist()
    [1.0, 1.0]
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
        return shortest(gramian, present)


def shortest(
    gramian: Float[Array, "tasks tasks"], present: Bool[Array, "tasks"]
) -> Float[Array, "tasks"]:
    """The weights of the shortest convex combination, zero for absent tasks.

    With an additional square, `½ w'Gw + ½ (a'w - 1)²`, the weights only have to be non-negative,
    and the solution is the required one up to its sum (Wolfe 1976, *Finding the nearest point in a
    polytope*, §4).

    >>> import jax.numpy as jnp
    >>> shortest(jnp.array([[1.0, 0.0], [0.0, 3.0]]), jnp.array([True, True])).round(4).tolist()
    [0.75, 0.25]
    """
    between, norms = cosines(gramian)
    least = jnp.where(present, norms, jnp.inf).min()
    # The part of a gradient that is one unit of its direction. A zero gradient alone is the
    # solution.
    share = jnp.where(present, jnp.where(norms > 0, least * one_over(norms), 1), 0)
    unit = share * one_over(jnp.sqrt(share @ share))
    weights = share * nonnegative_minimum(between + unit[:, None] * unit[None], -unit)
    return weights * one_over(weights.sum())
