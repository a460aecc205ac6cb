"""Normalisation of images in few-shot models. Its statistics are an explicit choice: they change
results."""

import abc
from typing import ClassVar, Self

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..core import InputError

EPSILON = 1e-5  # added to variances
Images = Float[Array, "points height width channels"]


class AbstractNormalisation(eqx.Module):
    """A normalisation: gives each channel mean zero and variance one, then a learnt scale and
    shift.

    `transductive` says whether the prediction for one query depends on the other queries.
    """

    scale: Float[Array, "channels"]
    shift: Float[Array, "channels"]
    transductive: ClassVar[bool] = False

    def __init__(self, channels: int):
        dtype = jnp.result_type(float)
        self.scale, self.shift = jnp.ones(channels, dtype), jnp.zeros(channels, dtype)

    @abc.abstractmethod
    def statistics(self, x: Images, weight: Float[Array, "points"]) -> tuple[Array, Array]:
        """Mean and variance that normalise `x`."""

    def settle(self, x: Images, weight: Float[Array, "points"]) -> Self:
        """The layer with statistics of the support set `x` stored in it, if it uses those;
        otherwise the layer itself."""
        del x, weight
        return self

    def __call__(self, x: Images, weight: Float[Array, "points"]) -> Images:
        mean, variance = self.statistics(x, weight)
        scale, shift = (jnp.expand_dims(part, (0, 1, 2)) for part in (self.scale, self.shift))
        return (x - mean) * (lax.rsqrt(variance + EPSILON) * scale) + shift


class BatchNorm(AbstractNormalisation):
    """Batch normalisation, by statistics of the images that are given together: those of the
    support set for the support set, those of the query set for the query set. **Transductive**: the
    published numbers of MAML and Reptile benefit from it.

    Source: Ioffe & Szegedy 2015; its role in few-shot learning: Nichol, Achiam & Schulman 2018,
    §6.1; Bronskill et al. 2020, *TaskNorm*, §3.

    >>> import learnset as ls
    >>> ls.models.BatchNorm(64).transductive
    True
    """

    transductive: ClassVar[bool] = True

    def statistics(self, x: Images, weight: Float[Array, "points"]) -> tuple[Array, Array]:
        return moments(x, weight)


class SupportNorm(AbstractNormalisation):
    """Normalisation by statistics of the support set, also for the query set: no query influences
    another.

    Stored statistics stay: `settled(model, images)` with many training images gives a model that
    keeps theirs, as trained networks with batch normalisation do elsewhere.

    Source: Bronskill et al. 2020, *TaskNorm*, §3.2 ("MetaBN").

    >>> import learnset as ls
    >>> ls.models.SupportNorm(64).transductive
    False
    """

    settled: tuple[Float[Array, "1 1 1 channels"], Float[Array, "1 1 1 channels"]] | None = None

    def __init__(self, channels: int):
        super().__init__(channels)
        self.settled = None

    def statistics(self, x: Images, weight: Float[Array, "points"]) -> tuple[Array, Array]:
        return moments(x, weight) if self.settled is None else self.settled

    def settle(self, x: Images, weight: Float[Array, "points"]) -> Self:
        if self.settled is not None:
            return self
        statistics = moments(x, weight)
        return eqx.tree_at(lambda n: n.settled, self, statistics, is_leaf=lambda leaf: leaf is None)


class GroupNorm(AbstractNormalisation):
    """Group normalisation, by statistics of one image over groups of channels. With one group it is
    layer normalisation.

    Source: Wu & He 2018, *Group Normalization*, §3.1; Ba, Kiros & Hinton 2016, *Layer
    Normalization*.

    >>> import learnset as ls
    >>> ls.models.GroupNorm(64, groups=8).scale.shape
    (64,)
    """

    groups: int = eqx.field(static=True, default=1)

    def __init__(self, channels: int, groups: int = 1):
        super().__init__(channels)
        if groups < 1 or channels % groups:
            raise InputError(
                f"GroupNorm: {channels} channels are not divisible by `groups={groups}`. Choose a"
                " divisor."
            )
        self.groups = groups

    def statistics(self, x: Images, weight: Float[Array, "points"]) -> tuple[Array, Array]:
        del weight
        size = x.shape[-1] // self.groups
        grouped = x.reshape(x.shape[0], -1, self.groups, size)

        def of_channels(value: Float[Array, "points groups"]) -> Array:
            return jnp.repeat(value, size, axis=1)[:, None, None]

        return of_channels(grouped.mean(axis=(1, 3))), of_channels(grouped.var(axis=(1, 3)))


def moments(x: Images, weight: Float[Array, "points"]) -> tuple[Array, Array]:
    """Mean and variance of each channel over points and pixels; points without weight are left
    out."""
    share = weight / (jnp.maximum(weight.sum(), EPSILON) * x.shape[1] * x.shape[2])
    share = share[:, None, None, None]
    mean = (share * x).sum(axis=(0, 1, 2), keepdims=True)
    return mean, (share * (x - mean) ** 2).sum(axis=(0, 1, 2), keepdims=True)
