"""Tent: normalisation adapted to the points that are to be answered, without any label."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from ..core import (
    AbstractAdapter,
    Batch,
    check_positive,
    InputError,
    Model,
    predict,
    trainable,
    weighted_mean,
    Where,
)
from ._depth import norms_only


def without_head(model: Any) -> list[Any]:
    """The arrays of normalisation, without those of the head, which `norms_only` adds."""
    last = jax.tree.leaves(getattr(model, "head", None))
    return [leaf for leaf in norms_only(model) if not any(leaf is other for other in last)]


class Tent(AbstractAdapter):
    """Tent (test-time entropy minimisation): for the queries that come together, normalises by
    their own statistics, and moves scales and shifts of normalisation so that predictions become
    more certain. No label is read, not even of the support set. **Transductive.**

    With `steps=0` only the statistics are estimated again, for a model whose normalisation takes
    those of the points that it is given (`BatchNorm`, or `SupportNorm` without stored ones).

    **Arguments:**

    - `lr`: step size of gradient descent. `steps`: the number of steps.
    - `where`: the part of the model that moves; default: normalisation, without the head.

    **Raises:** `InputError` for a step size that is not above zero, and for a model without
    normalisation.

    Source: Wang et al. 2021, *Tent: Fully Test-Time Adaptation by Entropy Minimization*, §3; with
    statistics only: Nado et al. 2020, *Evaluating Prediction-Time Batch Normalization for
    Robustness under Covariate Shift*.

    >>> import jax.random as jr, learnset as ls
    >>> keys = jr.split(jr.key(0))
    >>> encoder = ls.Conv4((8, 8, 1), filters=4, blocks=2, key=keys[0])
    >>> model = ls.models.Headed(encoder, ls.models.Linear(encoder.size, 3, key=keys[1]))
    >>> images = jr.normal(jr.key(1), (5, 8, 8, 1))
    >>> predictor = ls.transfer.Tent(steps=2).adapt(model, ls.Batch(images, jnp.zeros((5, 3))))
    >>> ls.predict(predictor, images).shape
    (5, 3)
    """

    lr: float | Float[Array, "..."] = 0.001
    steps: int = 1
    where: Where = eqx.field(static=True, default=without_head)

    transductive: ClassVar[bool] = True

    def __check_init__(self):
        check_positive("Tent", lr=self.lr)
        if self.steps < 0:
            raise InputError(f"Tent: `steps={self.steps}`, but it must be 0 or more.")

    def adapt(self, model: Model, support: Batch) -> "Certain":
        del support
        return Certain(model, self)


class Certain(eqx.Module):
    """A model that becomes more certain about the points that it is given together."""

    model: Any
    adapter: Tent

    def together(
        self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]
    ) -> Float[Array, "points classes"]:
        """Predictions, after the steps on these points."""
        moving, fixed = trainable(self.model, self.adapter.where)

        def uncertainty(moving: Any) -> Float[Array, ""]:
            return entropy(predict(eqx.combine(moving, fixed), xs, weight), weight)

        def step(moving: Any, _: None) -> tuple[Any, None]:
            slope = jax.grad(uncertainty)(moving)
            return jax.tree.map(lambda p, g: p - self.adapter.lr * g, moving, slope), None

        moving, _ = lax.scan(step, moving, length=self.adapter.steps)
        return predict(eqx.combine(moving, fixed), xs, weight)

    def __call__(self, x: Shaped[Array, "*in"]) -> Float[Array, "classes"]:
        return self.together(x[None], jnp.ones(1, x.dtype))[0]


def entropy(
    logits: Float[Array, "points classes"], weight: Float[Array, "points"]
) -> Float[Array, ""]:
    """The mean entropy of predictions, in nats.

    >>> round(float(entropy(jnp.zeros((2, 4)), jnp.ones(2))), 4)
    1.3863
    """
    log_p = jax.nn.log_softmax(logits)
    return weighted_mean(-(jnp.exp(log_p) * log_p).sum(axis=1), weight)
