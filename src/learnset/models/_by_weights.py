"""A convolution whose form depends on whether many tasks have weights of their own.

Inside `jax.vmap`, XLA's convolution becomes one in groups where weights differ, which a GPU
computes slowly, and one of all images where they do not, which it computes fast. Which it is, is
known when a program is traced, so that every process makes the same choice, and a run goes on bit
for bit.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun, Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

Form = Callable[[Array, Array, int], Array]
# Images, weights and results: the sum of their products is linear in each, and the derivatives of
# the convolution are the other two parts of it.
_NAMES = "xwy"
_part = Primitive("convolution_part")


def by_weights(x: Array, weight: Array, stride: int, shared: Form, differing: Form) -> Array:
    """The convolution in the form `shared`, or in the form `differing` where `jax.vmap` gives each
    task its own weights. The same holds for its derivatives, of any order."""
    return _bind("y", (), x, weight, stride=stride, shared=shared, differing=differing)


def _bind(of: str, size: tuple[int, ...], *operands: Array, shared: Form, **how: Any) -> Array:
    program = jax.make_jaxpr(lambda *args: _computed(of, size, *args, form=shared, **how))
    # With the program as a parameter, whatever follows programs follows this one.
    jaxpr = program(*operands)
    return _part.bind(*operands, of=of, size=size, jaxpr=jaxpr, shared=shared, **how)


def _computed(
    of: str, size: tuple[int, ...], *operands: Array, form: Form, stride: int, differing: Any = None
) -> Array:
    """One of the three arrays, of shape `size` unless it is the result, from the two others."""
    del differing
    given = dict(zip(_NAMES.replace(of, ""), operands, strict=True))
    if of == "y":
        return form(given["x"], given["w"], stride)

    def linear(unknown: Array) -> Array:
        arrays = given | {of: unknown}
        return form(arrays["x"], arrays["w"], stride)

    unknown = jax.ShapeDtypeStruct(size, given["y"].dtype)
    return jax.linear_transpose(linear, unknown)(given["y"])[0]


def _turned(place: int) -> Callable[..., Array]:
    """The rule for the cotangent of one operand."""

    def rule(cotangent: Array, *operands: Any, of: str, size: Any, jaxpr: Any, **how: Any) -> Array:
        del size, jaxpr
        names = _NAMES.replace(of, "")
        given = {of: cotangent, names[1 - place]: operands[1 - place]}
        others = (given[name] for name in _NAMES if name in given)
        return _bind(names[place], operands[place].aval.shape, *others, **how)

    return rule


def _batched(
    operands: Any, axes: Any, *, of: str, size: Any, jaxpr: Any, **how: Any
) -> tuple[Array, int]:
    names = _NAMES.replace(of, "")
    if of == "w" or axes[names.index("w")] is not None:
        form, stride = how["differing"], how["stride"]

        def one(*operands: Array) -> Array:
            return _computed(of, size, *operands, form=form, stride=stride)

        return jax.vmap(one, axes)(*operands), 0
    place = 1 - names.index("w")
    many = jnp.moveaxis(operands[place], axes[place], 0)
    count, points = many.shape[:2]
    folded = [*operands]
    folded[place] = many.reshape(-1, *many.shape[2:])
    size = (count * size[0], *size[1:]) if of == "x" else size
    result = _bind(of, size, *folded, **how)
    return result.reshape(count, points, *result.shape[1:]), 0


def _plain(*operands: Array, jaxpr: Any, **_: Any) -> Array:
    return jaxpr_as_fun(jaxpr)(*operands)[0]


_part.def_impl(lambda *operands, **params: jax.jit(lambda *o: _plain(*o, **params))(*operands))
_part.def_abstract_eval(lambda *_, jaxpr, **__: jaxpr.out_avals[0])
mlir.register_lowering(_part, mlir.lower_fun(_plain, multiple_results=False))
batching.primitive_batchers[_part] = _batched
ad.defbilinear(_part, _turned(0), _turned(1))
