"""Meta-learning through ridge regression."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import (
    AbstractAdapter,
    Batch,
    check_positive,
    cross_entropy,
    head,
    InputError,
    Loss,
    Model,
    mse,
    Predictor,
)
from ..transfer import ABSENT, classes_there, Ridge
from ._through import AbstractMetaLearner


class WithRidge(eqx.Module):
    """A model with the penalty of its ridge head, learnt together: the model of `R2D2`.

    **Arguments:**

    - `model`: has `features` and a `head`.
    - `l2`: the initial penalty; it is learnt on a logarithmic scale, so it stays above zero.
    - `scale`: for classification: the initial factor that turns predictions of one-hot targets into
      logits. The factor, and a shift that starts at zero, are learnt too.
    """

    model: Any
    log_l2: Float[Array, ""]
    scale_and_shift: Float[Array, "2"] | None

    def __init__(self, model: Any, l2: float = 1.0, scale: float | None = None):
        check_positive("WithRidge", l2=l2, scale=scale)
        dtype = jnp.result_type(float)
        self.model = model
        self.log_l2 = jnp.log(jnp.asarray(l2, dtype))
        self.scale_and_shift = None if scale is None else jnp.asarray([scale, 0.0], dtype)


class R2D2(AbstractMetaLearner):
    """R2-D2: learns features for which ridge regression on the support set predicts the query set
    well, and its penalty.

    For classification, use `cross_entropy` and the model `WithRidge(model, scale=1.0)`. With
    `every_class`, answers may be classes that a support set lacks, as where all tasks have the same
    classes.

    Source: Bertinetto, Henriques, Torr & Vedaldi 2019, *Meta-learning with differentiable
    closed-form solvers*, §3.2. Different from there: the bias of the regression is not shrunk.

    >>> import jax.random as jr, learnset as ls
    >>> model = ls.meta.WithRidge(ls.MLP(1, 1, key=jr.key(0)))
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(1))
    >>> ls.R2D2(ls.mse).adapt(model, task.support)(task.query.x[0]).shape
    (1,)
    """

    loss: Loss = mse
    every_class: bool = False

    @property
    def adapter(self) -> "LearntRidge":
        return LearntRidge(every_class=self.every_class)

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> WithRidge:
        del key
        return WithRidge(model, scale=1.0 if self.loss is cross_entropy else None)


class LearntRidge(AbstractAdapter):
    """`Ridge` with the penalty that `WithRidge` carries, times `scale`; `every_class` as in `R2D2`.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(1))
    >>> model = ls.meta.WithRidge(ls.MLP(1, 1, key=jr.key(0)))
    >>> ls.meta.LearntRidge().adapt(model, task.support)(task.query.x[0]).shape
    (1,)
    """

    scale: float | Float[Array, "..."] = 1.0
    every_class: bool = False

    def adapt(self, model: Model, support: Batch) -> Predictor:
        if not isinstance(model, WithRidge):
            raise InputError(
                "R2D2 learns the penalty of its head: give `WithRidge(model)`, not"
                f" {type(model).__name__}."
            )
        predictor = Ridge(self.scale * jnp.exp(model.log_l2)).adapt(model.model, support)
        if model.scale_and_shift is None:
            return predictor
        scale, shift = model.scale_and_shift
        bias = scale * head(predictor).bias + shift
        if not self.every_class:
            bias = jnp.where(classes_there(support), bias, ABSENT)
        return eqx.tree_at(
            lambda m: (head(m).weight, head(m).bias),
            predictor,
            (scale * head(predictor).weight, bias),
        )
