"""The Gramian of unit gradients, in which no task is larger than another."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def cosines(
    gramian: Float[Array, "tasks tasks"],
) -> tuple[Float[Array, "tasks tasks"], Float[Array, "tasks"]]:
    """The cosines between gradients, and the norm of each. Rows and columns of zero gradients are
    zero.

    Solvers work on cosines, so that gradients of 1e-10 and of 1e15 make no difference to them.

    >>> import jax.numpy as jnp
    >>> cosines(jnp.array([[4.0, 3.0], [3.0, 9.0]]))[0].tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    norms = jnp.sqrt(jnp.maximum(jnp.diagonal(gramian), 0))
    inverse = one_over(norms)
    # One factor at a time: the product of two norms may overflow where their quotients do not.
    between = jnp.clip(gramian * inverse[:, None] * inverse[None], -1, 1)
    return jnp.where(
        jnp.eye(len(norms), dtype=bool), (norms > 0).astype(norms.dtype), between
    ), norms


def one_over(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`1 / x`, or zero where x is zero."""
    return jnp.where(x > 0, 1 / jnp.where(x > 0, x, 1), 0)
