"""Compiled functions that are kept: a bounded number, and one for arguments that are made alike.

JAX keeps a program for every new function, and `optax.adam(1e-3)` makes new functions at each call:
a process that calls `train` in a loop would compile each time, and keep all programs."""

import enum
import functools
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from ..core import shards

KEPT = 32  # programs, of some 14 MB each


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`equinox.filter_jit` that takes functions for the same if they have the same code and carry
    the same values, and keeps the last `KEPT` programs only.

    >>> def applied(f, x):
    ...     return f(x)
    >>> def plus(number):
    ...     return lambda x: x + number
    >>> call = compiled(applied)
    >>> [int(call(plus(1), jax.numpy.asarray(3))) for _ in range(2)], len(call.programs)
    ([4, 4], 1)
    """
    programs: OrderedDict[Any, Callable[..., Any]] = OrderedDict()

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        arrays, static = eqx.partition(args, eqx.is_array)
        key = _static_key(static), shards()
        if key not in programs:
            programs[key] = _program(function, static)
        programs.move_to_end(key)
        while len(programs) > KEPT:
            programs.popitem(last=False)
        return programs[key](arrays)

    call.programs = programs  # pyright: ignore[reportAttributeAccessIssue]
    return call


def same_code(one: Any, other: Any) -> bool:
    """Whether two trees have equal arrays, and functions that have the same code and carry the same
    values.

    >>> import optax
    >>> one, same, other = (optax.adam(optax.linear_schedule(lr, 0, 9)) for lr in (0.1, 0.1, 0.2))
    >>> same_code(one, same), same_code(one, other)
    (True, False)
    """
    (arrays, static), (others, fixed) = (eqx.partition(t, eqx.is_array) for t in (one, other))
    return _static_key(static) == _static_key(fixed) and bool(eqx.tree_equal(arrays, others))


def _static_key(static: Any) -> Any:
    leaves, structure = jax.tree.flatten(static)
    return structure, tuple(map(_key, leaves))


def _program(function: Callable[..., Any], static: Any) -> Callable[..., Any]:
    """A program that is freed when nobody holds it: `equinox.filter_jit` hands functions to JAX as
    arguments, which keeps them."""
    fixed = []

    def of_arrays(arrays: Any) -> Any:
        moving, rest = eqx.partition(function(*eqx.combine(arrays, static)), eqx.is_array)
        fixed[:] = [rest]
        return moving

    jitted = jax.jit(of_arrays)
    return lambda arrays: eqx.combine(jitted(arrays), fixed[0])


class _Mutable(Exception):
    """A function carries something that may change: it is equal to itself alone."""


def _key(leaf: Any) -> Any:
    """A key that is equal only for leaves that compile to the same program."""
    if not isinstance(leaf, (types.FunctionType, functools.partial)):
        return type(leaf), leaf
    try:
        return _contents(leaf, ())
    except _Mutable:
        return leaf


def _contents(value: Any, inside: tuple[Any, ...]) -> Any:
    if any(value is outer for outer in inside):
        return "the function itself"
    inside = (*inside, value)
    match value:
        case types.FunctionType():
            parts = (value.__defaults__, value.__kwdefaults__, *map(_cell, value.__closure__ or ()))
            keys = tuple(_contents(part, inside) for part in parts)
            return value.__code__, id(value.__globals__), keys
        case functools.partial():
            return _contents((value.func, value.args, value.keywords), inside)
        case float() | complex():
            return type(value), repr(value)  # zero and minus zero are two
        case tuple() | list():
            return type(value), tuple(_contents(part, inside) for part in value)
        case dict():
            return tuple((name, _contents(part, inside)) for name, part in value.items())
        case eqx.Module():
            leaves, structure = jax.tree.flatten(value)
            return structure, tuple(_contents(leaf, inside) for leaf in leaves)
        case jax.Array():
            return "array", _Same(value)
        case None | bool() | int() | str() | bytes() | type() | enum.Enum():
            return type(value), value
        case types.BuiltinFunctionType() | types.ModuleType():
            return _Same(value)
    wrapped = getattr(value, "__wrapped__", None)  # `jax.jit`, `jax.custom_jvp`, NumPy's functions
    if wrapped is not None and type(value).__module__.startswith(("jax", "equinox", "functools")):
        return _Same(value)
    raise _Mutable


class _Same:
    """A value that is equal to itself alone."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that was not set yet
        return "unset"
