"""Examples that stay on the host are read while the device computes the steps before."""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..data import announced, Early
from ._compiled import compiled
from ._loop import Loop, Run


@contextlib.contextmanager
def read_ahead(program: Loop, run: Run, bounds: Sequence[tuple[int, int]]) -> Iterator[None]:
    """Has a thread draw the tasks of the next steps, and read their examples. The compiled loop
    draws its tasks as ever, and finds what it asks for: numbers do not depend on it.

    **Arguments:** `bounds`: the first and last step of each call of the program.
    """
    tasks = announced(run.tasks)
    if tasks is None or not bounds or jax.process_count() > 1:
        yield
        return
    early, run = Early(run.tasks), Run(tasks, run.fixed, run.key)
    ahead = program.ahead(_of_one(run))
    starts = [start for begin, end in bounds for start in range(begin, end, ahead)]

    def read() -> None:
        for number, start in enumerate(starts):
            if not early.wait(number):
                return
            jax.block_until_ready(_announce(program, run, jnp.int32(start)))

    with ThreadPoolExecutor(1, "learnset-reads") as thread, early:
        done = thread.submit(read)
        try:
            yield
        finally:
            early.stop()
        done.result()


def _of_one(run: Run) -> Run:
    """The run of the first seed."""
    arrays, rest = eqx.partition(run, eqx.is_array)
    first = jax.tree.map(lambda leaf: leaf[0], arrays) if run.key.ndim else arrays
    return eqx.combine(first, rest)


@compiled
def _announce(program: Loop, run: Run, step: Array) -> Float[Array, ""]:
    """A number that depends on the examples of all tasks that are drawn at once from `step` on, so
    that they are asked for."""

    def of_one(run: Run) -> Any:
        return program.batches(run, step)

    tasks = (eqx.filter_vmap(of_one) if run.key.ndim else of_one)(run)
    leaves = jax.tree.leaves((tasks.support.x, tasks.query.x))
    return jnp.stack([leaf.reshape(-1)[0] for leaf in leaves]).sum()
