"""Quadratic programs with a non-negative variable for each task."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


def nonnegative_minimum(
    matrix: Float[Array, "tasks tasks"],
    linear: Float[Array, "tasks"],
    terms: float | Float[Array, ""] = 1.0,
) -> Float[Array, "tasks"]:
    """The minimiser of `½ x'Ax + b'x` for which no entry of x is negative.

    The matrix is symmetric and positive semi-definite, and its diagonal is about one or zero.
    Conjugate gradients move within a face of the orthant. If they leave it, a projected gradient
    step drops entries; if the rest of the gradient is the larger part, a step along it frees
    entries. What has not converged after a few such steps continues with the factorised matrix of
    the face as preconditioner: a Newton step in each face. It ends when the conditions of
    optimality hold to rounding error.

    **Arguments:** `linear`: b, in the range of the matrix up to rounding error. `terms`: the size
    of the numbers of which it is the sum; that error is a fraction of it.

    Source: Dostál & Schöberl 2005, *Minimizing Quadratic Functions Subject to Bound Constraints
    with the Rate of Convergence and Finite Termination*, algorithm 2.1 with Γ = 1; preconditioning
    in a face as in Domorádová & Dostál 2007, *Projector preconditioning for partially
    bound-constrained quadratic optimization*, §3.

    >>> import jax.numpy as jnp
    >>> nonnegative_minimum(jnp.eye(2), jnp.array([-1.0, 3.0])).round(4).tolist()
    [1.0, 0.0]
    """
    size, eps = len(linear), float(jnp.finfo(linear.dtype).eps)
    # With a multiple of rounding error on the diagonal, nothing is gained by going to infinity if
    # the matrix is singular.
    matrix = matrix + 4 * eps * jnp.diag(jnp.diagonal(matrix))
    solve = partial(_proportioning, matrix, linear, 2 * eps * terms)
    quick = solve(jnp.zeros_like(linear), lambda free, gradient: gradient, most=20 + size // 2)
    return solve(quick, partial(_newton, matrix), most=20 + 4 * size)


def _newton(
    matrix: Float[Array, "tasks tasks"], free: Bool[Array, "tasks"], gradient: Float[Array, "tasks"]
) -> Float[Array, "tasks"]:
    """The gradient times the inverse of the matrix of a face; the gradient itself if there is
    none."""
    rounding = 2 * len(gradient) * jnp.finfo(matrix.dtype).eps
    face = jnp.where(free[:, None] & free[None], matrix, 0)
    face = face + jnp.diag(jnp.where(free, rounding * jnp.diagonal(matrix), 1))
    step = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(face), True), gradient)
    return jnp.where(free, jnp.where(jnp.isfinite(step).all(), step, gradient), 0)


def _proportioning(
    matrix: Float[Array, "tasks tasks"],
    linear: Float[Array, "tasks"],
    tolerance: float | Float[Array, ""],
    start: Float[Array, "tasks"],
    precondition: Callable[[Array, Array], Array],
    most: int,
) -> Float[Array, "tasks"]:
    """The minimiser, from `start` until the conditions of optimality hold, in at most `most`
    steps."""
    tiny, eps = jnp.finfo(matrix.dtype).tiny, jnp.finfo(matrix.dtype).eps
    # Both bound the largest eigenvalue from above.
    bound = jnp.minimum(jnp.abs(matrix).sum(axis=1).max(), jnp.sqrt((matrix**2).sum()))
    rate = 1 / jnp.maximum(bound, tiny)

    def unfinished(carry: tuple[Any, ...]) -> Bool[Array, ""]:
        x, gradient, *_, steps = carry
        violation = jnp.where(x > 0, jnp.abs(gradient), jnp.maximum(-gradient, 0)).max()
        return (steps < most) & (violation > tolerance + 2 * eps * x.sum())

    def step(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        x, gradient, last, image, same_face, steps = carry
        free = jnp.where(x > 0, gradient, 0)
        chopped = jnp.where(x > 0, 0, jnp.minimum(gradient, 0))
        ahead = precondition(x > 0, free)
        ahead = ahead - same_face * (ahead @ image) / jnp.maximum(last @ image, tiny) * last
        stay = chopped @ chopped <= jnp.minimum(x / rate, free) @ free
        along = jnp.where(stay, ahead, chopped)
        image = product(matrix, along)
        # A direction without curvature, which would have no slope in exact arithmetic, must not
        # lead to infinity.
        curvature = jnp.maximum(jnp.maximum(along @ image, eps * (along @ along)), tiny)
        best = gradient @ along / curvature
        room = jnp.where(along > 0, x / jnp.where(along > 0, along, 1), jnp.inf).min()
        inside = best <= room
        length = jnp.where(inside, best, room)
        half = jnp.maximum(x - length * along, 0)
        slope = jnp.where(half > 0, gradient - length * image, 0)
        x = jnp.where(inside, half, jnp.maximum(half - rate * slope, 0))
        gradient = product(matrix, x) + linear
        return x, gradient, along, image, (stay & inside).astype(x.dtype), steps + 1

    zeros = jnp.zeros_like(start)
    first = (start, product(matrix, start) + linear, zeros, zeros, jnp.zeros_like(rate), 0)
    return lax.while_loop(unfinished, step, first)[0]
