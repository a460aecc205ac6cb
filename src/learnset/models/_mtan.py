"""A shared network, and masks with which each task attends to it."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, Shaped

from ..core import check_positive, InputError
from ._convolution import Convolution, max_pool
from ._linear import Linear
from ._tasked import part_of
from ._view import Layers, View

Layer = Linear | Convolution


class MTAN(eqx.Module):
    """Multi-task attention network (MTAN): after each block of a shared network, a task multiplies
    the activations by a mask between zero and one, made from the block and from the activations it
    attended to before.

    A task outside the set (index -1) sees the average of all parameters of masks and of heads.

    **Arguments:**

    - `in_shape`: length of an input, or `(height, width, channels)` of an image, which each block
      then halves.
    - `out_size`: length of an output.
    - `width`: units (or filters) of each layer. `blocks`: number of blocks, of two shared layers
      each.

    **Raises:** `InputError` for images so small that the blocks would leave nothing.

    Source: Liu, Johns & Davison 2019, *End-to-End Multi-Task Learning with Attention*, §3.2, eqs. 1
    and 2. For images, masks have kernels of side one, as there, but nothing is normalised; there,
    batches are.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.MTAN(3, 1, num_tasks=30, key=jr.key(0))
    >>> model.for_task(jnp.asarray(7))(jnp.ones(3)).shape
    (1,)
    >>> images = ls.models.MTAN((8, 8, 1), 5, num_tasks=2, key=jr.key(0))
    >>> images.for_task(jnp.asarray(1)).features(jnp.ones((8, 8, 1))).shape
    (160,)
    """

    blocks: tuple["Block", ...]
    own: "Attending"  # stacked on an axis `tasks`

    def __init__(
        self,
        in_shape: int | tuple[int, int, int],
        out_size: int,
        *,
        num_tasks: int,
        width: int = 40,
        blocks: int = 2,
        key: Key[Array, ""],
    ):
        check_positive("MTAN", num_tasks=num_tasks, width=width, blocks=blocks)
        image = not isinstance(in_shape, int)
        pixels = math.prod(side // 2**blocks for side in in_shape[:2]) if image else 1
        if not pixels:
            raise InputError(
                f"MTAN: nothing is left of images of {in_shape} after {blocks} halvings. Enlarge"
                " them, or take fewer `blocks`."
            )
        blocks_key, own_key = jr.split(key)
        inputs = [in_shape[-1] if image else in_shape] + [width] * (blocks - 1)
        self.blocks = tuple(
            Block(size, width, image, key=k)
            for size, k in zip(inputs, jr.split(blocks_key, blocks), strict=True)
        )
        features = pixels * width

        def of_task(key: Key[Array, ""]) -> Attending:
            return Attending(width, blocks, image, features, out_size, key=key)

        self.own = eqx.filter_vmap(of_task)(jr.split(own_key, num_tasks))

    def for_task(self, index: Int[Array, ""]) -> View:
        own = part_of(self.own, index)
        return View(Attended(self.blocks, own.masks), Layers((), key=jr.key(0)), own.head)


class Block(eqx.Module):
    """Two layers of the shared network, and one that carries the attended activations of a task to
    the next block."""

    first: Layer
    second: Layer
    down: Layer

    def __init__(self, in_size: int, width: int, image: bool, *, key: Key[Array, ""]):
        layer = Convolution if image else Linear
        sizes = (in_size, width, width)
        self.first, self.second, self.down = (
            layer(size, width, key=k) for size, k in zip(sizes, jr.split(key, 3), strict=True)
        )


class Mask(eqx.Module):
    """A mask: the share of each activation that a task lets through."""

    inner: Layer
    outer: Layer

    def __call__(self, x: Shaped[Array, "*in"]) -> Float[Array, "*out"]:
        return jax.nn.sigmoid(_of(self.outer, jax.nn.relu(_of(self.inner, x))))


class Attending(eqx.Module):
    """The parts of one task: a mask for each block, and a head."""

    masks: tuple[Mask, ...]
    head: Linear

    def __init__(
        self,
        width: int,
        blocks: int,
        image: bool,
        features: int,
        out_size: int,
        *,
        key: Key[Array, ""],
    ):
        *keys, head_key = jr.split(key, 2 * blocks + 1)
        layer: Callable[..., Layer] = _point_by_point if image else Linear
        inputs = [width] + [2 * width] * (blocks - 1)  # nothing is attended to before the first
        self.masks = tuple(
            Mask(layer(size, width, key=inner), layer(width, width, key=outer))
            for size, inner, outer in zip(inputs, keys[::2], keys[1::2], strict=True)
        )
        self.head = Linear(features, out_size, key=head_key)


class Attended(eqx.Module):
    """The body of MTAN: the shared network as seen through the masks of one task."""

    blocks: tuple[Block, ...]
    masks: tuple[Mask, ...]

    def __call__(self, x: Shaped[Array, "*in"]) -> Float[Array, "features"]:
        attended: list[Array] = []  # the activations that the last block attended to
        for block, mask in zip(self.blocks, self.masks, strict=True):
            inner = jax.nn.relu(_of(block.first, x))
            x = jax.nn.relu(_of(block.second, inner))
            share = mask(jnp.concatenate([inner, *attended], axis=-1))
            attended = [_halved(jax.nn.relu(_of(block.down, share * x)))]
            x = _halved(x)
        return attended[0].ravel()


def _point_by_point(in_size: int, out_size: int, *, key: Key[Array, ""]) -> Convolution:
    return Convolution(in_size, out_size, kernel=1, key=key)


def _of(layer: Layer, x: Shaped[Array, "*in"]) -> Float[Array, "*out"]:
    return layer(x[None])[0] if isinstance(layer, Convolution) else layer(x)


def _halved(x: Float[Array, "*in"]) -> Float[Array, "*out"]:
    """An image pooled to half its side; a vector as it is."""
    return max_pool(x[None])[0] if x.ndim == 3 else x
