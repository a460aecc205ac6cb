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
        x = jax.nn.relu6(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return jax.nn.relu6(self.last(x)).mean(axis=(0, 1))

    def __call__(self, x: Image) -> Float[Array, "classes"]:
        return self.head(self.features(x))


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
