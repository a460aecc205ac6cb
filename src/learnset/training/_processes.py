"""Processes that train one model together: what they agree on, and what the first one does."""

import functools
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from ..core import all_devices, InputError, is_key

PATIENCE = 600  # seconds


def is_first() -> bool:
    """Whether this process is the first: it alone writes and speaks."""
    return jax.process_index() == 0


def from_first(function: Callable[[], Any]) -> Any:
    """What a function returns in the first process, in all of them; only that one calls it. The
    value is pickled.

    **Raises:** `InputError` everywhere, if it does so there.
    """
    if jax.process_count() == 1:
        return function()
    result: Any = None
    if is_first():
        try:
            result = function()
        except InputError as error:
            result = error
    content = np.frombuffer(pickle.dumps(result), np.uint8)
    size = int(_of_all(np.array([len(content)]))[0][0])
    padded = content if is_first() else np.zeros(size, np.uint8)
    result = pickle.loads(_of_all(padded)[0].tobytes())
    if isinstance(result, InputError):
        raise result
    return result


def any_of(*flags: bool) -> list[bool]:
    """Whether a flag is set in any process, for each."""
    if jax.process_count() == 1:
        return list(flags)
    return np.any(_of_all(np.array(flags)), axis=0).tolist()


def everywhere(tree: PyTree) -> PyTree:
    """Arrays, which are the same in all processes, as arrays of all of them together."""
    if jax.process_count() == 1:
        return tree
    sharding = NamedSharding(all_devices(), PartitionSpec())

    def placed(values: np.ndarray) -> Array:
        return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])

    return _made_of(placed, tree)


def here(tree: PyTree) -> PyTree:
    """Arrays of all processes together as arrays of this one."""
    return tree if jax.process_count() == 1 else _made_of(jnp.asarray, tree)


def _made_of(make: Callable[[np.ndarray], Array], tree: PyTree) -> PyTree:
    """The tree with arrays that are made of the same numbers, random keys of theirs."""

    def of_leaf(leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        if is_key(leaf):
            numbers = make(np.asarray(jr.key_data(leaf)))
            return jr.wrap_key_data(numbers, impl=jr.key_impl(leaf))
        return make(np.asarray(leaf))

    return jax.tree.map(of_leaf, tree)


def check_shared(tasks_per_step: int, parts: int | None) -> None:
    """Raises `InputError` unless the tasks of a step can be divided into parts, and these among
    processes."""
    count = jax.device_count() if jax.process_count() > 1 else 1
    if parts is not None and (parts < 1 or parts % count):
        raise InputError(
            f"train: `parts={parts}`, but it must be a multiple of {count}, the number of"
            " processes."
        )
    count = parts or count
    if tasks_per_step % count:
        fewer = tasks_per_step // count * count
        near = f"{fewer} or {fewer + count}" if fewer else f"{count}"
        raise InputError(
            f"train: `tasks_per_step={tasks_per_step}`, but {count} equal parts are taken of them."
            f" Take {near}."
        )


def _of_all(values: np.ndarray) -> np.ndarray:
    """The values of each process, on a leading axis."""
    from jax.experimental import multihost_utils

    _first_meeting()
    return np.asarray(multihost_utils.process_allgather(values))


_meetings = itertools.count()


def meet() -> None:
    """Waits until all processes are here. When they first connect to run a program together, one
    waits for another for half a minute and no longer, which is too short where one is compiling on
    a busy machine, or started late."""
    from jax._src.distributed import global_state  # has no public name

    if global_state.client is not None:
        global_state.client.wait_at_barrier(f"learnset {next(_meetings)}", 1000 * PATIENCE)


_first_meeting = functools.cache(meet)
