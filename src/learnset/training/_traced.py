"""Whether a call is part of a larger program: inside `jax.vmap`, `jax.jit` or `jax.grad`."""

import functools
from typing import Any

import jax
from jax.core import Tracer


def is_traced(*things: Any) -> bool:
    """Whether some number in these is known only when the program runs; those are found as well
    that a function holds, as an optimiser of Optax holds its rate.

    >>> import jax, jax.numpy as jnp, optax
    >>> rates = jnp.ones(3)
    >>> jax.vmap(lambda rate: jnp.asarray(is_traced(optax.sgd(rate))))(rates).tolist()
    [True, True, True]
    """
    left, known = list(things), {}
    while left:
        thing = left.pop()
        if isinstance(thing, Tracer):
            return True
        if id(thing) not in known:
            known[id(thing)] = thing  # held, so that no other gets its number
            left += _inside(thing)
    return False


def _inside(thing: Any) -> list[Any]:
    leaves = [leaf for leaf in jax.tree.leaves(thing) if leaf is not thing]
    for cell in getattr(thing, "__closure__", None) or ():
        try:
            leaves.append(cell.cell_contents)
        except ValueError:  # an empty cell
            continue
    if isinstance(thing, functools.partial):
        leaves += [thing.func, thing.args, thing.keywords]
    return leaves
