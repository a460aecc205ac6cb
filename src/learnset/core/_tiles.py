"""Sums over many tasks, in tiles that fit a processor's cache.

All tasks at once would write each array of a step for all tasks before the next one is read: once
that leaves the cache, a task costs two to four times as much, and memory grows with the tasks.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Float, PyTree

from ._shards import sum_in_parts
from ._types import Model, Task

# Measured with networks of width 20 to 200, and with four convolutions, on one core with a cache of
# 1 MiB: a tile whose tasks write as much is as fast as any, and one task after another is faster
# than a batch of few large tasks.
TILE_BYTES, FEWEST = 2**21, 4


def mean_gradient(
    loss: Callable[[Model, Task], Any],
    model: Model,
    tasks: Task,
    weight: Float[Array, "tasks"] | None = None,
    *,
    has_aux: bool = False,
) -> tuple[Any, PyTree]:
    """The mean over tasks of a loss, and its gradient, in tiles of tasks.

    **Arguments:**

    - `loss`: of the model on one task; with `has_aux`, the loss and arrays to take the mean of.
    - `weight`: of each task in the sum; default: the same for all, one in total.

    **Returns:** the mean, or with `has_aux` it and that of the other arrays; and the gradient.

    >>> model, tasks = jnp.ones(2), jnp.arange(6.0).reshape(3, 2)
    >>> value, gradient = mean_gradient(lambda model, task: model @ task, model, tasks)
    >>> float(value), gradient.tolist()
    (5.0, [2.0, 3.0])
    """

    def of_tile(tasks: Task, weight: Float[Array, "tile"]) -> tuple[Any, PyTree]:
        @eqx.filter_value_and_grad(has_aux=has_aux)
        def total(model: Model) -> Any:
            return weighted_sum(each(lambda task: loss(model, task), tasks), weight)

        return total(model)

    if weight is None:
        weight = jnp.full(_count(tasks), 1 / _count(tasks))
    # A model with parts for each task has a gradient as large as all of them, in every tile.
    whole = hasattr(model, "for_task")
    size = None if whole else tile_size(lambda task: loss(model, task), tasks)
    return sum_in_tiles(of_tile, tasks, weight, size)


def mean_in_tiles(function: Callable[[Any], PyTree], tasks: PyTree) -> PyTree:
    """The mean over tasks of arrays that a function of one task returns.

    **Arguments:** `tasks`: any PyTree whose arrays have a leading `tasks` axis.

    >>> mean_in_tiles(lambda number: 2 * number, jnp.arange(4.0)).item()
    3.0
    """

    def of_tile(tasks: PyTree, weight: Float[Array, "tile"]) -> PyTree:
        return weighted_sum(each(function, tasks), weight)

    ones = jnp.ones(_count(tasks))
    total = sum_in_tiles(of_tile, tasks, ones, tile_size(function, tasks))
    return jax.tree.map(lambda leaf: leaf / len(ones), total)


def weighted_sum(tree: PyTree, weight: Float[Array, "tasks"]) -> PyTree:
    """The weighted sum over the leading axis of every array."""

    def of_leaf(leaf: Array) -> Array:
        return (leaf * weight.astype(leaf.dtype).reshape(-1, *(1,) * (leaf.ndim - 1))).sum(axis=0)

    return jax.tree.map(of_leaf, tree)


def sum_in_tiles(
    of_tile: Callable[[Any, Float[Array, "tile"]], PyTree],
    tasks: PyTree,
    weight: Float[Array, "tasks"],
    size: int | None,
) -> PyTree:
    """The sum of what `of_tile(tasks, weight)` returns for tiles of at most `size` tasks; `None`
    for all tasks at once, which is the simple form that this is tested against. Where processes
    share the tasks, each has tiles of its own."""

    def of_part(tasks: PyTree, weight: Float[Array, "part"]) -> PyTree:
        return _sum_in_tiles(of_tile, tasks, weight, size)

    return sum_in_parts(of_part, tasks, weight)


def _sum_in_tiles(
    of_tile: Callable[[Any, Float[Array, "tile"]], PyTree],
    tasks: PyTree,
    weight: Float[Array, "tasks"],
    size: int | None,
) -> PyTree:
    count = len(weight)
    if size is None or size >= count:
        return of_tile(tasks, weight)
    size = min(range(-(-size // 2), size + 1), key=lambda size: (-count % size, -size))
    missing = -count % size
    # The last tile is filled up with copies of the last task, which have no weight.
    padded = jax.tree.map(lambda leaf: _extended(leaf, missing), tasks)
    weight = jnp.pad(weight, (0, missing))
    number = (count + missing) // size
    tiles = jax.tree.map(lambda leaf: leaf.reshape(number, size, *leaf.shape[1:]), (padded, weight))

    def add(total: PyTree, tile: Any) -> tuple[PyTree, None]:
        return jax.tree.map(jnp.add, total, of_tile(*tile)), None

    shapes = jax.eval_shape(of_tile, *jax.tree.map(lambda leaf: leaf[0], tiles))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.scan(add, zeros, tiles)[0]


def tile_size(function: Callable[[Any], PyTree], tasks: PyTree) -> int | None:
    """The number of tasks in a tile, from the bytes that `function` writes for one task; `None`
    where all at once is better: on a device other than a CPU."""
    if jax.default_backend() != "cpu" or _count(tasks) == 1:
        return None
    program = jax.make_jaxpr(function)(jax.tree.map(lambda leaf: leaf[0], tasks))
    size = TILE_BYTES // max(1, written(program.jaxpr))
    return size if size >= FEWEST else 1


def written(program: Any) -> int:
    """Bytes of all arrays that a program makes on the way to its result."""
    total = 0
    for equation in program.eqns:
        inside = [
            part
            for part in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program)
            if _is_program(part)
        ]
        bodies = sum(written(getattr(part, "jaxpr", part)) for part in inside)
        results = sum(v.aval.size * v.aval.dtype.itemsize for v in equation.outvars)
        total += bodies * equation.params.get("length", 1) if inside else results
    return total


def each(function: Callable[[Any], PyTree], tasks: PyTree) -> PyTree:
    """`jax.vmap`, but a single task is not batched: its products are faster."""
    if _count(tasks) > 1:
        return jax.vmap(function)(tasks)
    result = function(jax.tree.map(lambda leaf: leaf[0], tasks))
    return jax.tree.map(lambda leaf: leaf[None], result)


def _count(tasks: PyTree) -> int:
    return len(jax.tree.leaves(tasks)[0])


def _extended(leaf: Array, missing: int) -> Array:
    return jnp.concatenate([leaf, jnp.repeat(leaf[-1:], missing, axis=0)]) if missing else leaf


def _is_program(part: Any) -> bool:
    return isinstance(part, (core.Jaxpr, core.ClosedJaxpr))
