"""Stochastic normalisation: fine-tuning between the statistics of the source and of the target."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Bool, Float

from ..core import (
    Batch,
    check_positive,
    cross_entropy,
    InputError,
    Loss,
    Model,
    Predictor,
    settled,
    trainable,
    updated,
    Where,
    whole,
)
from ..models import BatchNorm, SupportNorm
from ._descent import AbstractDescent

Images = Float[Array, "points height width channels"]
Statistics = tuple[Float[Array, "1 1 1 channels"], Float[Array, "1 1 1 channels"]]


class StochNorm(AbstractDescent):
    """StochNorm: fine-tuning in which each channel of each normalisation takes, at random in each
    step, the stored statistics or those of the support set, as dropout would. The stored ones
    follow the support set slowly, and alone normalise afterwards.

    For models with stored statistics of images that are taken together: `Conv4` or `ResNet12` with
    `SupportNorm`, after `learnset.core.settled` with images of the source.

    **Arguments:**

    - `share`: the probability of the stored statistics. `momentum`: the share of the way to those
      of the support set that they go in a step.
    - `loss`, `lr`, `steps`, `where`, `optimiser`: as for `FineTune`.

    **Raises:** `InputError` for a model without such statistics, and for wrong numbers.

    Source: Kou, You, Long & Wang 2020, *Stochastic Normalization*, §3.2. Different from there: all
    support points are in each step.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> encoder = ls.Conv4((4, 4, 1), filters=3, blocks=2, key=jr.key(0))
    >>> model = ls.models.Headed(encoder, ls.models.Linear(encoder.size, 2, key=jr.key(1)))
    >>> x = jr.normal(jr.key(2), (6, 4, 4, 1))
    >>> source = ls.core.settled(model, ls.Batch(x, jnp.zeros((6, 1))))
    >>> points = ls.Batch(2 * x, jnp.eye(2)[jnp.arange(6) % 2])
    >>> ls.transfer.StochNorm(steps=2).adapt(source, points)(x[0]).shape
    (2,)
    """

    loss: Loss = cross_entropy
    lr: float | Float[Array, "..."] = 0.01
    steps: int = 10
    share: float | Float[Array, "..."] = 0.5
    momentum: float | Float[Array, "..."] = 0.1
    where: Where = eqx.field(static=True, default=whole)
    optimiser: Callable[[Any], optax.GradientTransformation] = eqx.field(
        static=True, default=optax.sgd
    )

    def __check_init__(self):
        check_positive("StochNorm", lr=self.lr)
        for name, value in (("share", self.share), ("momentum", self.momentum)):
            if isinstance(value, float | int) and not 0 <= value <= 1:
                raise InputError(f"StochNorm: `{name}={value}`, but it must be from 0 to 1.")

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        norms = _norms(model)
        if not norms:
            raise InputError(
                f"StochNorm: {type(model).__name__} has no `SupportNorm` with stored statistics."
                " Store those of the source: `learnset.core.settled(model, points)`."
            )
        layers = [_Stochastic(norm, self.momentum) for norm in norms]
        moving, fixed = trainable(eqx.tree_at(_norms, model, layers), self.where)
        optimiser = self.optimiser(self.lr)

        def loss(part: Any, stored: list[Statistics], number: Any) -> tuple[Array, Any]:
            keys = jr.split(jr.fold_in(jr.key(0), number), len(stored))
            kept = [
                _Kept(old, old, jr.bernoulli(key, self.share, old[0].shape))
                for old, key in zip(stored, keys, strict=True)
            ]
            now = settled(eqx.tree_at(_kept, eqx.combine(part, fixed), kept), support)
            return self.loss(now, support), [each.following for each in _kept(now)]

        def step(carry: Any) -> Any:
            part, state, stored, number = carry
            grads, following = jax.grad(loss, has_aux=True)(part, stored, number)
            part, state = updated(optimiser, grads, state, part)
            return part, state, following, number + 1

        def finish(carry: Any) -> Predictor:
            last = eqx.combine(carry[0], fixed)
            kept = [_stored(layer, old) for layer, old in zip(_layers(last), carry[2], strict=True)]
            return eqx.tree_at(_layers, last, kept)

        stored = [norm.settled for norm in norms]
        return (moving, optimiser.init(moving), stored, jnp.zeros((), int)), step, finish


class _Kept(NamedTuple):
    """Statistics that a layer stores, those that follow them, and where the former count."""

    stored: Statistics
    following: Statistics
    chosen: Bool[Array, "1 1 1 channels"]


class _Stochastic(BatchNorm):
    """A normalisation by stored statistics in some channels, and by those of the images given in
    the others."""

    settled: _Kept  # the name of what `trainable` leaves alone
    momentum: float | Float[Array, "..."]

    def __init__(self, norm: SupportNorm, momentum: Any):
        self.scale, self.shift, self.momentum = norm.scale, norm.shift, momentum
        old: Any = norm.settled
        self.settled = _Kept(old, old, jnp.ones(old[0].shape, bool))

    def statistics(self, x: Images, weight: Float[Array, "points"]) -> tuple[Array, Array]:
        kept, now = self.settled, super().statistics(x, weight)
        mean, variance = (
            jnp.where(kept.chosen, old, new) for old, new in zip(kept.stored, now, strict=True)
        )
        return mean, variance

    def settle(self, x: Images, weight: Float[Array, "points"]) -> "_Stochastic":
        def nearer(old: Array, new: Array) -> Array:
            return jax.lax.stop_gradient(old + jnp.asarray(self.momentum, old.dtype) * (new - old))

        following = jax.tree.map(nearer, self.settled.stored, super().statistics(x, weight))
        return eqx.tree_at(lambda layer: layer.settled.following, self, following)


def _stored(layer: _Stochastic, statistics: Statistics) -> SupportNorm:
    norm = SupportNorm(len(layer.scale))
    parts = layer.scale, layer.shift, statistics
    return eqx.tree_at(
        lambda n: (n.scale, n.shift, n.settled), norm, parts, is_leaf=lambda leaf: leaf is None
    )


def _norms(model: Any) -> list[Any]:
    """Normalisations with stored statistics."""
    return [part for part in _parts(model, SupportNorm) if part.settled is not None]


def _layers(model: Any) -> list[Any]:
    return _parts(model, _Stochastic)


def _kept(model: Any) -> list[Any]:
    return [layer.settled for layer in _layers(model)]


def _parts(model: Any, kind: type) -> list[Any]:
    leaves = jax.tree.leaves(model, is_leaf=lambda part: isinstance(part, kind))
    return [part for part in leaves if isinstance(part, kind)]
