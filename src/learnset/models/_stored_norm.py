"""A convolution of one image, normalised by stored statistics: of a pretrained network."""

import functools
from collections.abc import Sequence

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


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def by_shifts(x: Image, kernel: Array, stride: int) -> Image:
    """The depthwise convolution as a sum of shifted images, each times one weight a channel.

    Its gradient is made of shifted images, too: that of slices would be a sum of padded ones.
    """
    padded = jnp.pad(x, [*_lacking(x.shape, len(kernel), stride), (0, 0)])
    return _correlated(padded, kernel, stride)


def _forward(x: Image, kernel: Array, stride: int) -> tuple[Image, tuple[Image, Array]]:
    return by_shifts(x, kernel, stride), (x, kernel)


def _backward(stride: int, both: tuple[Image, Array], out: Image) -> tuple[Image, Array]:
    x, kernel = both
    side, widths = len(kernel), []
    lacking = _lacking(x.shape, side, stride)
    for size, places, (before, _) in zip(x.shape, out.shape, lacking, strict=False):
        low = side - 1 - before
        widths.append((low, size + before - 1 - (places - 1) * stride, stride - 1))
    apart = lax.pad(out, jnp.zeros((), out.dtype), [*widths, (0, 0, 0)])  # by the stride
    padded = jnp.pad(x, [*lacking, (0, 0)])
    of_kernel = [(part * out).sum(axis=(0, 1)) for part in _parts(padded, side, stride)]
    to_x = _correlated(apart, kernel[::-1, ::-1], 1)
    return to_x, jnp.stack(of_kernel).reshape(kernel.shape)


by_shifts.defvjp(_forward, _backward)


def _correlated(padded: Image, kernel: Array, stride: int) -> Image:
    weights = kernel.reshape(-1, kernel.shape[3])
    parts = _parts(padded, len(kernel), stride)
    return jnp.asarray(sum(part * w[None, None] for part, w in zip(parts, weights, strict=True)))


def _parts(padded: Image, side: int, stride: int) -> list[Image]:
    """What each weight of a kernel sees."""
    down, across = ((n - side) // stride * stride + 1 for n in padded.shape[:2])
    return [
        padded[i : i + down : stride, j : j + across : stride]
        for i in range(side)
        for j in range(side)
    ]


def _lacking(shape: Sequence[int], side: int, stride: int) -> list[tuple[int, int]]:
    """Rows and columns that an image lacks, before and after it."""
    lacking = [max(-(-n // stride) * stride - stride + side - n, 0) for n in shape[:2]]
    return [(n // 2, n - n // 2) for n in lacking]
