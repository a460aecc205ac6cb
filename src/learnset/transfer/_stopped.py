"""Fine-tuning that is stopped where it does harm."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..core import Batch, cross_entropy, Model, point_weight, Predictor, present
from ._constant import Always
from ._fine_tune import FineTune


class StoppedFineTune(FineTune):
    """Fine-tuning that is stopped where it does harm: as long as the adapted model fits its own
    points worse than a constant, and worse than before any step, the model answers as it was
    before. Descent that diverges on a few points then costs nothing more than the adaptation.

    **Arguments:** as for `FineTune`.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> adapters = ls.FineTune(lr=30.0, steps=3), ls.transfer.StoppedFineTune(lr=30.0, steps=3)
    >>> [bool(ls.mse(a.adapt(model, task.query), task.query) < 100) for a in adapters]
    [False, True]
    """

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        start, step, finish = super().plan(model, support)
        most = jnp.maximum(self.loss(model, support), self.loss(self._constant(support), support))

        def finished(carry: Any) -> Predictor:
            error = self.loss(finish(carry), support)
            kept = jax.tree.map(
                lambda new, old: jnp.where(error <= most, new, old), carry[0], start[0]
            )
            return finish((kept, carry[1]))

        return start, step, finished

    def _constant(self, support: Batch) -> Predictor:
        weight = point_weight(support)
        y = present(support.y, weight)
        mean = (weight * y).sum(axis=0) / jnp.maximum(weight.sum(axis=0), 1e-12)
        if self.loss is cross_entropy:
            mean = jnp.log(jnp.clip(mean, 1e-3, 1))
        return Always(mean)
