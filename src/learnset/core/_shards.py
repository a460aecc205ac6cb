"""Tasks that are divided among processes: one mesh axis, `tasks`."""

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

AXIS = "tasks"


class Shards(NamedTuple):
    """The devices of all processes, if there are several, and the parts of a sum over tasks, if
    they are fixed."""

    mesh: Mesh | None = None
    parts: int | None = None


ALONE = Shards()
_shards: ContextVar[Shards] = ContextVar("shards", default=ALONE)


def shards() -> Shards:
    """How programs that are traced now divide tasks."""
    return _shards.get()


def all_devices() -> Mesh:
    """The devices of all processes, among which tasks are divided."""
    return Mesh(np.array(jax.devices()), (AXIS,))


@contextlib.contextmanager
def in_shards(parts: int | None = None) -> Iterator[None]:
    """Has programs that are traced inside divide tasks among all devices of all processes, if there
    are several.

    **Arguments:** `parts`: take sums over tasks in this many parts, one after the other, so that
    any number of processes that divides it has the same sums, bit for bit.
    """
    mesh = all_devices() if jax.process_count() > 1 else None
    token = _shards.set(Shards(mesh, parts))
    try:
        yield
    finally:
        _shards.reset(token)


def divided(tasks: PyTree) -> PyTree:
    """Tasks of which each process has a part; as they are where there is one process, or where all
    draw all tasks, because numbers have to be the same bit for bit."""
    return tasks if shards().parts else _placed(tasks, PartitionSpec(AXIS))


def in_common(tree: PyTree) -> PyTree:
    """Arrays that each process has in full; as they are where there is one process."""
    return _placed(tree, PartitionSpec())


def sum_in_parts(function: Callable[..., PyTree], *arrays: PyTree) -> PyTree:
    """The sum of what a function returns for the parts of the leading axis of arrays, each of which
    one process takes; what it returns for all where there are no parts.

    >>> import jax.numpy as jnp
    >>> with in_shards(parts=2):
    ...     sum_in_parts(lambda x: x.sum(), jnp.arange(4.0)).item()
    6.0
    """
    mesh, parts = shards()
    processes = 1 if mesh is None else mesh.size
    count = parts or processes
    if count == 1:
        return function(*arrays)

    def in_turns(leaf: jax.Array) -> jax.Array:
        return leaf.reshape(processes, count // processes, -1, *leaf.shape[1:]).swapaxes(0, 1)

    def turn(arrays: PyTree) -> PyTree:
        # The same program for each part, whichever process has it.
        arrays = barrier(_placed(arrays, PartitionSpec(AXIS)))
        return barrier(_placed(jax.vmap(function)(*arrays), PartitionSpec(AXIS)))

    barrier, turns = jax.lax.optimization_barrier, jax.tree.map(in_turns, arrays)
    each = jax.lax.map(turn, turns)  # "turns processes ..."
    if parts is None:
        return in_common(jax.tree.map(lambda leaf: leaf.sum(axis=(0, 1)), each))

    def in_order(leaf: jax.Array) -> jax.Array:
        return functools.reduce(operator.add, leaf.swapaxes(0, 1).reshape(count, *leaf.shape[2:]))

    return jax.tree.map(in_order, in_common(each))


def _placed(tree: PyTree, spec: PartitionSpec) -> PyTree:
    mesh = shards().mesh
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, spec)

    def of_leaf(leaf: Any) -> Any:
        return jax.lax.with_sharding_constraint(leaf, sharding) if eqx.is_array(leaf) else leaf

    return jax.tree.map(of_leaf, tree)
