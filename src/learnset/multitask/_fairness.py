"""Weights under which gains are shared fairly."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ._cosines import cosines, one_over
from ._quadratic import product

MOST = 60  # Newton steps; seven or eight are enough unless gradients nearly contradict each other


def fair_weights(
    gramian: Float[Array, "tasks tasks"], power: float | Float[Array, ""] = 1.0
) -> Float[Array, "tasks"]:
    """The weights `w > 0` for which `Gw = w ** -power`; zero for zero gradients.

    They minimise the convex `½ w'Gw - sum_i ∫ w_i ** -power` by Newton's method. A step is the
    longest one along which the slope, bounded by what the barrier can add, is still downwards: for
    `power=1` its length is `1 / (1 + m)`, where m is the largest fraction of a weight that a full
    step would remove. So it converges from any start, without a line search.

    If the gradients contradict each other, there are no such weights. Rounding error is added to
    the diagonal, so that the weights become large and their weighted sum of gradients nearly zero.

    >>> import jax.numpy as jnp
    >>> fair_weights(jnp.array([[4.0, 0.0], [0.0, 1.0]])).round(4).tolist()
    [0.5, 1.0]
    """
    between, norms = cosines(gramian)
    nonzero = norms > 0
    largest = jnp.maximum(norms.max(), jnp.finfo(norms.dtype).tiny)
    eps, size, eye = jnp.finfo(norms.dtype).eps, len(norms), jnp.eye(len(norms), dtype=norms.dtype)
    between = jnp.where(eye > 0, 1 + 2 * math.sqrt(size) * eps, between)
    # For weights of unit gradients the equation is `C v = norms ** (power - 1) v ** -power`.
    gain = jnp.where(nonzero, jnp.where(nonzero, norms / largest, 1) ** (power - 1), 1)

    def onto_ray(v: Array) -> Array:
        """The best multiple of `v`."""
        ratio = (gain * v ** (1 - power)).sum() / (v @ product(between, v))
        return v * ratio ** (1 / (1 + power))

    def unfinished(carry: tuple[Any, ...]) -> Bool[Array, ""]:
        _, change, steps = carry
        return (change > jnp.sqrt(eps) / 8) & (steps < MOST)  # the remaining error is its square

    def step(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        v, _, steps = carry
        scaled, wanted = v[:, None] * between * v[None], gain * v ** (1 - power)
        factor = jnp.linalg.cholesky(scaled + jnp.diag(power * wanted))
        relative = jax.scipy.linalg.cho_solve((factor, True), wanted - scaled.sum(axis=1))
        down = jnp.maximum(-relative, 0).max()
        length = jnp.where(
            down > 0, -jnp.expm1(-jnp.log1p(power * down) / power) / jnp.where(down > 0, down, 1), 1
        )
        # Not so if the matrix is singular up to rounding error; then nothing can be gained.
        known = jnp.isfinite(relative).all()
        return (
            jnp.where(known, v * (1 + length * relative), v),
            jnp.where(known, jnp.abs(relative).max(), 0),
            steps + 1,
        )

    start = onto_ray(jnp.ones_like(norms))
    v = lax.while_loop(unfinished, step, (start, jnp.full_like(largest, jnp.inf), 0))[0]
    # A Gramian that is `largest ** 2` times as large has weights that are smaller by this factor.
    return v * one_over(norms / largest) * jnp.where(nonzero, largest ** (-2 / (1 + power)), 0)
