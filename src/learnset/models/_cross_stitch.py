"""A network for each task, and units that mix their layers."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import check_positive, InputError
from ._linear import Linear
from ._tasked import part_of
from ._view import Layers, View


class CrossStitch(eqx.Module):
    """Cross-stitch networks: a network for each task; after each hidden layer, every network
    continues with a learnt combination of the activations of all. So the amount of sharing is
    learnt layer by layer.

    An input goes through the networks of all tasks: time grows with their number. A task outside
    the set (index -1) sees the average of the last combinations, and of the heads.

    **Arguments:**

    - `in_size`, `out_size`: lengths of an input and of an output.
    - `width`, `depth`: of each task's network.
    - `same`: the initial share of a network's own activations; the others have equal shares of the
      rest.

    Source: Misra et al. 2016, *Cross-stitch Networks for Multi-task Learning*, eq. 1, starting at
    0.9 as there. A stitch is one number for a pair of tasks and a layer; there, also for each
    channel.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.CrossStitch(3, 1, num_tasks=4, key=jr.key(0))
    >>> model.for_task(jnp.asarray(2))(jnp.ones(3)).shape
    (1,)
    """

    layers: tuple[Linear, ...]  # each stacked on an axis `tasks`
    stitches: Float[Array, "layers tasks tasks"]
    own: Linear  # heads, stacked on an axis `tasks`
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        num_tasks: int,
        width: int = 40,
        depth: int = 2,
        same: float = 0.9,
        activation: Callable[[Array], Array] = jax.nn.relu,
        key: Key[Array, ""],
    ):
        check_positive("CrossStitch", num_tasks=num_tasks, width=width, depth=depth)
        if not 0 <= same <= 1:
            raise InputError(f"CrossStitch: `same={same}`, but it is a share: from 0 to 1.")

        def of_tasks(fan_in: int, fan_out: int, key: Key[Array, ""]) -> Linear:
            return eqx.filter_vmap(lambda k: Linear(fan_in, fan_out, key=k))(
                jr.split(key, num_tasks)
            )

        *keys, head_key = jr.split(key, depth + 1)
        sizes = [in_size] + [width] * (depth - 1)
        self.layers = tuple(of_tasks(size, width, k) for size, k in zip(sizes, keys, strict=True))
        stitch = own = jnp.eye(num_tasks)
        if num_tasks > 1:
            stitch = same * own + (1 - same) / (num_tasks - 1) * (1 - own)
        self.stitches = jnp.tile(stitch[None], (depth, 1, 1))
        self.own = of_tasks(width, out_size, head_key)
        self.activation = activation

    def for_task(self, index: Int[Array, ""]) -> View:
        body = Stitched(self.layers, self.stitches, index, self.activation)
        return View(body, Layers((), key=jr.key(0)), part_of(self.own, index))


class Stitched(eqx.Module):
    """The body of cross-stitch networks: the last hidden layer of one task, computed with those of
    all."""

    layers: tuple[Linear, ...]
    stitches: Float[Array, "layers tasks tasks"]
    index: Int[Array, ""]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "width"]:
        xs = jnp.broadcast_to(x[None], (self.stitches.shape[1], len(x)))
        for layer, stitch in zip(self.layers, self.stitches, strict=True):
            xs = stitch @ self.activation(eqx.filter_vmap(lambda one, x: one(x))(layer, xs))
        return part_of(xs, self.index)
