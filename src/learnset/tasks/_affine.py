"""Small changes of images that do not change their class."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import check_not_negative


class Affine(eqx.Module):
    """A random affine change: each image is rotated, stretched, slanted and moved a little. It is
    an `augment` of `Episodes`.

    Pixels beyond the border are zero; between pixels, values are interpolated linearly.

    **Arguments:** each is the bound, ±, of a uniform distribution.

    - `turn`: degrees. `stretch`: a fraction of the size, drawn separately for height and width.
      `slant`: pixels sideways per pixel down. `move`: pixels, down and sideways.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> ls.tasks.Affine()(jnp.ones((20, 28, 28, 1)), key=jr.key(0)).shape
    (20, 28, 28, 1)
    """

    turn: float = 10.0  # degrees
    stretch: float = 0.1
    slant: float = 0.1
    move: float = 2.0  # pixels

    def __check_init__(self):
        check_not_negative(
            "Affine", turn=self.turn, stretch=self.stretch, slant=self.slant, move=self.move
        )

    def __call__(
        self, x: Float[Array, "examples height width channels"], *, key: Key[Array, ""]
    ) -> Float[Array, "examples height width channels"]:
        return jax.vmap(lambda image, k: self._one(image, k))(x, jr.split(key, len(x)))

    def _one(self, image: Float[Array, "height width channels"], key: Key[Array, ""]) -> Array:
        turn, tall, wide, slant, down, across = jr.uniform(key, (6,), image.dtype, -1, 1)
        angle = turn * jnp.deg2rad(jnp.asarray(self.turn, image.dtype))
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        rotation = jnp.stack([jnp.stack([cos, -sin]), jnp.stack([sin, cos])])
        one = jnp.ones((), image.dtype)
        change = jnp.stack(
            [
                jnp.stack([one + self.stretch * tall, 0 * one]),
                jnp.stack([self.slant * slant, one + self.stretch * wide]),
            ]
        )
        return sampled(image, rotation @ change, self.move * jnp.stack([down, across]))


def sampled(
    image: Float[Array, "height width channels"],
    matrix: Float[Array, "2 2"],
    shift: Float[Array, "2"],
) -> Float[Array, "height width channels"]:
    """The image whose pixel `p`, relative to the centre, is `image[matrix @ p + shift]`."""
    height, width, _ = image.shape
    middle = jnp.array([(height - 1) / 2, (width - 1) / 2], image.dtype)
    rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    places = jnp.stack([rows, columns]).reshape(2, -1).astype(image.dtype) - middle[:, None]
    places = matrix @ places + (middle + shift)[:, None]
    low = jnp.floor(places)
    part = places - low
    padded = jnp.pad(image, ((1, 1), (1, 1), (0, 0)))
    corner = low.astype(jnp.int32) + 1

    def at(row: int, column: int) -> Array:
        weight = (part[0] if row else 1 - part[0]) * (part[1] if column else 1 - part[1])
        r, c = jnp.clip(corner[0] + row, 0, height + 1), jnp.clip(corner[1] + column, 0, width + 1)
        return weight[:, None] * padded[r, c]

    return (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)).reshape(image.shape)
