"""Advantages: how much better the outcome of an action was than expected."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def advantages(
    reward: Float[Array, "steps"],
    value: Float[Array, "steps"],
    last_value: Float[Array, ""],
    alive: Float[Array, "steps"],
    *,
    discount: float | Float[Array, ""],
    decay: float | Float[Array, ""],
) -> Float[Array, "steps"]:
    """Generalised advantage estimates: discounted sums of `reward + discount * next value - value`.

    With `decay=1` they are the discounted return minus the value; with `decay=0`, the one-step
    error.

    Source: Schulman et al. 2016, *High-Dimensional Continuous Control Using Generalized Advantage
    Estimation*, eq. 16.

    **Arguments:**

    - `alive`: 1 until the task is over, and 0 from then on, when nothing counts.

    >>> import jax.numpy as jnp
    >>> ones, zeros = jnp.ones(3), jnp.zeros(3)
    >>> advantages(ones, zeros, jnp.array(0.0), ones, discount=0.5, decay=1.0)
    Array([1.75, 1.5 , 1.  ], dtype=float32)
    """
    value = value * alive
    following = jnp.concatenate([value[1:], last_value[None]])
    surprise = (reward + discount * following - value) * alive

    def back(later: Array, now: Array) -> tuple[Array, Array]:
        total = now + discount * decay * later
        return total, total

    return jax.lax.scan(back, jnp.zeros_like(last_value), surprise, reverse=True)[1]
