"""Limits of the numbers on a command line: what no machine has room for is refused before anything
is allocated."""

import dataclasses
import math
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.random as jr

from ..core import InputError, Split
from ..tasks import AbstractTasks

LARGEST = 2**31 - 1  # JAX counts in 32 bits, and makes a seed of the lowest 32
LARGEST_OF = {"seeds": 1_000, "device_bytes": 2**63 - 1}
PREFIXED = {"method"}  # fields whose options carry their name: --method.inner-lr


def options(command: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """The options of a command: as they are typed, the names of their fields, and their values."""
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if dataclasses.is_dataclass(value):
            inner = prefix or field.name in PREFIXED
            yield from options(value, f"{prefix}{field.name}." if inner else "")
        else:
            yield f"--{prefix}{field.name}".replace("_", "-"), field.name, value


def check_numbers(command: Any) -> None:
    """Raises `InputError` for a whole number that is negative, or larger than can be counted."""
    for flag, name, value in options(command):
        largest = LARGEST_OF.get(name, LARGEST)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int) and not 0 <= number <= largest:
                raise InputError(
                    f"`{flag} {number}`, but it must be a whole number from 0 to {largest:,}."
                )


def check_room(tasks: AbstractTasks, number: int, flags: str) -> None:
    """Raises `InputError` where `number` tasks at once do not fit the memory, of which a training
    step takes a few copies."""
    one = jax.eval_shape(lambda: tasks.draw(1, Split.TRAIN, key=jr.key(0)))
    needed = 4 * number * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
    if needed > (room := memory()):
        raise InputError(
            f"{number:,} tasks at once need about {needed / 2**30:,.1f} GiB of memory, but there"
            f" are {room / 2**30:,.1f}. Lower {flags}."
        )


def check_model(make: Callable[[], Any], flags: str) -> None:
    """Raises `InputError` for a model that does not fit the memory, of which training takes a few
    copies."""
    arrays = eqx.filter(eqx.filter_eval_shape(make), lambda leaf: hasattr(leaf, "dtype"))
    sizes = [math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(arrays)]
    if 4 * sum(sizes) > (room := memory()):
        raise InputError(
            f"The model needs about {4 * sum(sizes) / 2**30:,.1f} GiB of memory to be trained, but"
            f" there are {room / 2**30:,.1f}. Lower {flags}."
        )


def memory() -> int:
    """Bytes that this process may take: of the machine, of its container, of its limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limits += [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    container = Path("/sys/fs/cgroup/memory.max")
    text = container.read_text().strip() if container.is_file() else "max"
    limits += [int(text)] if text.isdecimal() else []
    return min(limit for limit in limits if limit > 0)  # -1 is no limit
