"""Quadratic programs with a non-negative variable for each task."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)
MOST_IN_KERNEL, WARPS = 128, 8


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
    tolerance = jnp.asarray(2 * eps * terms, linear.dtype)
    start = jnp.zeros_like(linear)
    first = quick_in_one_kernel if in_one_kernel(size) else quick
    begun = first(matrix, linear, tolerance, start)
    newton = partial(_newton, matrix)
    return _proportioning(matrix, linear, tolerance, begun, newton, most=20 + 4 * size)


def in_one_kernel(size: int) -> bool:
    """Whether the first steps are one kernel: on a GPU, where the matrix fits into the registers of
    a block. Each step is a dozen kernels otherwise, after which the GPU waits for the host."""
    return jax.default_backend() == "gpu" and size <= MOST_IN_KERNEL


def quick_in_one_kernel(
    matrix: Float[Array, "tasks tasks"],
    linear: Float[Array, "tasks"],
    tolerance: Float[Array, ""],
    start: Float[Array, "tasks"],
    interpret: bool = False,
) -> Float[Array, "tasks"]:
    """`quick` as one kernel. `interpret`: without a GPU, for tests."""
    from jax.experimental import pallas  # here: it takes a while, and is for GPUs alone
    from jax.experimental.pallas import triton

    size = len(linear)
    more = max(16, 1 << (size - 1).bit_length()) - size  # blocks are powers of two

    # Sums instead of products, whose blocks have two axes there.
    def multiply(matrix: Array, x: Array) -> Array:
        return (matrix * x[None]).sum(axis=1)

    def kernel(matrix: Any, linear: Any, tolerance: Any, start: Any, x: Any) -> None:
        x[...] = quick(
            matrix[...],
            linear[...],
            tolerance[...],
            start[...],
            size,
            multiply,
            lambda a, b: (a * b).sum(),
        )

    return pallas.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((size + more,), linear.dtype),
        compiler_params=triton.CompilerParams(num_warps=WARPS),
        interpret=interpret,
    )(jnp.pad(matrix, (0, more)), jnp.pad(linear, (0, more)), tolerance, jnp.pad(start, (0, more)))[
        :size
    ]


def quick(
    matrix: Float[Array, "tasks tasks"],
    linear: Float[Array, "tasks"],
    tolerance: Float[Array, ""],
    start: Float[Array, "tasks"],
    size: int | None = None,
    multiply: Callable[[Array, Array], Array] = product,
    inner: Callable[[Array, Array], Array] = jnp.matmul,
) -> Float[Array, "tasks"]:
    """The first steps, without a preconditioner."""
    most = 20 + (len(linear) if size is None else size) // 2
    return _proportioning(matrix, linear, tolerance, start, _as_is, most, multiply, inner)


def _as_is(free: Bool[Array, "tasks"], gradient: Float[Array, "tasks"]) -> Float[Array, "tasks"]:
    del free
    return gradient


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
    tolerance: Float[Array, ""],
    start: Float[Array, "tasks"],
    precondition: Callable[[Array, Array], Array],
    most: int,
    multiply: Callable[[Array, Array], Array] = product,
    inner: Callable[[Array, Array], Array] = jnp.matmul,
) -> Float[Array, "tasks"]:
    """The minimiser, from `start` until the conditions of optimality hold, in at most `most`
    steps."""
    tiny, eps = jnp.finfo(matrix.dtype).tiny, jnp.finfo(matrix.dtype).eps
    # Both bound the largest eigenvalue from above.
    bound = jnp.minimum(jnp.abs(matrix).sum(axis=1).max(), jnp.sqrt((matrix**2).sum(axis=1).sum()))
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
        ahead = (
            ahead - same_face * inner(ahead, image) / jnp.maximum(inner(last, image), tiny) * last
        )
        stay = inner(chopped, chopped) <= inner(jnp.minimum(x / rate, free), free)
        along = jnp.where(stay, ahead, chopped)
        image = multiply(matrix, along)
        # A direction without curvature, which would have no slope in exact arithmetic, must not
        # lead to infinity.
        curvature = jnp.maximum(jnp.maximum(inner(along, image), eps * inner(along, along)), tiny)
        best = inner(gradient, along) / curvature
        room = jnp.where(along > 0, x / jnp.where(along > 0, along, 1), jnp.inf).min()
        inside = best <= room
        length = jnp.where(inside, best, room)
        half = jnp.maximum(x - length * along, 0)
        slope = jnp.where(half > 0, gradient - length * image, 0)
        x = jnp.where(inside, half, jnp.maximum(half - rate * slope, 0))
        gradient = multiply(matrix, x) + linear
        return x, gradient, along, image, (stay & inside).astype(x.dtype), steps + 1

    zeros = jnp.zeros_like(start)
    first = (
        start,
        multiply(matrix, start) + linear,
        zeros,
        zeros,
        jnp.zeros_like(rate),
        jnp.int32(0),
    )
    return lax.while_loop(unfinished, step, first)[0]
