"""EfficientNet-Lite, pretrained on ImageNet."""

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from ..core import InputError
from ._linear import Linear
from ._stored_norm import Image, Step

# Repeats, kernel, stride, expansion and channels of each stage.
STAGES = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
SCALES = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260))  # width, depth, side of an image
STEM, SIZE, CLASSES = 32, 1280, 1000
LENGTH = 10.0  # of the features of one block, so that penalties of the usual size suit them
AT_ONCE = 32  # images whose activations are in memory together

Arrays = Mapping[str, np.ndarray]


class Block(eqx.Module):
    """An inverted bottleneck: expand, filter each channel, project; added to the input if both have
    one shape."""

    expand: Step | None
    depthwise: Step
    project: Step

    def __call__(self, x: Image) -> Image:
        wide = x if self.expand is None else jax.nn.relu6(self.expand(x))
        y = self.project(jax.nn.relu6(self.depthwise(wide)))
        return x + y if x.shape == y.shape else y


class LiteStart(eqx.Module):
    """The first blocks of an EfficientNet-Lite: images to activations."""

    stem: Step
    blocks: tuple[Block, ...]

    def features(self, x: Image) -> Image:
        x = jax.nn.relu6(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return x


class LiteEnd(eqx.Module):
    """The last blocks of an EfficientNet-Lite: activations to the features of the whole, the last
    activations averaged over places."""

    blocks: tuple[Block, ...]
    last: Step

    def features(self, x: Image) -> Float[Array, "features"]:
        for block in self.blocks:
            x = block(x)
        return jax.nn.relu6(self.last(x)).mean(axis=(0, 1))

    def embed(
        self, xs: Float[Array, "points height width channels"], weight: Float[Array, "points"]
    ) -> Float[Array, "points features"]:
        """Features of many images, of which few at a time are in memory."""
        return jax.lax.map(self.features, xs, batch_size=AT_ONCE)


class LiteLayers(eqx.Module):
    """An EfficientNet-Lite whose features are those of all of its blocks: the means of each over
    the quarters of the image, of length one together, and the features of the whole, too.

    Source: Evci et al. 2022, *Head2Toe: Utilizing Intermediate Representations for Better Transfer
    Learning*, §3.1. Different from there: quarters for every block, and none is left out.
    """

    stem: Step
    blocks: tuple[Block, ...]
    last: Step

    def features(self, x: Image) -> Float[Array, "features"]:
        x, found = jax.nn.relu6(self.stem(x)), []
        for block in self.blocks:
            x = block(x)
            found.append(_of_length_one(_quarters(x)))
        whole = jax.nn.relu6(self.last(x)).mean(axis=(0, 1))
        return jnp.concatenate([*found, _of_length_one(whole)]) * LENGTH


class EfficientNetLite(eqx.Module):
    """EfficientNet-Lite0, 1 or 2: an image network of 4.7 to 6.1 million parameters with 1280
    features.

    **Arguments:**

    - `lite`: 0, 1 or 2, for images of 224, 240 or 260 pixels, standardised by `(x - 127) / 128`.
    - `arrays`: weights, by the names that they have in PyTorch, as `read_pth` gives them;
      `Backbone.named` finds them. Default: random ones, from `key`.

    **Raises:** `InputError` for arrays of another network.

    Source: Tan & Le 2019, *EfficientNet*; the Lite variants of its authors' code: ReLU6 in place of
    swish, no squeeze-and-excitation, first and last stage of one size.

    >>> import jax, jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> network = ls.models.EfficientNetLite(key=jr.key(0))
    >>> jax.eval_shape(network.features, jnp.zeros((32, 32, 3))).shape  # computes nothing
    (1280,)
    """

    stem: Step
    blocks: tuple[Block, ...]
    last: Step
    head: Linear
    in_shape: tuple[int, int, int] = eqx.field(static=True)
    size: int = eqx.field(static=True)  # features

    def __init__(
        self, lite: int = 0, *, arrays: Arrays | None = None, key: Key[Array, ""] | None = None
    ):
        if lite not in range(len(SCALES)) or (arrays is None) is (key is None):
            raise InputError(
                f"EfficientNetLite: `lite={lite}` must be 0, 1 or 2, with `arrays` or a `key`."
            )
        width, depth, side = SCALES[lite]
        step: Callable[..., Step] = _random(key) if arrays is None else _named(arrays)
        self.stem, channels, blocks = step("_conv_stem", "_bn0", 3, 3, STEM, 2), STEM, []
        for stage, (repeats, kernel, stride, expansion, out) in enumerate(STAGES):
            inner = 0 < stage < len(STAGES) - 1
            out = _rounded(width * out)
            for repeat in range(math.ceil(depth * repeats) if inner else repeats):
                place, wide = f"_blocks.{len(blocks)}.", expansion * channels
                names = [f"{place}_{word}_conv" for word in ("expand", "depthwise", "project")]
                norms = [f"{place}_bn{number}" for number in range(3)]
                first = step(names[0], norms[0], 1, channels, wide) if expansion > 1 else None
                pace = 1 if repeat else stride
                filters = step(names[1], norms[1], kernel, 1, wide, pace)
                blocks.append(Block(first, filters, step(names[2], norms[2], 1, wide, out)))
                channels = out
        self.blocks = tuple(blocks)
        self.last = step("_conv_head", "_bn1", 1, channels, SIZE)
        self.head = Linear(SIZE, CLASSES, key=jr.key(0) if key is None else key)
        if arrays is not None:
            values = jnp.asarray(arrays["_fc.weight"].T), jnp.asarray(arrays["_fc.bias"])
            self.head = eqx.tree_at(lambda head: (head.weight, head.bias), self.head, values)
        self.in_shape, self.size = (side, side, 3), SIZE

    def features(self, x: Image) -> Float[Array, "features"]:
        """Features of one image: the last activations, averaged over places."""
        start, end = self.cut(0)
        return end.features(start.features(x))

    def cut(self, blocks: int) -> tuple[LiteStart, LiteEnd]:
        """The network as two: all but the last blocks, and these with the last convolution.

        **Arguments:** `blocks`: how many of the last.
        """
        place = len(self.blocks) - blocks
        start = LiteStart(self.stem, self.blocks[:place])
        return start, LiteEnd(self.blocks[place:], self.last)

    def layers(self) -> LiteLayers:
        """The network whose features are those of all blocks."""
        return LiteLayers(self.stem, self.blocks, self.last)

    def __call__(self, x: Image) -> Float[Array, "classes"]:
        return self.head(self.features(x))


def _quarters(x: Image) -> Float[Array, "features"]:
    """Means over the quarters of an image, which share its middle where a side is odd."""
    down, across = (-(-side // 2) for side in x.shape[:2])
    parts = [
        x[rows, columns].mean(axis=(0, 1))
        for rows in (slice(down), slice(-down, None))
        for columns in (slice(across), slice(-across, None))
    ]
    return jnp.concatenate(parts)


def _of_length_one(x: Float[Array, "features"]) -> Float[Array, "features"]:
    return x / jnp.sqrt((x**2).sum() + 1e-12)


def _rounded(channels: float) -> int:
    """A multiple of eight, at most a tenth below."""
    whole = max(8, int(channels + 4) // 8 * 8)
    return whole + 8 if whole < 0.9 * channels else whole


def _random(key: Any) -> Callable[..., Step]:
    def step(name: str, norm: str, side: int, into: int, out: int, stride: int = 1) -> Step:
        shape, folded = (side, side, into, out), jr.fold_in(key, zlib.crc32(name.encode()))
        kernel = jax.nn.initializers.he_normal()(folded, shape)
        return Step(kernel, jnp.ones(out), jnp.zeros(out), jnp.zeros(out), jnp.ones(out), stride)

    return step


def _named(arrays: Arrays) -> Callable[..., Step]:
    words = "weight", "bias", "running_mean", "running_var"

    def step(name: str, norm: str, side: int, into: int, out: int, stride: int = 1) -> Step:
        try:
            kernel = arrays[f"{name}.weight"].transpose(2, 3, 1, 0)
            rest: Any = [jnp.asarray(arrays[f"{norm}.{word}"]) for word in words]
        except (KeyError, ValueError):
            raise InputError(f"The arrays have no `{name}.weight` of this network.") from None
        if kernel.shape != (side, side, into, out):
            raise InputError(
                f"`{name}.weight` has the shape {kernel.shape}, but this network has"
                f" {(side, side, into, out)}."
            )
        return Step(jnp.asarray(kernel), *rest, stride=stride)

    return step
