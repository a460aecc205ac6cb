"""Each task's gradient, without the part that conflicts with the others."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import one_over


class PCGrad(AbstractGramian):
    """PCGrad: the sum of the tasks' gradients, each of which has been projected, in random order,
    onto the normal plane of every gradient with which it was in conflict.

    Source: Yu et al. 2020, *Gradient Surgery for Multi-Task Learning*, algorithm 1.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.PCGrad().direction(jnp.array([[1.0, 0.0], [-1.0, 1.0]])).tolist()
    [0.5, 1.5]
    """

    loss: Loss = mse

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        del present  # an absent task conflicts with none: its products are zero
        tasks = jnp.arange(len(gramian))
        inverse = one_over(jnp.diagonal(gramian))

        def project(mixed: Array, other: Array) -> tuple[Array, None]:
            along = (gramian[other] * mixed).sum(axis=1)
            conflict = jnp.where(other == tasks, 0, jnp.minimum(along, 0))
            return mixed.at[tasks, other].add(-conflict * inverse[other]), None

        orders = jax.vmap(lambda key: jr.permutation(key, len(tasks)))(jr.split(key, len(tasks)))
        return lax.scan(project, jnp.eye(len(tasks), dtype=gramian.dtype), orders.T)[0].sum(axis=0)
