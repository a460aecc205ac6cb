"""Prototypical networks."""

import equinox as eqx

from ..core import cross_entropy, Loss
from ..transfer import AbstractSimilarity, Prototypes, SquaredEuclidean
from ._through import AbstractMetaLearner


class ProtoNet(AbstractMetaLearner):
    """Prototypical network: learns features in which the nearest class mean is that of the right
    class.

    Source: Snell, Swersky & Zemel 2017, *Prototypical Networks for Few-shot Learning*, algorithm 1.
    There, training has more ways than testing: give the tasks of training more `ways`.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.Headed(ls.MLP(2, 2, key=jr.key(0)), None)
    >>> ls.ProtoNet().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy
    similarity: AbstractSimilarity = eqx.field(default_factory=SquaredEuclidean)

    @property
    def adapter(self) -> Prototypes:
        return Prototypes(self.similarity)
