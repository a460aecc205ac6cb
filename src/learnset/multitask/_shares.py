"""Small formulas of losses and weights that ignore absent tasks and stay finite."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def softmax(logits: Float[Array, "tasks"], present: Bool[Array, "tasks"]) -> Float[Array, "tasks"]:
    """The softmax over the present tasks; zero for the others.

    >>> import jax.numpy as jnp
    >>> softmax(jnp.zeros(3), jnp.array([True, False, True])).tolist()
    [0.5, 0.0, 0.5]
    """
    largest = jax.lax.stop_gradient(logits.max(where=present, initial=-jnp.inf))
    raised = jnp.where(present, jnp.exp(jnp.where(present, logits - largest, 0)), 0)
    total = raised.sum()
    return raised / jnp.where(total > 0, total, 1)


def to_simplex(
    weights: Float[Array, "tasks"], present: Bool[Array, "tasks"]
) -> Float[Array, "tasks"]:
    """The nearest weights of the present tasks that are not negative and sum to one; zero for the
    others.

    >>> import jax.numpy as jnp
    >>> to_simplex(jnp.array([3.0, 9.0, 2.5]), jnp.array([True, False, True])).tolist()
    [0.75, 0.0, 0.25]
    """
    # Only differences matter. With the largest at zero, the one is not lost to the rounding of
    # large numbers.
    shifted = weights - weights.max(where=present, initial=-jnp.inf)
    # A weight that is more than one below the largest becomes zero.
    near = jnp.where(present, shifted, -2).clip(-2)
    falling = -jnp.sort(-near)
    levels = (jnp.cumsum(falling) - 1) / jnp.arange(1, len(near) + 1, dtype=near.dtype)
    # Subtracted so that one is left: the largest level over all numbers of largest weights.
    return jnp.where(present, jnp.maximum(near - levels.max(), 0), 0)


def logs(losses: Float[Array, "tasks"], present: Bool[Array, "tasks"]) -> Float[Array, "tasks"]:
    """The logarithms of losses, zero for absent tasks. A loss of zero or below counts as the
    smallest positive number."""
    return jnp.log(jnp.where(present, jnp.maximum(losses, _tiny(losses)), 1))


def inverses(losses: Float[Array, "tasks"], present: Bool[Array, "tasks"]) -> Float[Array, "tasks"]:
    """One over each loss, the slope of its logarithm; zero for absent tasks and for losses of zero
    or below."""
    positive = present & (losses > _tiny(losses))
    return jnp.where(positive, 1 / jnp.where(positive, losses, 1), 0)


def _tiny(losses: Array) -> Float[Array, ""]:
    return jnp.asarray(jnp.finfo(losses.dtype).tiny, losses.dtype)
