"""A convolution of one image, normalised by stored statistics: of a pretrained network."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ._convolution import by_lax
from ._frozen import frozen

Image = Float[Array, "height width channels"]
EPSILON = 1e-3


class Step(eqx.Module):
    """A convolution and its normalisation by stored statistics, which no gradient moves. A kernel
    with one input is depthwise."""

    kernel: Float[Array, "rows columns in out"]
    scale: Float[Array, "out"]
    shift: Float[Array, "out"]
    mean: Float[Array, "out"]
    variance: Float[Array, "out"]
    stride: int = eqx.field(static=True)

    def __call__(self, x: Image) -> Image:
        if self.kernel.shape[:2] == (1, 1):
            x = x @ self.kernel[0, 0]
        elif self.kernel.shape[2] == 1 and jax.default_backend() == "cpu":
            x = by_shifts(x, self.kernel, self.stride)
        else:
            groups = x.shape[2] // self.kernel.shape[2]
            x = by_lax(x[None], self.kernel, self.stride, "SAME", groups)[0]
        mean, variance = frozen((self.mean, self.variance))
        factor = self.scale * lax.rsqrt(variance + EPSILON)
        return x * factor[None, None] + (self.shift - mean * factor)[None, None]


def by_shifts(x: Image, kernel: Array, stride: int) -> Image:
    """The depthwise convolution as a sum of shifted images, each times one weight a channel."""
    side = kernel.shape[0]
    sizes = [-(-n // stride) for n in x.shape[:2]]
    lacking = [max((m - 1) * stride + side - n, 0) for m, n in zip(sizes, x.shape, strict=False)]
    x = jnp.pad(x, [*((n // 2, n - n // 2) for n in lacking), (0, 0)])
    (down, across), total = [(m - 1) * stride + 1 for m in sizes], 0.0
    for i in range(side):
        for j in range(side):
            part = x[i : i + down : stride, j : j + across : stride]
            total = total + part * kernel[None, None, i, j, 0]
    return jnp.asarray(total)
