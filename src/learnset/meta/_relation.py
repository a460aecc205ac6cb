"""Relation networks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..core import (
    AbstractAdapter,
    Batch,
    features,
    head_size,
    InputError,
    Loss,
    Model,
    predict,
    Predictor,
    settled,
    weighted_mean,
)
from ..models import Conv4, GroupNorm, Headed, MLP
from ..transfer import ABSENT, classes_there, encoder
from ._through import AbstractMetaLearner


class WithRelation(eqx.Module):
    """A model with a network that compares two points: the model of `RelationNetwork`.

    **Arguments:**

    - `model`: has `features`, or is `Headed`.
    - `relation`: takes the concatenated features of a class and of a query, and gives one number,
      larger if they belong together: an `MLP` with `in_size` twice the number of features and
      `out_size=1`, or `MapRelation`.
    """

    model: Any
    relation: Any


class MapRelation(eqx.Module):
    """A relation between feature maps: two blocks of convolutions and pooling over both maps, whose
    channels are concatenated, then two layers.

    **Arguments:**

    - `shape`: of the maps that the encoder gives, `(height, width, channels)`; a `Conv4` of two
      blocks makes 7 by 7 by 64 from 28 by 28 pixels.
    - `width`: units of the hidden layer.

    Source: Sung et al. 2018, *Learning to Compare: Relation Network for Few-Shot Learning*, §3.4.
    Different from there: group normalisation instead of batch normalisation, so that no query
    depends on another.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> ls.meta.MapRelation((7, 7, 2), key=jr.key(0))(jnp.ones(2 * 7 * 7 * 2)).shape
    (1,)
    """

    convolutions: Conv4
    layers: MLP
    shape: tuple[int, int, int] = eqx.field(static=True)

    def __init__(self, shape: tuple[int, int, int], *, width: int = 8, key: Key[Array, ""]):
        convolution_key, layer_key = jr.split(key)
        height, width_of_map, channels = shape
        both = (height, width_of_map, 2 * channels)
        self.convolutions = Conv4(
            both, filters=channels, blocks=2, normalisation=GroupNorm, key=convolution_key
        )
        self.layers = MLP(self.convolutions.size, 1, width=width, depth=1, key=layer_key)
        self.shape = shape

    def __call__(self, pair: Float[Array, "both"]) -> Float[Array, "1"]:
        maps = pair.reshape(2, *self.shape)
        return self.layers(self.convolutions.features(jnp.concatenate([maps[0], maps[1]], axis=-1)))


def relation_loss(predictor: Predictor, batch: Batch) -> Float[Array, ""]:
    """Mean squared difference between relation scores, from zero to one, and one-hot targets.

    The scores are logistic functions of the logits.

    **Returns:** a scalar, from 0 to 1.

    Source: Sung et al. 2018, equation 2.

    >>> import jax.numpy as jnp, learnset as ls
    >>> batch = ls.Batch(jnp.zeros((3, 1)), jnp.eye(3)[:, :2])
    >>> float(ls.meta.relation_loss(lambda x: jnp.zeros(2), batch))
    0.25
    """
    score = jax.nn.sigmoid(predict(predictor, batch.x, batch.weight))
    return weighted_mean((score - batch.y) ** 2, batch.weight[:, None])


class RelationNetwork(AbstractMetaLearner):
    """Relation network: learns features, and how to compare those of a query with their sum over
    the support points of a class.

    Predictions are logits: the score of each class, from zero to one, is the logistic function of
    its logit.

    Source: Sung et al. 2018, *Learning to Compare: Relation Network for Few-Shot Learning*,
    §3.2-3.3.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> keys = jr.split(jr.key(0))
    >>> relation = ls.MLP(16, 1, width=8, key=keys[1])
    >>> model = ls.meta.WithRelation(ls.MLP(2, 2, width=8, key=keys[0]), relation)
    >>> ls.meta.RelationNetwork().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = relation_loss

    @property
    def adapter(self) -> "Relation":
        return Relation()

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> WithRelation:
        """The features of a model with an `MLP` that compares them; a `WithRelation` as it is."""
        if isinstance(model, WithRelation):
            return model
        size = head_size(model)
        relation = MLP(2 * size, 1, width=64, depth=1, key=key)
        return WithRelation(encoder(model), relation)


class Relation(AbstractAdapter):
    """The adapter of `RelationNetwork`: classifies by the relation to each class that
    `WithRelation` carries.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> encoder, relation = ls.MLP(2, 2, width=8, key=jr.key(0)), ls.MLP(16, 1, key=jr.key(1))
    >>> model, support = ls.meta.WithRelation(encoder, relation), ls.Batch(jnp.eye(2), jnp.eye(2))
    >>> ls.meta.Relation().adapt(model, support)(jnp.ones(2)).shape
    (2,)
    """

    def adapt(self, model: Model, support: Batch) -> Headed:
        if not isinstance(model, WithRelation):
            raise InputError(
                "RelationNetwork learns how to compare: give `WithRelation(model, relation)`, not"
                f" {type(model).__name__}."
            )
        member = support.y * support.weight[:, None]
        settled_model = settled(model.model, support)
        sums = member.T @ features(settled_model, support.x, support.weight)
        relations = Relations(model.relation, sums, classes_there(support))
        return Headed(encoder(settled_model), relations)


class Relations(eqx.Module):
    """The head of a relation network: logits by relation to the sum of the support features of each
    class."""

    relation: Any
    sums: Float[Array, "classes features"]
    there: Bool[Array, "classes"]

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        def score(of_class: Float[Array, "features"]) -> Array:
            return self.relation(jnp.concatenate([of_class, x]))[0]

        return jnp.where(self.there, jax.vmap(score)(self.sums), ABSENT)
