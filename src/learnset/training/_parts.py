"""Answering many tasks in parts, each of which fits a stated memory."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import PyTree

from ..core import Task

PART_BYTES = 2**31  # two GiB: what tasks that are answered at once may take
NEVER_MORE = 1000  # times its data: no task takes more memory, so that small ones need no count


def in_parts(function: Callable[[Task], PyTree], tasks: Task, limit: int = PART_BYTES) -> PyTree:
    """`function` of each task: of all at once if they fit into `limit` bytes, otherwise of as many
    as fit, part after part."""
    count = at_once(function, tasks, limit)
    number = jax.tree.leaves(tasks)[0].shape[0]
    if count >= number:
        return jax.vmap(function)(tasks)
    rows = jnp.arange(math.ceil(number / count) * count) % number  # the last part is filled up
    answers = jax.lax.map(
        lambda part: jax.vmap(function)(jax.tree.map(lambda leaf: leaf[part], tasks)),
        rows.reshape(-1, count),
    )
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:number], answers)


def at_once(function: Callable[[Task], PyTree], tasks: Task, limit: int) -> int:
    """How many tasks fit into `limit` bytes, at least one, with parts of about the same size."""
    leaves = jax.tree.leaves(tasks)
    number = leaves[0].shape[0]
    if NEVER_MORE * sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) <= limit:
        return number
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), tasks)
    flat, structure = jax.tree.flatten(one)
    closed = jax.make_jaxpr(
        lambda *leaves: eqx.filter(function(jax.tree.unflatten(structure, leaves)), eqx.is_array)
    )(*flat)
    count = max(1, limit // max(1, peak_bytes(closed.jaxpr)))
    return math.ceil(number / math.ceil(number / count))


def peak_bytes(program: Any) -> int:
    """The most bytes that the values of a program (a jaxpr) take at one time: each from where it is
    made to where it is last used. Compilers need less, because they fuse steps."""
    last: dict[Any, int] = {}
    for i, equation in enumerate(program.eqns):
        last |= {v: i for v in equation.invars if not isinstance(v, core.Literal)}
    last |= {v: len(program.eqns) for v in program.outvars if not isinstance(v, core.Literal)}
    ends: dict[int, int] = {}
    present = most = 0
    for i, equation in enumerate(program.eqns):
        inner = max(map(peak_bytes, _programs(equation)), default=0)
        for v in equation.outvars:
            size = _bytes(v)
            present += size
            ends[last.get(v, i)] = ends.get(last.get(v, i), 0) + size
        most = max(most, present + inner)
        present -= ends.get(i, 0)
    return most


def _programs(equation: Any) -> Iterator[Any]:
    """The programs inside an equation, such as the body of a loop."""
    for value in equation.params.values():
        for each in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(each, core.ClosedJaxpr):
                yield each.jaxpr
            elif isinstance(each, core.Jaxpr):
                yield each


def _bytes(variable: Any) -> int:
    shape = getattr(variable.aval, "shape", ())
    dtype = getattr(variable.aval, "dtype", None)
    return math.prod(shape) * getattr(dtype, "itemsize", 4)
