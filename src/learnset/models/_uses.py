"""The order in which a model uses its parameters, found by tracing."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped

from ..core import predict

PRODUCTS = ("dot_general", "conv_general_dilated")
_DATA = "data"  # the tag of a value that depends on the input


class Use(NamedTuple):
    """The first use of an array of parameters on the input.

    `path`: of the array in the model, as a text. `keys`: the same, as JAX has it. `product`:
    whether it is an operand of a matrix product or a convolution. `outputs`: its axes that are the
    outputs of that product, where they are known.
    """

    path: str
    keys: tuple[Any, ...]
    product: bool = False
    outputs: tuple[int, ...] = ()


class _Tag(NamedTuple):
    """Where a value that depends on parameters alone comes from."""

    leaves: tuple[int, ...]
    axes: tuple[frozenset[int], ...] | None  # of the array, for each axis of the value


def uses(model: Any, x: Shaped[Array, "*in"]) -> tuple[Use, ...]:
    """The floating-point arrays of a model in the order in which they meet the input.

    The model may be any PyTree that can be called on one input; nothing is computed. An array that
    is only computed with other parameters counts where the result meets the input; one that never
    does is left out.

    **Arguments:** `x`: one input, of which only shape and dtype matter.

    >>> import equinox as eqx, jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = eqx.nn.MLP(2, 3, 8, 1, key=jr.key(0))
    >>> [(use.path, use.outputs) for use in ls.models.uses(model, jnp.ones(2))][:2]
    [('.layers[0].weight', (0,)), ('.layers[0].bias', ())]
    """
    arrays, rest = eqx.partition(model, eqx.is_array)
    with_paths, structure = jax.tree_util.tree_flatten_with_path(arrays)
    leaves = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for _, leaf in with_paths]

    def call(leaves: list[Array], x: Array) -> Any:
        return predict(eqx.combine(jax.tree.unflatten(structure, leaves), rest), x[None])

    program = jax.make_jaxpr(call)(leaves, jax.ShapeDtypeStruct(x.shape, x.dtype)).jaxpr
    tags: list[Any] = [
        _Tag((number,), tuple(frozenset({axis}) for axis in range(leaf.ndim)))
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
        else None
        for number, leaf in enumerate(leaves)
    ]
    first: dict[int, Use] = {}

    def note(tag: _Tag, product: bool, outputs: tuple[int, ...]) -> None:
        for number in tag.leaves:
            keys = with_paths[number][0]
            use = first.setdefault(number, Use(jax.tree_util.keystr(keys), keys))
            if product and not use.product:
                first[number] = use._replace(product=True, outputs=_of_kernel(outputs, leaves, tag))

    _walk(program, [*tags, _DATA], note)
    return tuple(first.values())


def _walk(program: Any, tags: list[Any], note: Any) -> list[Any]:
    """Follows the values of a program: the tags of its outputs from those of its inputs."""
    known: dict[Any, Any] = dict(zip(program.invars, tags, strict=True))

    def tag(value: Any) -> Any:
        return None if hasattr(value, "val") else known.get(value)  # literals have a value

    for step in program.eqns:
        inputs = [tag(value) for value in step.invars]
        outputs = _inside(step, inputs, note)
        if outputs is None:
            outputs = [_after(step, inputs, note)] * len(step.outvars)
        known.update(zip(step.outvars, outputs, strict=True))
    return [tag(value) for value in program.outvars]


def _inside(step: Any, inputs: list[Any], note: Any) -> list[Any] | None:
    """The tags after a step that has a program inside; `None` for a step that has none."""
    name, params = step.primitive.name, step.params
    if name == "scan":
        consts = params["num_consts"]
        carries = consts + params["num_carry"]
        looped = [_looped(t, inputs, note) for t in inputs[consts:carries]]
        slices = [
            t._replace(axes=t.axes and t.axes[1:]) if isinstance(t, _Tag) else t
            for t in inputs[carries:]
        ]
        return _walk(params["jaxpr"].jaxpr, [*inputs[:consts], *looped, *slices], note)
    if name == "while":
        consts = params["cond_nconsts"]
        carries = consts + params["body_nconsts"]
        looped = [_looped(t, inputs, note) for t in inputs[carries:]]
        return _walk(params["body_jaxpr"].jaxpr, [*inputs[consts:carries], *looped], note)
    if name == "cond":
        ends = [_walk(branch.jaxpr, inputs[1:], note) for branch in params["branches"]]
        return [_DATA if _DATA in inputs else end for end in ends[0]]
    for value in params.values():
        program = getattr(value, "jaxpr", value)
        if hasattr(program, "eqns") and len(program.invars) == len(inputs):
            return _walk(program, inputs, note)
    return None


def _looped(tag: Any, inputs: list[Any], note: Any) -> Any:
    """The tag of what a loop changes: it depends on the input as soon as anything in it does."""
    if _DATA not in inputs:
        return tag
    if isinstance(tag, _Tag):
        note(tag, False, ())
    return _DATA


def _after(step: Any, inputs: list[Any], note: Any) -> Any:
    """The tag after one operation."""
    tags = [t for t in inputs if isinstance(t, _Tag)]
    if _DATA in inputs:
        for place, t in enumerate(inputs):
            if isinstance(t, _Tag):
                note(t, step.primitive.name in PRODUCTS, _outputs(step, place, t))
        return _DATA
    if not tags:
        return None
    leaves = tuple(dict.fromkeys(number for t in tags for number in t.leaves))
    return _Tag(leaves, _axes(step, tags[0]) if len(leaves) == 1 else None)


def _outputs(step: Any, place: int, tag: _Tag) -> tuple[int, ...]:
    """The axes of a parameter that are outputs of a product."""
    if step.primitive.name not in PRODUCTS or tag.axes is None:
        return ()
    numbers = step.params["dimension_numbers"]
    if step.primitive.name == "dot_general":
        inner = {*numbers[0][place], *numbers[1][place]}
        free = [axis for axis in range(len(tag.axes)) if axis not in inner]
    else:
        free = [numbers.rhs_spec[0]]
    return tuple(sorted(set().union(*(tag.axes[axis] for axis in free))))


def _of_kernel(outputs: tuple[int, ...], leaves: list[Any], tag: _Tag) -> tuple[int, ...]:
    """The outputs of a kernel of a convolution: its rows, which may come first, are none."""
    shape = leaves[tag.leaves[0]].shape
    return outputs if len(shape) < 4 else outputs[-1:]


def _axes(step: Any, tag: _Tag) -> tuple[frozenset[int], ...] | None:
    """The axes of a parameter in each axis of a value that is made from it."""
    before, after = step.invars[0].aval.shape, step.outvars[0].aval.shape
    if tag.axes is None or len(tag.axes) != len(before):
        return None
    name, params = step.primitive.name, step.params
    if name == "transpose":
        return tuple(tag.axes[axis] for axis in params["permutation"])
    if name == "squeeze":
        gone = params["dimensions"]
        return tuple(axes for number, axes in enumerate(tag.axes) if number not in gone)
    if name == "broadcast_in_dim":
        made = dict(zip(params["broadcast_dimensions"], tag.axes, strict=True))
        return tuple(made.get(axis, frozenset()) for axis in range(len(after)))
    if name == "reshape":
        return _reshaped(before, after, tag.axes)
    return tag.axes if len(after) == len(before) else None


def _reshaped(
    before: tuple[int, ...], after: tuple[int, ...], axes: tuple[frozenset[int], ...]
) -> tuple[frozenset[int], ...]:
    """Each new axis has the old axes with which it shares steps through memory."""

    def spans(shape: tuple[int, ...]) -> list[tuple[int, int]]:
        ends = [1]
        for size in reversed(shape):
            ends.append(ends[-1] * size)
        return [(ends[i], ends[i + 1]) for i in range(len(shape))][::-1]

    olds = list(zip(spans(before), axes, strict=True))
    return tuple(
        frozenset().union(*(a for (low, high), a in olds if max(low, begin) < min(high, end)))
        for begin, end in spans(after)
    )
