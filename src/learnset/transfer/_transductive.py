"""The common part of classifiers that see all queries at once."""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import AbstractAdapter, Batch, features, Model, settled
from ..models import Headed
from ._prototypes import ABSENT, classes_there, encoder


class AbstractTransductive(AbstractAdapter):
    """A transductive classifier: classifies all queries of a task together. A subclass defines
    `logits`.

    The predictor keeps the features of the support set, and answers for all queries that it is
    given at once: the more, the better. About a single query most of these classifiers can say
    nothing.
    """

    transductive: ClassVar[bool] = True

    @abc.abstractmethod
    def logits(
        self,
        support: Batch,
        queries: Float[Array, "queries features"],
        weight: Float[Array, "queries"],
    ) -> Float[Array, "queries classes"]:
        """Logits of all queries; those of classes without support points are ignored.

        **Arguments:**

        - `support`: features of the support set, with one-hot targets.
        - `queries`: features of the query set; those whose `weight` is zero do not influence the
          others.
        """

    def adapt(self, model: Model, support: Batch) -> Headed:
        model = settled(model, support)
        values = features(model, support.x, support.weight)
        return Headed(encoder(model), Jointly(self, Batch(values, support.y, support.weight)))


class Jointly(eqx.Module):
    """The head of a transductive classifier: the classifier and the features of the support set."""

    adapter: AbstractTransductive
    support: Batch

    def together(
        self, values: Float[Array, "queries features"], weight: Float[Array, "queries"]
    ) -> Float[Array, "queries classes"]:
        """Logits of all queries."""
        present = classes_there(self.support)
        return jnp.where(present[None], self.adapter.logits(self.support, values, weight), ABSENT)


def squared_distances(
    gram: Float[Array, "points points"], mix: Float[Array, "classes points"]
) -> Float[Array, "points classes"]:
    """Squared distances from each point to each centre, where a centre is a mix of points. They
    need inner products only, so many steps cost the same for any number of features.

    >>> import jax.numpy as jnp
    >>> squared_distances(jnp.eye(2), jnp.array([[0.5, 0.5]])).tolist()
    [[0.5], [0.5]]
    """
    cross = gram @ mix.T
    return jnp.diagonal(gram)[:, None] - 2 * cross + (mix * cross.T).sum(axis=1)[None]


def class_mix(support: Batch, queries: int) -> Float[Array, "classes points"]:
    """Class means as mixes of all points, the support points first."""
    member = support.y * support.weight[:, None]
    share = member / jnp.maximum(member.sum(axis=0), 1e-9)[None]
    return jnp.pad(share, ((0, queries), (0, 0))).T
