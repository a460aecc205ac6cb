"""Classification by the nearest class mean."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..core import AbstractAdapter, Batch, features, Model, settled
from ..models import Headed

ABSENT = -1e9  # the logit of a class without support: never predicted, and finite


class AbstractSimilarity(eqx.Module):
    """A similarity: how near two vectors are."""

    @abc.abstractmethod
    def __call__(
        self, left: Float[Array, "features"], right: Float[Array, "classes features"]
    ) -> Array:
        """One number for each class, larger for a nearer one."""


class SquaredEuclidean(AbstractSimilarity):
    """Minus the squared Euclidean distance.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.transfer.SquaredEuclidean()(jnp.zeros(2), jnp.array([[3.0, 4.0]])).tolist()
    [-25.0]
    """

    def __call__(
        self, left: Float[Array, "features"], right: Float[Array, "classes features"]
    ) -> Array:
        return 2 * right @ left - (right**2).sum(axis=1) - (left**2).sum()


class Cosine(AbstractSimilarity):
    """The cosine of the angle between two vectors, times `scale`.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.transfer.Cosine(scale=10.0)(jnp.ones(2), jnp.array([[2.0, 2.0]])).round(3).tolist()
    [10.0]
    """

    scale: float | Float[Array, "..."] = 10.0

    def __call__(
        self, left: Float[Array, "features"], right: Float[Array, "classes features"]
    ) -> Array:
        return self.scale * (unit(right) @ unit(left))


class Prototypes(AbstractAdapter):
    """Prototypes: classifies by the nearest class mean of the support features.

    Source: Snell, Swersky & Zemel 2017, *Prototypical Networks for Few-shot Learning*, §2.2.

    >>> import jax.numpy as jnp, learnset as ls
    >>> support = ls.Batch(jnp.array([[0.0], [4.0]]), jnp.eye(2))
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> ls.Prototypes().adapt(model, support)(jnp.array([3.0])).argmax().item()
    1
    """

    similarity: AbstractSimilarity = eqx.field(default_factory=SquaredEuclidean)

    def adapt(self, model: Model, support: Batch) -> Headed:
        model = settled(model, support)
        means, present = class_means(features(model, support.x, support.weight), support)
        return Headed(encoder(model), Nearest(means, present, self.similarity))


class Nearest(eqx.Module):
    """A head whose logits are the similarities to one point for each class."""

    means: Float[Array, "classes features"]
    there: Bool[Array, "classes"]
    similarity: AbstractSimilarity

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        return jnp.where(self.there, self.similarity(x, self.means), ABSENT)


def class_means(
    values: Float[Array, "points features"], support: Batch
) -> tuple[Float[Array, "classes features"], Bool[Array, "classes"]]:
    """The mean of each class over points with weight, and which classes have such points."""
    member = support.y * support.weight[:, None]
    means = member.T @ values / jnp.maximum(member.sum(axis=0), 1e-9)[:, None]
    return means, classes_there(support)


def classes_there(support: Batch) -> Bool[Array, "classes"]:
    """The classes that have a point with weight.

    >>> import jax.numpy as jnp, learnset as ls
    >>> classes_there(ls.Batch(jnp.zeros((2, 1)), jnp.eye(3)[:2])).tolist()
    [True, True, False]
    """
    return (support.y * support.weight[:, None]).sum(axis=0) > 0


def encoder(model: Model) -> Model:
    """The part of a `Headed` model below its head; any other model as it is."""
    return model.encoder if isinstance(model, Headed) else model


def unit(x: Float[Array, "... features"]) -> Float[Array, "... features"]:
    """Vectors of length one in the same directions; zero stays zero."""
    return x / jnp.sqrt(jnp.maximum((x**2).sum(axis=-1, keepdims=True), 1e-12))
