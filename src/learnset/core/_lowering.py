"""Matrix products in the form that XLA runs fast on a CPU.

XLA's CPU back end hands a product to its fast kernels only in the form left `(batch, m, k)` times
right `(batch, k, n)`. Weight gradients, and weights that differ between tasks, have other forms,
and run 3 to 10 times slower; meta-learning is full of both. `fast_dots` brings all products of a
finished function into the fast form. It comes after `grad` and `vmap`, so it serves every model and
needs no derivative rule of its own.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
from jax import lax
from jax.extend import core
from jaxtyping import Array

INLINED = {
    "jit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
BODIES = {"scan": "jaxpr", "while": "body_jaxpr"}


def fast_dots(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with its matrix products in the fast form, if the default backend is a CPU.

    The result must not be differentiated.

    **Arguments:**

    - `function`: takes and returns any PyTrees, whose leaves other than arrays are static.

    >>> import jax.numpy as jnp
    >>> float(fast_dots(lambda x: (x.T @ x).sum())(jnp.ones((3, 2))))
    12.0
    """

    def rewritten(*args: Any) -> Any:
        if jax.default_backend() != "cpu":
            return function(*args)
        arrays, static = eqx.partition(args, eqx.is_array)
        leaves, structure = jax.tree.flatten(arrays)

        fixed = []

        def flat(*leaves: Array) -> Any:
            result = function(*eqx.combine(jax.tree.unflatten(structure, leaves), static))
            moving, rest = eqx.partition(result, eqx.is_array)
            fixed.append(rest)
            return moving

        closed, shape = jax.make_jaxpr(flat, return_shape=True)(*leaves)
        results = _evaluate(closed.jaxpr, closed.consts, leaves)
        return eqx.combine(jax.tree.unflatten(jax.tree.structure(shape), results), fixed[0])

    return rewritten


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Runs a program with every product rewritten."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))
    uses = _uses(jaxpr)
    done: set[int] = set()

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else values[variable]

    for equation in jaxpr.eqns:
        if id(equation) in done:
            continue
        name, params = equation.primitive.name, dict(equation.params)
        operands = [read(v) for v in equation.invars]
        if name in INLINED:
            inner = params[INLINED[name]]
            results = _evaluate(inner.jaxpr, inner.consts, operands)
        elif name == "dot_general":
            swap, (one, other) = _only_swapped(equation, uses), operands
            if swap is not None:
                # Only (A B)ᵀ is needed, not A B: Bᵀ Aᵀ saves a pass over the result.
                left, right = params["dimension_numbers"]
                flipped = (left[1], left[0]), (right[1], right[0])
                values[swap.outvars[0]] = _dot(
                    other, one, flipped, params["preferred_element_type"]
                )
                done.add(id(swap))
                continue
            results = [
                _dot(one, other, params["dimension_numbers"], params["preferred_element_type"])
            ]
        else:
            if name in BODIES:
                params[BODIES[name]] = _rewritten(params[BODIES[name]])
            results = equation.primitive.bind(*operands, **params)
            results = results if equation.primitive.multiple_results else [results]
        values.update(zip(equation.outvars, results, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _rewritten(closed: Any) -> Any:
    return jax.make_jaxpr(lambda *args: _evaluate(closed.jaxpr, closed.consts, args))(
        *closed.in_avals
    )


def _uses(jaxpr: Any) -> dict[Any, list[Any]]:
    """The equations that need each variable; `None` stands for the result of the program."""
    uses: dict[Any, list[Any]] = {}
    for equation in (*jaxpr.eqns, None):
        for variable in jaxpr.outvars if equation is None else equation.invars:
            if not isinstance(variable, core.Literal):
                uses.setdefault(variable, []).append(equation)
    return uses


def _only_swapped(equation: Any, uses: dict[Any, list[Any]]) -> Any:
    """The equation that swaps the last two axes of this product, if it is the only use of it."""
    out, left = equation.outvars[0], equation.invars[0]
    (summed, _), (shared, _) = equation.params["dimension_numbers"]
    batch, after = len(shared), uses.get(out, [])
    # Each side must give one of the two axes.
    if out.aval.ndim != batch + 2 or left.aval.ndim != batch + len(summed) + 1:
        return None
    if len(after) != 1 or after[0] is None or after[0].primitive.name != "transpose":
        return None
    swapped = (*range(batch), batch + 1, batch)
    return after[0] if tuple(after[0].params["permutation"]) == swapped else None


def _dot(left: Array, right: Array, dimensions: Any, dtype: Any) -> Array:
    """`dot_general` as left `(batch, m, k)` times right `(batch, k, n)`."""
    (left_sum, right_sum), (left_batch, right_batch) = dimensions
    left_free = [d for d in range(left.ndim) if d not in (*left_sum, *left_batch)]
    right_free = [d for d in range(right.ndim) if d not in (*right_sum, *right_batch)]
    sizes = (
        math.prod(left.shape[d] for d in left_free),
        math.prod(right.shape[d] for d in right_free),
    )
    if 1 in sizes or len(left_sum) != 1:
        return lax.dot_general(left, right, dimensions, preferred_element_type=dtype)
    # Barriers keep XLA from folding the transposes back into the product.
    left, right = lax.optimization_barrier((left, right))
    left = _ordered(left, (*left_batch, *left_free, *left_sum))
    batch = tuple(range(len(left_batch)))
    # Weights that all tasks share may be summed over either axis; weights of each task may not.
    if batch:
        right = _ordered(right, (*right_batch, *right_sum, *right_free))
        right_sum, right_batch = (len(batch),), batch
    dimensions = ((left.ndim - 1,), tuple(right_sum)), (batch, tuple(right_batch))
    return lax.optimization_barrier(
        lax.dot_general(left, right, dimensions, preferred_element_type=dtype)
    )


def _ordered(array: Array, axes: tuple[int, ...]) -> Array:
    in_order = axes == tuple(range(array.ndim))
    return array if in_order else lax.optimization_barrier(array.transpose(axes))
