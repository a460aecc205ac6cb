"""MAML that also learns the step size of each parameter."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import Batch, check_positive, InputError, Loss, Model, mse, Predictor, trainable
from ..transfer import AbstractDescent
from ._through import AbstractMetaLearner


class WithRates(eqx.Module):
    """A model with a learnt step size for each of its parameters: the model of `MetaSGD`.

    **Arguments:**

    - `model`: any model.
    - `rate`: the initial value of every step size.

    >>> import jax.random as jr, learnset as ls
    >>> float(ls.meta.WithRates(ls.MLP(1, 1, key=jr.key(0)), 0.01).rates.head.bias[0])
    0.009999999776482582
    """

    model: Any
    rates: PyTree[Float[Array, "..."]]

    def __init__(self, model: Any, rate: float = 0.01):
        check_positive("WithRates", rate=rate)
        self.model = model
        self.rates = jax.tree.map(lambda leaf: jnp.full_like(leaf, rate), trainable(model)[0])


class MetaSGD(AbstractMetaLearner):
    """Meta-SGD: MAML that learns the step size of every single parameter together with the
    initialisation, including its direction: a rate may become negative.

    The model is `WithRates(model)`. With rates that are one constant, and stay so, this is MAML.

    Source: Li, Zhou, Chen & Li 2017, *Meta-SGD: Learning to Learn Quickly for Few-Shot Learning*,
    algorithm 1.

    >>> import jax.random as jr, learnset as ls
    >>> model = ls.meta.WithRates(ls.MLP(1, 1, key=jr.key(0)), 0.01)
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(1))
    >>> ls.MetaSGD(ls.mse).adapt(model, task.support)(task.query.x[0]).shape
    (1,)
    """

    loss: Loss = mse
    steps: int = 1

    @property
    def adapter(self) -> "RatedDescent":
        return RatedDescent(self.loss, self.steps)

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> WithRates:
        del key
        return WithRates(model)


class RatedDescent(AbstractDescent):
    """Gradient descent with the step size of each parameter that `WithRates` carries, times
    `scale`.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(1))
    >>> model = ls.meta.WithRates(ls.MLP(1, 1, key=jr.key(0)), 0.01)
    >>> ls.meta.RatedDescent(steps=2).adapt(model, task.support)(task.query.x[0]).shape
    (1,)
    """

    loss: Loss = mse
    steps: int = 1
    scale: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_positive("RatedDescent", scale=self.scale)

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        if not isinstance(model, WithRates):
            raise InputError(
                "Meta-SGD learns a step size for each parameter: give `WithRates(model)`, not"
                f" {type(model).__name__}."
            )
        moving, fixed = trainable(model.model)

        def step(moving: PyTree) -> PyTree:
            grads = jax.grad(lambda part: self.loss(eqx.combine(part, fixed), support))(moving)
            return jax.tree.map(lambda p, r, g: p - self.scale * r * g, moving, model.rates, grads)

        return moving, step, lambda moving: eqx.combine(moving, fixed)
