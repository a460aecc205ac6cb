"""The forms of single primitives in ONNX: from a graph, an equation and its inputs to a name."""

import itertools
import math
import string
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ..core import InputError, needs

Graph = Any  # of `_onnx`
Value = Any  # the name of a tensor in the graph, or an array that is known
Rule = Callable[..., Any]


def loaded() -> Any:
    """The package `onnx`."""
    with needs("onnx"):
        return import_module("onnx")


class Eqn(NamedTuple):
    """An equation as a rule sees it: the shapes and types of its inputs and outputs, and its
    parameters."""

    avals: tuple[Any, ...]
    out: tuple[Any, ...]
    params: dict[str, Any]


def _as(kind: str, **attributes: Any) -> Rule:
    return lambda graph, eqn, *inputs: graph.node(kind, *inputs, **attributes)


def _not(kind: str) -> Rule:
    return lambda graph, eqn, *inputs: graph.node("Not", graph.node(kind, *inputs))


def _number(eqn: Eqn, value: float) -> np.ndarray:
    return np.asarray(value, eqn.avals[0].dtype)


def _ints(values: Sequence[int]) -> np.ndarray:
    return np.asarray(values, np.int64)


def _reshape(graph: Graph, eqn: Eqn, x: Value, *_: Value) -> str:
    return graph.node("Reshape", x, _ints(eqn.out[0].shape))


def _broadcast(graph: Graph, eqn: Eqn, x: Value, *_: Value) -> str:
    shape, kept = eqn.params["shape"], eqn.params["broadcast_dimensions"]
    sizes = dict(zip(kept, eqn.avals[0].shape, strict=True))
    thin = graph.node("Reshape", x, _ints([sizes.get(axis, 1) for axis in range(len(shape))]))
    return graph.node("Expand", thin, _ints(shape))


def _transpose(graph: Graph, eqn: Eqn, x: Value) -> str:
    return graph.node("Transpose", x, perm=list(eqn.params["permutation"]))


def _reduce(kind: str) -> Rule:
    def rule(graph: Graph, eqn: Eqn, x: Value) -> str:
        return graph.node(kind, x, _ints(eqn.params["axes"]), keepdims=0)

    return rule


def _reduce_bool(kind: str) -> Rule:
    def rule(graph: Graph, eqn: Eqn, x: Value) -> str:
        number = graph.node("Cast", x, to=kind_of(np.int32))
        reduced = graph.node(kind, number, _ints(eqn.params["axes"]), keepdims=0)
        return graph.node("Cast", reduced, to=kind_of(np.bool_))

    return rule


def _arg(kind: str) -> Rule:
    def rule(graph: Graph, eqn: Eqn, x: Value) -> str:
        (axis,) = eqn.params["axes"]
        place = graph.node(kind, x, axis=axis, keepdims=0)
        return graph.node("Cast", place, to=kind_of(eqn.out[0].dtype))

    return rule


def kind_of(dtype: Any) -> int:
    return loaded().helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _cast(graph: Graph, eqn: Eqn, x: Value) -> str:
    return graph.node("Cast", x, to=kind_of(eqn.params["new_dtype"]))


def _dot(graph: Graph, eqn: Eqn, a: Value, b: Value) -> str:
    (a_sum, b_sum), (a_batch, b_batch) = eqn.params["dimension_numbers"]
    letters = iter(string.ascii_letters)
    of_a = [next(letters) for _ in eqn.avals[0].shape]
    of_b = [next(letters) for _ in eqn.avals[1].shape]
    for left, right in zip((*a_sum, *a_batch), (*b_sum, *b_batch), strict=True):
        of_b[right] = of_a[left]
    free_a = [of_a[i] for i in range(len(of_a)) if i not in (*a_sum, *a_batch)]
    free_b = [of_b[i] for i in range(len(of_b)) if i not in (*b_sum, *b_batch)]
    result = [of_a[i] for i in a_batch] + free_a + free_b
    equation = f"{''.join(of_a)},{''.join(of_b)}->{''.join(result)}"
    return graph.node("Einsum", a, b, equation=equation)


