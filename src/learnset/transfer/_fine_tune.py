"""Gradient descent on the support set."""

import enum
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, PyTree

from ..core import (
    Batch,
    check_positive,
    InputError,
    Loss,
    Model,
    mse,
    Predictor,
    settled,
    sparing,
    trainable,
    updated,
    weight_of_points,
    Where,
    whole,
)
from ._depth import depth
from ._descent import AbstractDescent
from ._pace import AbstractPace
from ._penalty import AbstractPenalty


class Unroll(enum.Enum):
    """The way to differentiate through the steps of adaptation: what is kept in memory."""

    EXACT = "exact"  # the activations of every step: fastest, but memory grows with steps
    REMAT = "remat"  # the parameters after every step; activations are recomputed: same numbers
    FIRST_ORDER = "first_order"  # nothing: the gradient at the adapted parameters approximates it


class FineTune(AbstractDescent):
    """Fine-tuning: gradient descent on the support loss. Transfer learning applies it to a
    pretrained model, and MAML differentiates through it.

    **Arguments:**

    - `loss`: of a predictor on a batch.
    - `lr`: step size; an array is traced, so a sweep over it compiles once.
    - `steps`: number of steps.
    - `where`: the part of the model that moves, as in `equinox.tree_at`; default: everything.
    - `optimiser`: makes an Optax optimiser from `lr`; default: plain gradient descent. None moves
      a part without a gradient (`learnset.models.frozen`), whatever its weight decay.
    - `unroll`: the way to differentiate through the steps; see `Unroll`.
    - `penalty`: what pulls the model back to its start (`L2SP`, `DELTA`, `Mixout`, …).
    - `pace`: how fast each layer moves (`LayerwiseRates`, `Gradual`, `Surgical`).
    - `batch`: points of a step, drawn with replacement from those with weight; default: all.

    **Raises:** `InputError` for a step size that is not above zero, a negative number of steps, and
    a batch of no points.

    >>> import jax.random as jr, learnset as ls
    >>> model_key, task_key = jr.split(jr.key(0))
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=task_key)
    >>> model = ls.MLP(1, 1, key=model_key)
    >>> predictor = ls.FineTune(ls.mse, lr=0.01, steps=10).adapt(model, task.support)
    >>> bool(ls.mse(predictor, task.support) < ls.mse(model, task.support))
    True
    """

    loss: Loss = mse
    lr: float | Float[Array, "..."] = 0.01
    steps: int = 10
    where: Where = eqx.field(static=True, default=whole)
    optimiser: Callable[[Any], optax.GradientTransformation] = eqx.field(
        static=True, default=optax.sgd
    )
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)
    penalty: AbstractPenalty | None = None
    pace: AbstractPace | None = None
    batch: int | None = None

    def __check_init__(self):
        check_positive("FineTune", lr=self.lr)
        if self.steps < 0:
            raise InputError(f"FineTune: `steps={self.steps}`, but it must be 0 or more.")
        if self.batch is not None and self.batch < 1:
            raise InputError(f"FineTune: `batch={self.batch}`, but it must be at least 1.")

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        moving, fixed = trainable(model, self.where)
        optimiser = self.optimiser(self.lr)
        if self.optimiser not in (optax.sgd, optax.adam):  # which leave frozen parts alone
            optimiser = sparing(optimiser)
        if self.pace is not None:
            optimiser = self.pace.paced(optimiser, depth(model, support.x[0]), self.steps)
        start, penalty = moving, self.penalty

        def loss(part: PyTree, number: Any) -> Float[Array, ""]:
            points = support if self.batch is None else _drawn(support, self.batch, number)
            if penalty is None:
                return self.loss(eqx.combine(part, fixed), points)
            part = penalty.seen(part, start, key=jr.fold_in(jr.key(0), number))
            now = eqx.combine(part, fixed)
            return self.loss(now, points) + penalty.cost(now, model, points)

        def step(carry: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
            moving, (state, number) = carry
            grads = jax.grad(loss)(moving, number)
            if self.unroll is Unroll.FIRST_ORDER:
                grads = jax.lax.stop_gradient(grads)
            moving, state = updated(optimiser, grads, state, moving)
            if penalty is not None:
                moving = penalty.pulled(moving, start, self.lr)
            return moving, (state, None if number is None else number + 1)

        if self.unroll is Unroll.REMAT:
            step = jax.checkpoint(step)
        number = None if penalty is None and self.batch is None else jnp.zeros((), int)
        return (
            (moving, (optimiser.init(moving), number)),
            step,
            lambda carry: settled(eqx.combine(carry[0], fixed), support),
        )


def _drawn(support: Batch, count: int, number: Any) -> Batch:
    """Points of one step: each that has weight is as likely."""
    chances = (weight_of_points(support.weight) > 0).astype(support.weight.dtype)
    key = jr.fold_in(jr.key(1), number)
    places = jr.choice(key, len(chances), (count,), p=chances / jnp.maximum(chances.sum(), 1))
    return jax.tree.map(lambda leaf: leaf[places], support)
