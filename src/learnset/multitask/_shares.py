"""Small formulas of losses and weights that leave out absent tasks, and stay finite."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def softmax(logits: Float[Array, "tasks"], present: Bool[Array, "tasks"]) -> Float[Array, "tasks"]:
    """Weights of the tasks that are there, one in all; zero for the others.

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
    """The nearest weights of the tasks that are there with none below zero and one in all; zero for the others.

    >>> import jax.numpy as jnp
    >>> to_simplex(jnp.array([3.0, 9.0, 2.5]), jnp.array([True, False, True])).tolist()
    [0.75, 0.0, 0.25]
    """
    # Only differences matter; with the largest at zero, rounding of large numbers cannot lose the one.
    shifted = weights - weights.max(where=present, initial=-jnp.inf)
    near = jnp.where(present, shifted, -2).clip(
        -2
    )  # what is more than one below the largest gets nothing
    falling = -jnp.sort(-near)
    levels = (jnp.cumsum(falling) - 1) / jnp.arange(1, len(near) + 1, dtype=near.dtype)
    level = jnp.max(
        levels
    )  # what is taken off so that one is left: the largest of these by any number of the largest
    return jnp.where(present, jnp.maximum(near - level, 0), 0)


def logs(losses: Float[Array, "tasks"], present: Bool[Array, "tasks"]) -> Float[Array, "tasks"]:
    """Logarithms of losses, zero for absent tasks; a loss of zero or below counts as the smallest number there is."""
    return jnp.log(jnp.where(present, jnp.maximum(losses, _tiny(losses)), 1))


def inverses(losses: Float[Array, "tasks"], present: Bool[Array, "tasks"]) -> Float[Array, "tasks"]:
    """One over each loss, the slope of its logarithm; zero for absent tasks and for a loss of zero or below."""
    there = present & (losses > _tiny(losses))
    return jnp.where(there, 1 / jnp.where(there, losses, 1), 0)


def _tiny(losses: Array) -> Float[Array, ""]:
    return jnp.asarray(jnp.finfo(losses.dtype).tiny, losses.dtype)
