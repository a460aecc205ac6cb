"""Gradient descent on the support set."""

import enum
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
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
    trainable,
    updated,
    Where,
    whole,
)
from ._descent import AbstractDescent


class Unroll(enum.Enum):
    """What differentiating through the steps of adaptation keeps in memory."""

    EXACT = "exact"  # every step's activations: fastest, memory grows with steps
    REMAT = "remat"  # parameters after every step only; activations are computed again: the same numbers
    FIRST_ORDER = (
        "first_order"  # nothing: the gradient at the adapted parameters stands for the true one
    )


class FineTune(AbstractDescent):
    """Goes down the gradient of the support loss: what transfer learning does to a pretrained model, and what MAML
    differentiates through.

    **Arguments:**

    - `loss`: of a predictor on a batch.
    - `lr`: step size; an array is traced, so that sweeping it compiles once.
    - `steps`: how many steps.
    - `where`: the part of the model that moves, as in `equinox.tree_at`; everything, unless said otherwise.
    - `optimiser`: makes an Optax optimiser from `lr`; plain gradient descent, unless said otherwise.
    - `unroll`: what differentiating through the steps costs.

    **Raises:** `InputError` for a step size or a number of steps that is not above zero (no steps are allowed).

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

    def __check_init__(self):
        check_positive("FineTune", lr=self.lr)
        if self.steps < 0:
            raise InputError(f"FineTune: `steps={self.steps}`, but it must be 0 or more.")

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        moving, fixed = trainable(model, self.where)
        optimiser = self.optimiser(self.lr)

        def step(carry: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
            moving, state = carry
            grads = jax.grad(lambda part: self.loss(eqx.combine(part, fixed), support))(moving)
            if self.unroll is Unroll.FIRST_ORDER:
                grads = jax.lax.stop_gradient(grads)
            return updated(optimiser, grads, state, moving)

        if self.unroll is Unroll.REMAT:
            step = jax.checkpoint(step)
        return (
            (moving, optimiser.init(moving)),
            step,
            lambda carry: settled(eqx.combine(carry[0], fixed), support),
        )
