"""Models with parts for each task of a finite set. `for_task` gives the view of a task; -1 is a new
one."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import head


class SharedBody(eqx.Module):
    """Hard parameter sharing: one body for all tasks and a head for each.

    Source: Caruana 1997, *Multitask Learning*, §2.

    A task outside the set (index -1) sees the body with a fresh head: the initial one of `model`,
    which no task trained.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> shared = ls.SharedBody(ls.MLP(1, 1, key=jr.key(0)), num_tasks=30, key=jr.key(1))
    >>> shared.for_task(jnp.asarray(3))(jnp.ones(1)).shape
    (1,)
    """

    model: Any  # anything with a `head`; its head is the fresh one
    heads: PyTree[Float[Array, "tasks ..."]]

    def __init__(self, model: Any, *, num_tasks: int, key: Key[Array, ""]):
        self.model = model
        self.heads = jax.vmap(lambda k: _like(head(model), key=k))(jr.split(key, num_tasks))

    @property
    def own(self) -> PyTree[Float[Array, "tasks ..."]]:
        """The parts of single tasks: their heads."""
        return self.heads

    def with_mean_head(self) -> "SharedBody":
        """The same, with the mean of all heads as the head of `model`: the one for a new task."""
        mean = jax.tree.map(lambda leaf: leaf.mean(axis=0), self.heads)
        return eqx.tree_at(lambda shared: head(shared.model), self, mean)

    def for_task(self, index: Int[Array, ""]) -> Any:
        return eqx.tree_at(head, self.model, _pick(self.heads, head(self.model), index))


class Separate(eqx.Module):
    """Separate models, one for each task: nothing is shared, unless the method pulls the models
    together.

    A task outside the set (index -1) sees the average of all models: the "parameter averaging" of
    MAML's Table 2 (Finn, Abbeel & Levine 2017, appendix C).

    **Arguments:**

    - `models`: models stacked on a leading `tasks` axis, as `equinox.filter_vmap` makes them.
    """

    models: PyTree[Float[Array, "tasks ..."]]

    @property
    def own(self) -> PyTree[Float[Array, "tasks ..."]]:
        """The parts of single tasks: everything."""
        return self.models

    def for_task(self, index: Int[Array, ""]) -> Any:
        return part_of(self.models, index)


def separate(
    make: Callable[[Key[Array, ""]], Any], num_tasks: int, *, key: Key[Array, ""]
) -> Separate:
    """`Separate` models, each made by `make(key)` from its own key."""
    return Separate(eqx.filter_vmap(make)(jr.split(key, num_tasks)))


def part_of(stacked: PyTree[Float[Array, "tasks ..."]], index: Int[Array, ""]) -> PyTree:
    """The part of task number `index`; the average over all tasks for -1."""
    arrays, rest = eqx.partition(stacked, eqx.is_inexact_array)
    return eqx.combine(_pick(arrays, mean(arrays), index), rest)


def mean(stacked: PyTree[Float[Array, "tasks ..."]]) -> PyTree:
    """The average over the leading axis."""
    return jax.tree.map(lambda leaf: leaf.mean(axis=0), stacked)


def _pick(stacked: PyTree, new: PyTree, index: Int[Array, ""]) -> PyTree:
    """Entry `index` of each leaf; `new` for -1."""
    return jax.tree.map(lambda many, one: jnp.where(index < 0, one, many[index]), stacked, new)


def _like(layer: PyTree, *, key: Key[Array, ""]) -> PyTree:
    """A new layer of the same shapes, uniform within the bounds of the given one."""
    leaves, structure = jax.tree.flatten(layer)
    keys = jr.split(key, len(leaves))
    bounds = [jnp.abs(leaf).max() for leaf in leaves]
    drawn = [
        jr.uniform(k, leaf.shape, leaf.dtype, -b, b)
        for k, leaf, b in zip(keys, leaves, bounds, strict=True)
    ]
    return jax.tree.unflatten(structure, drawn)
