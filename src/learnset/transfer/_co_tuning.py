"""A new head next to that of the source, which goes on teaching."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from ..core import (
    Batch,
    check_not_negative,
    cross_entropy,
    features,
    head,
    Loss,
    Model,
    predict,
    Predictor,
    settled,
)
from ..models import Headed
from ._fine_tune import FineTune
from ._heads import zero_head
from ._prototypes import class_means, encoder


class TwoHeads(Headed):
    """A model of new classes, which also has the head of the source."""

    source: Any


class CoTuning(FineTune):
    """Co-tuning: everything is fine-tuned with a new head, while the head of the source learns to
    answer each class by the mean of what it answered before.

    **Arguments:** as for `FineTune`, and `strength`: of the source's loss.

    **Raises:** `InputError` for a model without a head.

    Source: You et al. 2020, *Co-Tuning for Transfer Learning*, §3.1, with its direct approach to
    the relation of classes. Different from there: the source's answers are not calibrated.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model, x = ls.MLP(2, 7, key=jr.key(0)), jnp.eye(2)
    >>> predictor = ls.transfer.CoTuning(lr=0.5).adapt(model, ls.Batch(x, jnp.eye(3)[:2]))
    >>> predictor(x[1]).argmax().item()
    1
    """

    loss: Loss = cross_entropy
    strength: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_not_negative("CoTuning", strength=self.strength)

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        last, model = head(model), settled(model, support)
        values = features(model, support.x, support.weight)
        answers = jax.nn.softmax(predict(last, values, support.weight))
        relation = class_means(answers, support)[0]

        def loss(both: TwoHeads, batch: Batch) -> Float[Array, ""]:
            x, weight = features(both, batch.x, batch.weight), batch.weight
            taught = cross_entropy(both.source, Batch(x, batch.y @ relation, weight))
            return self.loss(both.head, Batch(x, batch.y, weight)) + self.strength * taught

        new = zero_head(Batch(values, support.y, support.weight))
        descent = FineTune(
            loss,
            self.lr,
            self.steps,
            self.where,
            self.optimiser,
            self.unroll,
            self.penalty,
            self.pace,
        )
        start, step, finish = descent.plan(TwoHeads(encoder(model), new, last), support)

        def finished(carry: Any) -> Headed:
            both = finish(carry)
            return Headed(both.encoder, both.head)

        return start, step, finished
