"""A convolution, in the form that is fastest on the device."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jaxtyping import Array, Float, Key

from ..core import check_positive
from ._by_weights import by_weights
from ._linear import Initialiser


class Convolution(eqx.Module):
    """A convolution of images `(points, height, width, in)`, padded with zeros by half a kernel.

    **Arguments:**

    - `in_size`, `out_size`: channels. `kernel`: its side, odd. `stride`: in pixels.
    - `initialiser`: see `Linear`; default: uniform in `± 1/sqrt(inputs)`.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> ls.models.Convolution(1, 64, stride=2, key=jr.key(0))(jnp.ones((5, 28, 28, 1))).shape
    (5, 14, 14, 64)
    """

    weight: Float[Array, "rows columns in out"]
    bias: Float[Array, "out"]
    stride: int = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        initialiser: Initialiser | None = None,
        key: Key[Array, ""],
    ):
        check_positive(
            "Convolution", in_size=in_size, out_size=out_size, kernel=kernel, stride=stride
        )
        dtype, shape = jnp.result_type(float), (kernel, kernel, in_size, out_size)
        if initialiser is None:
            bound = (kernel * kernel * in_size) ** -0.5
            self.weight = jr.uniform(key, shape, dtype, -bound, bound)
        else:
            self.weight = initialiser(key, shape, dtype)
        self.bias = jnp.zeros(out_size, dtype)
        self.stride = stride

    def __call__(
        self, x: Float[Array, "points height width in"]
    ) -> Float[Array, "points rows columns out"]:
        return convolve(x, self.weight, self.stride) + jnp.expand_dims(self.bias, (0, 1, 2))


def convolve(
    x: Float[Array, "points height width in"],
    weight: Float[Array, "rows columns in out"],
    stride: int,
) -> Float[Array, "points down across out"]:
    """The convolution, as one matrix product on a CPU.

    There, XLA's convolution is 17 or more times slower if each of many tasks has its own weights,
    as after adaptation. On a GPU such weights make it slower as well, and only for them it is a
    product; other devices use XLA's.
    """
    if (device := jax.default_backend()) == "gpu":
        return by_weights(x, weight, stride, by_lax, by_product)
    if device != "cpu":
        return by_lax(x, weight, stride)
    channels, out = weight.shape[2:]
    # With more channels out than in, row products make whole networks no faster.
    if stride == 1 and out <= channels:
        return by_row_products(x, weight)
    return by_product(x, weight, stride)


def by_lax(
    x: Array, weight: Array, stride: int, border: str | None = None, groups: int = 1
) -> Array:
    """The convolution by `lax.conv_general_dilated`, against which the fast forms are tested.

    **Arguments:** `border`: default: half a kernel of zeros; `"SAME"` is as TensorFlow pads.
    """
    half = [(side // 2, side // 2) for side in weight.shape[:2]]
    return lax.conv_general_dilated(
        x,
        weight,
        (stride, stride),
        half if border is None else border,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def by_product(x: Array, weight: Array, stride: int) -> Array:
    """The convolution as patches of the images times the kernel as a matrix."""
    rows, columns, channels, out = weight.shape
    points, height, width, _ = x.shape
    down, across = (height - 1) // stride + 1, (width - 1) // stride + 1
    padded = jnp.pad(x, ((0, 0), (rows // 2,) * 2, (columns // 2,) * 2, (0, 0)))

    def shifted(row: int, column: int) -> Array:
        ends = (row + stride * (down - 1) + 1, column + stride * (across - 1) + 1)
        return lax.slice(
            padded, (0, row, column, 0), (points, *ends, channels), (1, stride, stride, 1)
        )

    patches = jnp.concatenate(
        [shifted(row, column) for row in range(rows) for column in range(columns)], axis=-1
    )
    product = patches.reshape(-1, rows * columns * channels) @ weight.reshape(-1, out)
    return product.reshape(points, down, across, out)


def by_row_products(x: Array, weight: Array) -> Array:
    """The convolution at stride one, as patches of one row times all rows of the kernel, summed
    over neighbouring rows.

    It needs as many multiplications as `by_product` but less memory traffic: for a kernel of three,
    patches and product are each three times the size of the images, instead of patches of nine
    times their size.
    """
    rows, columns, channels, out = weight.shape
    points, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (0, 0), (columns // 2,) * 2, (0, 0)))
    patches = jnp.concatenate(
        [padded[:, :, first : first + width] for first in range(columns)], axis=-1
    )
    kernels = weight.transpose(1, 2, 0, 3).reshape(columns * channels, rows * out)
    product = patches.reshape(-1, columns * channels) @ kernels
    product = product.reshape(points, height, width, rows * out)
    product = jnp.pad(product, ((0, 0), (rows // 2,) * 2, (0, 0), (0, 0)))
    first, *others = jnp.split(product, rows, axis=-1)
    shifted = (part[:, row : row + height] for row, part in enumerate(others, 1))
    return sum(shifted, first[:, :height])


def max_pool(
    x: Float[Array, "points height width channels"],
) -> Float[Array, "points half_height half_width channels"]:
    """The largest of each two by two pixels; an odd last row or column is left out.

    (The gradient of `max` over an axis divides by the number of values that equal the largest. XLA
    may compute these values once more, to the last bit differently: then none does, and 0 / 0 is
    NaN.)
    """
    points, height, width, channels = x.shape
    down, across = height // 2, width // 2
    even = x[:, : 2 * down, : 2 * across].reshape(points, down, 2, across, 2, channels)
    rows = _larger(even[:, :, 0], even[:, :, 1])
    return _larger(rows[:, :, :, 0], rows[:, :, :, 1])


def _larger(one: Array, other: Array) -> Array:
    """The larger of two, NaN if one of them is, with a gradient that goes to just one of them."""
    return jnp.where((other > one) | (other != other), other, one)
