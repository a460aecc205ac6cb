"""The nearest class mean of features that are centred and have length one."""

import equinox as eqx
from jax import lax
from jaxtyping import Array, Float, Shaped

from ..core import AbstractAdapter, Batch, features, Model, settled
from ..models import Headed
from ._prototypes import class_means, encoder, Nearest, SquaredEuclidean, unit


class Centred(eqx.Module):
    """An encoder with centred features: the mean of training features is subtracted. `SimpleShot`
    and the transductive classifiers work best with it.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.transfer.centred(ls.models.Raw(), jnp.array([[1.0], [3.0]]))
    >>> model.features(jnp.array([5.0])).tolist()
    [3.0]
    """

    encoder: Model
    mean: Float[Array, "features"]

    def embed(
        self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]
    ) -> Float[Array, "points features"]:
        """Features of many points together."""
        # The mean is a constant, and not trained.
        return features(self.encoder, xs, weight) - lax.stop_gradient(self.mean)[None]

    def features(self, x: Shaped[Array, "*in"]) -> Float[Array, "features"]:
        """Features of one point."""
        return self.encoder.features(x) - lax.stop_gradient(self.mean)

    def settle(self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]) -> "Centred":
        """The same encoder, with statistics of the support set stored in it."""
        return Centred(settled(self.encoder, Batch(xs, xs, weight)), self.mean)


def centred(model: Model, xs: Shaped[Array, "points *in"]) -> Centred:
    """The encoder of a model, centred by the mean of its features of `xs`: training examples, or as
    many of them as fit into memory.

    **Returns:** a model without a head.
    """
    return Centred(encoder(model), features(model, xs).mean(axis=0))


class SimpleShot(AbstractAdapter):
    """SimpleShot: classifies by the nearest class mean of features of length one, and no more than
    that, on a good encoder.

    The paper's CL2N is this on a `Centred` model, L2N on any other, and UN with `normalise=False`.

    **Arguments:**

    - `normalise`: whether features are scaled to length one before means are taken.

    Source: Wang et al. 2019, *SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot
    Learning*, §3.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.transfer.centred(ls.models.Raw(), jnp.array([[10.0, 9.0], [8.0, 11.0]]))
    >>> support = ls.Batch(jnp.array([[12.0, 10.0], [9.0, 15.0]]), jnp.eye(2))
    >>> ls.SimpleShot().adapt(model, support)(jnp.array([9.0, 11.0])).argmax().item()
    1
    """

    normalise: bool = True

    def adapt(self, model: Model, support: Batch) -> Headed:
        model = settled(model, support)
        values = features(model, support.x, support.weight)
        means, present = class_means(unit(values) if self.normalise else values, support)
        nearest = Nearest(means, present, SquaredEuclidean())
        return Headed(encoder(model), OfUnit(nearest) if self.normalise else nearest)


class OfUnit(eqx.Module):
    """A head that scales features to length one first."""

    head: Nearest

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        return self.head(unit(x))