def _slice(graph: Graph, eqn: Eqn, x: Value) -> str:
    starts, ends = eqn.params["start_indices"], eqn.params["limit_indices"]
    steps = eqn.params["strides"] or [1] * len(starts)
    axes = range(len(starts))
    return graph.node("Slice", x, _ints(starts), _ints(ends), _ints(list(axes)), _ints(steps))


def _split(graph: Graph, eqn: Eqn, x: Value) -> list[str]:
    axis = eqn.params["axis"]
    ends = list(itertools.accumulate(eqn.params["sizes"]))
    return [
        graph.node("Slice", x, _ints([start]), _ints([end]), _ints([axis]))
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def _rev(graph: Graph, eqn: Eqn, x: Value) -> str:
    axes = list(eqn.params["dimensions"])
    ends = [np.iinfo(np.int64).min] * len(axes)
    steps = [-1] * len(axes)
    return graph.node("Slice", x, _ints([-1] * len(axes)), _ints(ends), _ints(axes), _ints(steps))


def _pad(graph: Graph, eqn: Eqn, x: Value, fill: Value) -> str:
    config = eqn.params["padding_config"]
    if any(inside for _, _, inside in config):
        raise InputError("to_onnx: padding between elements (`pad`) has no form in ONNX.")
    low, high = ([max(0, edge[side]) for edge in config] for side in (0, 1))
    x = graph.node("Pad", x, _ints([*low, *high]), fill)
    cut = [(max(0, -low), high) for low, high, _ in config]
    if all(low == 0 and high >= 0 for low, high in cut):
        return x
    ends = [min(0, high) or np.iinfo(np.int64).max for _, high in cut]
    return graph.node("Slice", x, _ints([low for low, _ in cut]), _ints(ends))


def _select(graph: Graph, eqn: Eqn, which: Value, *cases: Value) -> str:
    if eqn.avals[0].dtype != np.bool_:
        raise InputError("to_onnx: a choice among more than two (`select_n`) has no form in ONNX.")
    return graph.node("Where", which, cases[1], cases[0])


def _clamp(graph: Graph, eqn: Eqn, low: Value, x: Value, high: Value) -> str:
    return graph.node("Min", graph.node("Max", x, low), high)


def _power(graph: Graph, eqn: Eqn, x: Value) -> str:
    power = eqn.params["y"]
    if power == 2:
        return graph.node("Mul", x, x)
    return graph.node("Pow", x, _number(eqn, power))


def _finite(graph: Graph, eqn: Eqn, x: Value) -> str:
    return graph.node("Not", graph.node("Or", graph.node("IsNaN", x), graph.node("IsInf", x)))


def _cumulative_sum(graph: Graph, eqn: Eqn, x: Value) -> str:
    axis = np.asarray(eqn.params["axis"], np.int64)
    return graph.node("CumSum", x, axis, reverse=int(eqn.params["reverse"]))


def _starts(graph: Graph, starts: Sequence[Value], shape: Any, sizes: Any) -> str:
    """The starts of a slice, drawn into the array as JAX does."""
    each = [
        graph.node("Reshape", graph.node("Cast", start, to=kind_of(np.int64)), _ints([1]))
        for start in starts
    ]
    last = _ints([whole - size for whole, size in zip(shape, sizes, strict=True)])
    return _inside(graph, graph.node("Concat", *each, axis=0), last)


def _inside(graph: Graph, places: Value, last: np.ndarray) -> str:
    """Places, drawn to those from zero to the last."""
    return graph.node("Min", graph.node("Max", places, np.zeros_like(last)), last)


def _dynamic_slice(graph: Graph, eqn: Eqn, x: Value, *starts: Value) -> str:
    sizes = eqn.params["slice_sizes"]
    begin = _starts(graph, starts, eqn.avals[0].shape, sizes)
    end = graph.node("Add", begin, _ints(sizes))
    return graph.node("Slice", x, begin, end, _ints(list(range(len(sizes)))))


def _dynamic_update_slice(graph: Graph, eqn: Eqn, x: Value, update: Value, *starts: Value) -> Value:
    sizes = eqn.avals[1].shape
    begin = _starts(graph, starts, eqn.avals[0].shape, sizes)
    places = graph.node("Add", np.stack(np.indices(sizes, np.int64), axis=-1), begin)
    return graph.node("ScatterND", x, places, update)


def _gather(graph: Graph, eqn: Eqn, x: Value, places: Value) -> str:
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    shape, index_shape = eqn.avals[0].shape, eqn.avals[1].shape
    (axis,) = numbers.start_index_map if len(numbers.start_index_map) == 1 else (-1,)
    batch = len(index_shape) - 1
    whole = all(size == (1 if i == axis else shape[i]) for i, size in enumerate(sizes))
    offsets = tuple(i if i < axis else i + batch for i in range(len(shape) - 1))
    if not (
        whole
        and numbers.collapsed_slice_dims == (axis,)
        and not numbers.operand_batching_dims
        and numbers.offset_dims == offsets
    ):
        raise InputError("to_onnx: this kind of indexing (`gather`) has no form in ONNX here.")
    place = graph.node("Reshape", places, _ints(index_shape[:-1]))
    last = np.asarray(shape[axis] - 1, eqn.avals[1].dtype)
    inside = _inside(graph, place, last)
    values = graph.node("Gather", x, inside, axis=axis)
    if "FILL" not in str(eqn.params["mode"]):
        return values
    there = graph.node(
        "Reshape",
        graph.node("Equal", inside, place),
        _ints([1] * axis + list(index_shape[:-1]) + [1] * (len(shape) - 1 - axis)),
    )
    fill = eqn.params["fill_value"]
    fill = np.nan if fill is None else fill
    return graph.node("Where", there, values, np.asarray(fill, eqn.out[0].dtype))


def _scatter_add(graph: Graph, eqn: Eqn, x: Value, places: Value, update: Value) -> str:
    numbers, shape = eqn.params["dimension_numbers"], eqn.avals[0].shape
    first = tuple(range(len(numbers.scatter_dims_to_operand_dims)))
    batch, rank = len(eqn.avals[1].shape) - 1, len(eqn.avals[2].shape)
    whole = eqn.avals[2].shape[batch:] == shape[len(first) :]
    if not (
        numbers.scatter_dims_to_operand_dims == first
        and numbers.inserted_window_dims == first
        and numbers.update_window_dims == tuple(range(batch, rank))
        and not numbers.operand_batching_dims
        and whole
    ):
        raise InputError("to_onnx: this kind of indexing (`scatter-add`) has no form in ONNX here.")
    kind = eqn.avals[1].dtype
    last = np.asarray([shape[i] - 1 for i in first], kind)
    inside = _inside(graph, places, last)
    same = graph.node("Cast", graph.node("Equal", inside, places), to=kind_of(np.int32))
    there = graph.node("ReduceMin", same, _ints([batch]), keepdims=0)
    wide = graph.node("Cast", there, to=kind_of(eqn.avals[2].dtype))
    sizes = _ints([*eqn.avals[1].shape[:-1], *[1] * (rank - batch)])
    update = graph.node("Mul", update, graph.node("Reshape", wide, sizes))  # others are dropped
    at = graph.node("Cast", inside, to=kind_of(np.int64))
    return graph.node("ScatterND", x, at, update, reduction="add")


def _convolution(graph: Graph, eqn: Eqn, x: Value, kernel: Value) -> str:
    params = eqn.params
    of_x, of_kernel, of_out = params["dimension_numbers"]
    if params["batch_group_count"] != 1 or any(size != 1 for size in params["lhs_dilation"]):
        raise InputError(
            "to_onnx: a convolution over groups of images or with gaps in its input"
            " (`conv_general_dilated`, as in a gradient of one with strides) has no form in ONNX."
        )
    low, high = zip(*params["padding"], strict=True)
    out = graph.node(
        "Conv",
        graph.node("Transpose", x, perm=list(of_x)),
        graph.node("Transpose", kernel, perm=list(of_kernel)),
        strides=list(params["window_strides"]),
        pads=[*low, *high],
        dilations=list(params["rhs_dilation"]),
        group=params["feature_group_count"],
    )
    return graph.node("Transpose", out, perm=[int(i) for i in np.argsort(of_out)])


def _window(kind: str) -> Rule:
    """A reduction over windows, as pooling of images of one channel."""

    def rule(graph: Graph, eqn: Eqn, x: Value, *_: Value) -> str:
        params, shape = eqn.params, eqn.avals[0].shape
        window = params["window_dimensions"]
        pooled = [i for i, size in enumerate(window) if size > 1 or params["window_strides"][i] > 1]
        others = [i for i in range(len(shape)) if i not in pooled]
        if any(size != 1 for size in (*params["base_dilation"], *params["window_dilation"])):
            raise InputError("to_onnx: windows with gaps (`reduce_window`) have no form here.")
        order = [*others, *pooled]
        flat = [math.prod(shape[i] for i in others), 1, *(shape[i] for i in pooled)]
        image = graph.node("Reshape", graph.node("Transpose", x, perm=order), _ints(flat))
        low, high = zip(*(params["padding"][i] for i in pooled), strict=True)
        options: dict[str, Any] = {
            "kernel_shape": [window[i] for i in pooled],
            "strides": [params["window_strides"][i] for i in pooled],
            "pads": [*low, *high],
        }
        if kind == "AveragePool":
            options["count_include_pad"] = 1
        image = graph.node(kind, image, **options)
        if kind == "AveragePool":
            image = graph.node("Mul", image, _number(eqn, math.prod(window)))
        back = graph.node("Reshape", image, _ints([eqn.out[0].shape[i] for i in order]))
        return graph.node("Transpose", back, perm=[int(i) for i in np.argsort(order)])

    return rule


# Primitives that are one operator.
SAME = """
add:Add add_any:Add sub:Sub mul:Mul div:Div neg:Neg max:Max min:Min pow:Pow exp:Exp log:Log
tanh:Tanh logistic:Sigmoid sqrt:Sqrt sin:Sin cos:Cos tan:Tan abs:Abs sign:Sign floor:Floor
ceil:Ceil erf:Erf and:And or:Or xor:Xor not:Not eq:Equal lt:Less gt:Greater le:LessOrEqual
ge:GreaterOrEqual copy:Identity copy_p:Identity stop_gradient:Identity sinh:Sinh cosh:Cosh
atan:Atan asin:Asin acos:Acos
"""

RULES: dict[str, Rule] = {
    **{name: _as(kind) for name, kind in (pair.split(":") for pair in SAME.split())},
    "ne": _not("Equal"),
    "square": lambda graph, eqn, x: graph.node("Mul", x, x),
    "rsqrt": lambda graph, eqn, x: graph.node("Reciprocal", graph.node("Sqrt", x)),
    "log1p": lambda graph, eqn, x: graph.node("Log", graph.node("Add", x, _number(eqn, 1))),
    "expm1": lambda graph, eqn, x: graph.node("Sub", graph.node("Exp", x), _number(eqn, 1)),
    "rem": _as("Mod", fmod=1),
    "is_finite": _finite,
    "integer_pow": _power,
    "clamp": _clamp,
    "select_n": _select,
    "convert_element_type": _cast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "concatenate": lambda graph, eqn, *xs: graph.node("Concat", *xs, axis=eqn.params["dimension"]),
    "slice": _slice,
    "split": _split,
    "rev": _rev,
    "pad": _pad,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "gather": _gather,
    "scatter-add": _scatter_add,
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_prod": _reduce("ReduceProd"),
    "reduce_and": _reduce_bool("ReduceMin"),
    "reduce_or": _reduce_bool("ReduceMax"),
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "cumsum": _cumulative_sum,
    "dot_general": _dot,
    "conv_general_dilated": _convolution,
    "reduce_window_max": _window("MaxPool"),
    "reduce_window_sum": _window("AveragePool"),
}
