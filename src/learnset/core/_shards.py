"""Tasks that are divided among processes: one mesh axis, `tasks`."""

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
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
        shape = (processes, count // processes, len(leaf) // count, *leaf.shape[1:])
        return leaf.reshape(shape).swapaxes(0, 1)

    def turn(arrays: PyTree) -> list[jax.Array]:
        # The same program for each part, whichever process has it.
        arrays = barrier(_placed(arrays, PartitionSpec(AXIS)))
        return barrier(_placed(joined(jax.vmap(function)(*arrays)), PartitionSpec(AXIS)))

    barrier, turns = jax.lax.optimization_barrier, jax.tree.map(in_turns, arrays)
    like = jax.eval_shape(function, *jax.tree.map(lambda leaf: leaf[0, 0], turns))
    joined, apart = _joining(like)
    each = jax.lax.map(turn, turns)  # "turns processes numbers"
    if parts is None:
        return apart(in_common([leaf.sum(axis=(0, 1)) for leaf in each]))

    def in_order(leaf: jax.Array) -> jax.Array:
        return functools.reduce(operator.add, leaf.swapaxes(0, 1).reshape(count, -1))

    return apart([in_order(leaf) for leaf in in_common(each)])


def _joining(
    like: PyTree,
) -> tuple[Callable[[PyTree], list[jax.Array]], Callable[[list[jax.Array]], PyTree]]:
    """Makes one array for each type of number of a PyTree's arrays, which have one more axis in
    front, and arrays of the PyTree again of such without that axis: processes exchange few large
    arrays much faster than many small ones."""
    leaves, structure = jax.tree.flatten(like)
    types = sorted({leaf.dtype for leaf in leaves}, key=str)
    order = [[i for i, leaf in enumerate(leaves) if leaf.dtype == kind] for kind in types]

    def joined(tree: PyTree) -> list[jax.Array]:
        flat = [
            leaf.reshape(len(leaf), math.prod(leaf.shape[1:])) for leaf in jax.tree.leaves(tree)
        ]
        return [jnp.concatenate([flat[i] for i in of_type], axis=1) for of_type in order]

    def apart(arrays: list[jax.Array]) -> PyTree:
        parts: dict[int, jax.Array] = {}
        for of_type, array in zip(order, arrays, strict=True):
            ends = np.cumsum([leaves[i].size for i in of_type])[:-1]
            split = zip(of_type, jnp.split(array, ends), strict=True)
            parts |= {i: part.reshape(leaves[i].shape) for i, part in split}
        return jax.tree.unflatten(structure, [parts[i] for i in range(len(leaves))])

    return joined, apart


def _placed(tree: PyTree, spec: PartitionSpec) -> PyTree:
    mesh = shards().mesh
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, spec)

    def of_leaf(leaf: Any) -> Any:
        return jax.lax.with_sharding_constraint(leaf, sharding) if eqx.is_array(leaf) else leaf

    return jax.tree.map(of_leaf, tree)
