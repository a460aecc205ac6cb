"""Gradient descent that starts from prototypes."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from ..core import Batch, cross_entropy, features, Loss, Model, Predictor
from ..models import Headed
from ..transfer import AbstractDescent, encoder, FineTune, prototype_head, Unroll
from ._through import AbstractMetaLearner


class ProtoMAML(AbstractMetaLearner):
    """Proto-MAML: MAML for classification with a head that each task makes from its prototypes, and
    which therefore has as many ways as the task. The steps move encoder and head, and the gradient
    goes through both.

    Before any step it is `ProtoNet` with squared distances.

    Source: Triantafillou et al. 2020, *Meta-Dataset*, §3 ("Proto-MAML") and its equation for `W`
    and `b`.

    **Arguments:** as `MAML`.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.Headed(ls.MLP(2, 2, key=jr.key(0)), None)
    >>> method = ls.ProtoMAML(inner_lr=0.1, steps=3)
    >>> method.adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy
    inner_lr: float | Float[Array, "..."] = 0.01
    steps: int = 5
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)

    @property
    def adapter(self) -> "PrototypeDescent":
        return PrototypeDescent(self.loss, self.inner_lr, self.steps, self.unroll)


class PrototypeDescent(AbstractDescent):
    """Gradient descent of an encoder and a linear head, which starts as the nearest class mean.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model, support = ls.MLP(2, 2, key=jr.key(0)), ls.Batch(jnp.eye(2), jnp.eye(2))
    >>> int(ls.meta.PrototypeDescent().adapt(model, support)(jnp.array([1.0, 0.0])).argmax())
    0
    """

    loss: Loss = cross_entropy
    lr: float | Float[Array, "..."] = 0.01
    steps: int = 5
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        points = Batch(features(model, support.x, support.weight), support.y, support.weight)
        start = Headed(encoder(model), prototype_head(points))
        return FineTune(self.loss, self.lr, self.steps, unroll=self.unroll).plan(start, support)
