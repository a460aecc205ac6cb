"""Corrections of a trained model by what it leaves on a few points, shrunk towards the model."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import (
    AbstractAdapter,
    Batch,
    check_not_negative,
    check_positive,
    features,
    head,
    Model,
    point_weight,
    predict,
    Predictor,
    present,
    settled,
)


class ShrunkOffset(AbstractAdapter):
    """An offset on a model's predictions: the mean of what it leaves on the support set, shrunk
    towards zero as if there were `l2` more points that it predicts exactly. It adapts any
    predictor, trees included.

    Source: the best linear unbiased prediction of a random offset (Robinson 1991, *That BLUP is a
    good thing*, §2), with `l2` for the ratio of variances.

    >>> import jax.numpy as jnp, learnset as ls
    >>> support = ls.Batch(jnp.zeros((2, 1)), jnp.full((2, 1), 3.0))
    >>> predictor = ls.transfer.ShrunkOffset(l2=1.0).adapt(lambda x: x, support)
    >>> predictor(jnp.ones(1)).tolist()
    [3.0]
    """

    l2: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_positive("ShrunkOffset", l2=self.l2)

    def adapt(self, model: Model, support: Batch) -> "Shifted":
        weight = point_weight(support)
        left = present(support.y - predict(model, support.x, support.weight), weight)
        return Shifted(model, (weight * left).sum(axis=0) / (weight.sum(axis=0) + self.l2))


class Shifted(eqx.Module):
    """A predictor with an offset."""

    predictor: Any
    by: Float[Array, "out"]

    def __call__(self, x: Float[Array, "*in"]) -> Float[Array, "out"]:
        return self.predictor(x) + self.by


class Shrunk(AbstractAdapter):
    """The predictions of another adapter, shrunk towards zero as if there were `l2` more points
    whose answer is zero: the mean of training tasks. A ridge regression on a few points shrinks its
    slopes, but not its mean, which of two noisy points is worse than none.

    >>> import jax.numpy as jnp, learnset as ls
    >>> support = ls.Batch(jnp.zeros((2, 1)), jnp.full((2, 1), 3.0))
    >>> shrunk = ls.transfer.Shrunk(ls.transfer.ShrunkOffset(1e-6), l2=2.0)
    >>> round(float(shrunk.adapt(lambda x: 0 * x, support)(jnp.ones(1))[0]), 3)
    1.5
    """

    adapter: AbstractAdapter
    l2: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_not_negative("Shrunk", l2=self.l2)

    def adapt(self, model: Model, support: Batch) -> "Scaled":
        count = point_weight(support).sum(axis=0).max()
        return Scaled(self.adapter.adapt(model, support), count / (count + self.l2))


class Scaled(eqx.Module):
    """A predictor times a number."""

    predictor: Predictor
    by: Float[Array, ""]

    def __call__(self, x: Float[Array, "*in"]) -> Float[Array, "out"]:
        return self.by * self.predictor(x)


class RidgeToHead(AbstractAdapter):
    """A ridge regression as the head that is shrunk towards the trained head, and not towards zero:
    with a strong penalty the model stays as it is, with a weak one it is `Ridge`.

    Minimises `sum_i weight_i |y_i - W'f(x_i) - b|² + l2 (|W - W0|² + |b - b0|²)`, where `W0` and
    `b0` are the trained head.

    **Arguments:** `l2`: strength of the penalty, in squared units of a feature; may be an array.

    Source: the prior mean of Bayesian linear regression; as transfer: Evgeniou & Pontil 2004,
    *Regularized Multi-Task Learning*, §2, with the shared part given.

    >>> import jax.random as jr, learnset as ls
    >>> points = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(0)).support
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> weak, strong = (ls.transfer.RidgeToHead(l2).adapt(model, points) for l2 in (1e-3, 1e9))
    >>> bool(ls.mse(weak, points) < 0.5 * ls.mse(strong, points))
    True
    """

    l2: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_positive("RidgeToHead", l2=self.l2)

    def adapt(self, model: Model, support: Batch) -> Predictor:
        model = settled(model, support)
        last, weight = head(model), point_weight(support)
        f = features(model, support.x, support.weight)
        f = jnp.concatenate([f, jnp.ones_like(f[:, :1])], axis=1)
        left = present(support.y - predict(model, support.x, support.weight), weight)
        root = jnp.sqrt(weight.max(axis=1, keepdims=True))
        f, left = root * f, root * left
        gram = f @ f.T + self.l2 * jnp.eye(len(f), dtype=f.dtype)  # the dual form: few points
        change = f.T @ jnp.linalg.solve(gram, left)
        move = change[:-1].T if isinstance(last, eqx.nn.Linear) else change[:-1]
        moved = last.weight + move, last.bias + change[-1]
        return eqx.tree_at(lambda m: (head(m).weight, head(m).bias), model, moved)
