"""The encoder of four convolutions that is standard in few-shot learning."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import InputError
from ._convolution import Convolution, max_pool
from ._linear import Initialiser
from ._normalisation import AbstractNormalisation, SupportNorm

Images = Float[Array, "points height width channels"]


class ConvolutionBlock(eqx.Module):
    """Convolution, normalisation, ReLU, and pooling if the stride is one."""

    convolution: Convolution
    normalisation: AbstractNormalisation

    def __call__(self, x: Images, weight: Float[Array, "points"]) -> Images:
        return self.after(self.normalisation(self.convolution(x), weight))

    def after(self, x: Images) -> Images:
        """The part after normalisation."""
        x = jax.nn.relu(x)
        return max_pool(x) if self.convolution.stride == 1 else x

    def settle(self, x: Images, weight: Float[Array, "points"]) -> "ConvolutionBlock":
        """The block with statistics of the support set stored in it."""
        settled = self.normalisation.settle(self.convolution(x), weight)
        return eqx.tree_at(lambda block: block.normalisation, self, settled)


class Conv4(eqx.Module):
    """Conv4: four blocks of a 3 by 3 convolution, normalisation, ReLU and max-pooling (or a stride
    of two instead). The features are the last activations as one vector.

    **Arguments:**

    - `in_shape`: of one image, `(height, width, channels)`.
    - `filters`: of every convolution, or of each in turn. `blocks`: default: four.
    - `strided`: stride two instead of pooling, as MAML has it on Omniglot; it costs about a
      quarter.
    - `normalisation`: makes a layer from a number of channels: `SupportNorm`, `BatchNorm` or
      `GroupNorm`.

    **Raises:** `InputError` for images so small that the blocks would leave nothing.

    Source: Vinyals et al. 2016, §4.1; strided: Finn, Abbeel & Levine 2017, §5.2.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> ls.Conv4((28, 28, 1), key=jr.key(0)).features(jnp.ones((28, 28, 1))).shape
    (64,)
    """

    blocks: tuple[ConvolutionBlock, ...]
    in_shape: tuple[int, int, int] = eqx.field(static=True)
    size: int = eqx.field(static=True)  # features

    def __init__(
        self,
        in_shape: tuple[int, int, int],
        *,
        filters: int | tuple[int, ...] = 64,
        blocks: int = 4,
        strided: bool = False,
        normalisation: Callable[[int], AbstractNormalisation] = SupportNorm,
        initialiser: Initialiser | None = None,
        key: Key[Array, ""],
    ):
        height, width, channels = in_shape
        filters = (filters,) * blocks if isinstance(filters, int) else filters
        if len(filters) != blocks:
            raise InputError(
                f"Conv4: `filters={filters}` has {len(filters)} entries for {blocks} `blocks`. Give"
                " one number for each."
            )
        sizes = (channels, *filters)
        stride = 2 if strided else 1
        self.blocks = tuple(
            ConvolutionBlock(
                Convolution(before, after, stride=stride, initialiser=initialiser, key=k),
                normalisation(after),
            )
            for before, after, k in zip(sizes[:-1], sizes[1:], jr.split(key, blocks), strict=True)
        )
        for _ in range(blocks):
            height, width = (-(-side // 2) if strided else side // 2 for side in (height, width))
        if not height * width:
            raise InputError(
                f"Conv4: nothing is left of images of {in_shape[0]} by {in_shape[1]} pixels after"
                f" {blocks} halvings. Enlarge them, or take fewer `blocks`."
            )
        self.in_shape, self.size = in_shape, height * width * filters[-1]

    def embed(self, xs: Images, weight: Float[Array, "points"]) -> Float[Array, "points features"]:
        """Features of many images together; images without weight do not influence the others."""
        for block in self.blocks:
            xs = block(xs, weight)
        return xs.reshape(xs.shape[0], -1)

    def features(self, x: Float[Array, "height width channels"]) -> Float[Array, "features"]:
        """Features of one image."""
        return self.embed(x[None], jax.numpy.ones(1, x.dtype))[0]

    def settle(self, xs: Images, weight: Float[Array, "points"]) -> "Conv4":
        """The encoder with statistics of the support set stored in it."""
        blocks = []
        for block in self.blocks:
            blocks.append(block.settle(xs, weight))
            xs = blocks[-1](xs, weight)
        return eqx.tree_at(lambda encoder: encoder.blocks, self, tuple(blocks))

    @property
    def transductive(self) -> bool:
        """Whether the features of one image depend on the others."""
        return self.blocks[0].normalisation.transductive
