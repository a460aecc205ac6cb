"""The residual network that is standard in few-shot learning."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import InputError
from ._convolution import Convolution, max_pool
from ._linear import Initialiser
from ._normalisation import AbstractNormalisation, SupportNorm

SLOPE = 0.1  # of the leaky ReLU for negative inputs
Images = Float[Array, "points height width channels"]


class Layer(eqx.Module):
    """Convolution and normalisation."""

    convolution: Convolution
    normalisation: AbstractNormalisation

    def __call__(self, x: Images, weight: Float[Array, "points"]) -> Images:
        return self.normalisation(self.convolution(x), weight)

    def settle(self, x: Images, weight: Float[Array, "points"]) -> "Layer":
        """The layer with statistics of the support set stored in it."""
        settled = self.normalisation.settle(self.convolution(x), weight)
        return eqx.tree_at(lambda layer: layer.normalisation, self, settled)


class ResidualBlock(eqx.Module):
    """Three layers with leaky ReLUs between them, plus a shortcut of one by one pixel, then a leaky
    ReLU and pooling."""

    layers: tuple[Layer, Layer, Layer]
    shortcut: Layer

    def __call__(self, x: Images, weight: Float[Array, "points"]) -> Images:
        long = x
        for number, layer in enumerate(self.layers):
            long = layer(_activated(long) if number else long, weight)
        return max_pool(_activated(long + self.shortcut(x, weight)))

    def settle(self, x: Images, weight: Float[Array, "points"]) -> "ResidualBlock":
        """The block with statistics of the support set stored in it."""
        long, layers = x, []
        for number, layer in enumerate(self.layers):
            long = _activated(long) if number else long
            layers.append(layer.settle(long, weight))
            long = layers[-1](long, weight)
        return ResidualBlock(tuple(layers), self.shortcut.settle(x, weight))


class ResNet12(eqx.Module):
    """ResNet-12: four residual blocks of three 3 by 3 convolutions, each halving the image. The
    features are the mean over the remaining pixels, `widths[-1]` of them.

    **Arguments:**

    - `in_shape`: of one image, `(height, width, channels)`.
    - `widths`: channels of each block. The narrower `(64, 128, 256, 512)` is TADAM's.
    - `normalisation`: makes a layer from a number of channels: `SupportNorm`, `BatchNorm` or
      `GroupNorm`.

    **Raises:** `InputError` for images so small that the blocks would leave nothing.

    Source: Oreshkin, Rodriguez & Lacoste 2018, *TADAM*, §2.4 (the four blocks and the mean); Lee et
    al. 2019, *Meta-Learning with Differentiable Convex Optimization*, §4.1 (widths, leaky ReLU).
    Different from there: no task conditioning, and no DropBlock.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> encoder = ls.models.ResNet12((16, 16, 1), widths=(4, 4, 8, 8), key=jr.key(0))
    >>> encoder.features(jnp.ones((16, 16, 1))).shape
    (8,)
    """

    blocks: tuple[ResidualBlock, ...]
    in_shape: tuple[int, int, int] = eqx.field(static=True)
    size: int = eqx.field(static=True)  # features

    def __init__(
        self,
        in_shape: tuple[int, int, int],
        *,
        widths: tuple[int, ...] = (64, 160, 320, 640),
        normalisation: Callable[[int], AbstractNormalisation] = SupportNorm,
        initialiser: Initialiser | None = None,
        key: Key[Array, ""],
    ):
        height, width, channels = in_shape
        if min(height, width) < 2 ** len(widths):
            raise InputError(
                f"ResNet12: nothing is left of images of {height} by {width} pixels after"
                f" {len(widths)} halvings. Enlarge them, or take fewer `widths`."
            )

        def layer(before: int, after: int, kernel: int, key: Key[Array, ""]) -> Layer:
            convolution = Convolution(
                before, after, kernel=kernel, initialiser=initialiser, key=key
            )
            return Layer(convolution, normalisation(after))

        def block(before: int, after: int, key: Key[Array, ""]) -> ResidualBlock:
            *keys, shortcut_key = jr.split(key, 4)
            sizes = (before, after, after)
            first, second, third = (
                layer(size, after, 3, k) for size, k in zip(sizes, keys, strict=True)
            )
            return ResidualBlock((first, second, third), layer(before, after, 1, shortcut_key))

        befores, keys = (channels, *widths[:-1]), jr.split(key, len(widths))
        self.blocks = tuple(block(*sizes) for sizes in zip(befores, widths, keys, strict=True))
        self.in_shape, self.size = in_shape, widths[-1]

    def embed(self, xs: Images, weight: Float[Array, "points"]) -> Float[Array, "points features"]:
        """Features of many images together; images without weight do not influence the others."""
        for block in self.blocks:
            xs = block(xs, weight)
        return xs.mean(axis=(1, 2))

    def features(self, x: Float[Array, "height width channels"]) -> Float[Array, "features"]:
        """Features of one image."""
        return self.embed(x[None], jnp.ones(1, x.dtype))[0]

    def settle(self, xs: Images, weight: Float[Array, "points"]) -> "ResNet12":
        """The encoder with statistics of the support set stored in it."""
        blocks = []
        for block in self.blocks:
            blocks.append(block.settle(xs, weight))
            xs = blocks[-1](xs, weight)
        return eqx.tree_at(lambda encoder: encoder.blocks, self, tuple(blocks))

    @property
    def transductive(self) -> bool:
        """Whether the features of one image depend on the others."""
        return self.blocks[0].shortcut.normalisation.transductive


def _activated(x: Images) -> Images:
    return jax.nn.leaky_relu(x, SLOPE)
