"""MAML that learns its step sizes, and is trained after each step."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    AbstractIterativeAdapter,
    AbstractMethod,
    Batch,
    check_not_negative,
    check_positive,
    cross_entropy,
    for_task,
    InputError,
    Loss,
    mean_gradient,
    Metrics,
    Model,
    Predictor,
    settled,
    Task,
    trainable,
)
from ..models import AbstractNormalisation
from ..transfer import AbstractDescent


class WithStepRates(eqx.Module):
    """A model with a step size for each of its arrays and each step, and with scales and shifts of
    its normalisation for each step: the model of `MAMLPlusPlus`.

    **Arguments:**

    - `model`: any model.
    - `steps`: of adaptation.
    - `rate`: the initial value of every step size.

    >>> import jax.random as jr, learnset as ls
    >>> ls.meta.WithStepRates(ls.MLP(1, 1, key=jr.key(0)), steps=5).rates.head.bias.shape
    (5,)
    """

    model: Any  # normalisation has scales and shifts of shape (steps + 1, channels)
    rates: PyTree[Float[Array, "steps"]]

    def __init__(self, model: Any, steps: int = 5, rate: float = 0.1):
        check_positive("WithStepRates", steps=steps, rate=rate)
        moving, norms, fixed = _parted(model)
        repeated = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (steps + 1, *leaf.shape)), norms
        )
        self.model = eqx.combine(moving, repeated, fixed)
        self.rates = jax.tree.map(lambda leaf: jnp.full(steps, rate, leaf.dtype), moving)


class MAMLPlusPlus(AbstractMethod, AbstractIterativeAdapter):
    """MAML++: MAML with the changes that make it stable for deep networks.

    These are a learnt step size for each array and step; a scale and shift of normalisation for
    each step, which the inner loop does not move; the query loss after *every* step, whose weights
    shift to the last step over the first `multi_step` updates; and only first derivatives for the
    first `first_order` updates. The model is `WithStepRates(model, steps)`.

    With one constant rate, no normalisation and zeros for both numbers it is MAML.

    Source: Antoniou, Edwards & Storkey 2019, *How to train your MAML*, §4. Different from there:
    the weights of early steps go to zero, not to 0.03 of their start; normalisation uses statistics
    of the support set or of the batch, as the model says, not running averages for each step (its
    code never reads them); first-order updates cost as much as later ones. Its cosine annealing is
    left to the optimiser: `optax.cosine_decay_schedule`.

    **Arguments:**

    - `multi_step`, `first_order`: numbers of updates; the paper has 15 and 50 epochs of 500
      updates.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.meta.WithStepRates(ls.MLP(2, 2, key=jr.key(0)), steps=3)
    >>> method = ls.MAMLPlusPlus(ls.cross_entropy, steps=3)
    >>> method.adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy
    steps: int = 5
    multi_step: int = 7_500
    first_order: int = 0

    def __check_init__(self):
        check_positive("MAMLPlusPlus", steps=self.steps)
        check_not_negative("MAMLPlusPlus", multi_step=self.multi_step, first_order=self.first_order)

    @property
    def adapter(self) -> "SteppedDescent":
        return SteppedDescent(self.loss, self.steps)

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> WithStepRates:
        del key
        return WithStepRates(model, self.steps)

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.adapter.adapt(model, support)

    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        return self.adapter.trace(model, support, observe)

    def init(self, model: Model) -> Int[Array, ""]:
        """The number of updates so far."""
        del model
        return jnp.zeros((), jnp.int32)

    def gradient(
        self, model: Model, tasks: Task, state: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[PyTree, Int[Array, ""], Metrics]:
        del key
        descent = SteppedDescent(self.loss, self.steps, first_order=state < self.first_order)

        def objective(model: Model, task: Task) -> tuple[Float[Array, ""], Float[Array, ""]]:
            losses = descent.trace(
                for_task(model, task.index),
                task.support,
                lambda predictor: self.loss(predictor, task.query),
            )[1:]
            return losses @ self.weights(state), losses[-1]

        (value, last), grads = mean_gradient(objective, model, tasks, has_aux=True)
        return grads, state + 1, {"loss": value, "last_step_loss": last}

    def weights(self, count: Int[Array, ""]) -> Float[Array, "steps"]:
        """The weights of the query loss after each step, after `count` updates: equal at first,
        only the last in the end."""
        dtype, early = jnp.result_type(float), jnp.zeros(())
        if self.multi_step:
            early = jnp.maximum(1 - count.astype(dtype) / self.multi_step, 0)
        return (early / self.steps + jnp.zeros(self.steps, dtype)).at[-1].add(1 - early)


class SteppedDescent(AbstractDescent):
    """Gradient descent with the step sizes, scales and shifts that `WithStepRates` carries.

    The step sizes are multiplied by `scale`.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.meta.WithStepRates(ls.MLP(2, 2, key=jr.key(0)), 3, 0.1)
    >>> support = ls.Batch(jnp.eye(2), jnp.eye(2))
    >>> ls.meta.SteppedDescent(steps=3).adapt(model, support)(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy
    steps: int = 5
    scale: float | Float[Array, "..."] = 1.0
    first_order: bool | Array = False

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        _check(model, self.steps)
        start, norms, fixed = _parted(model.model)

        def at(moving: PyTree, number: Int[Array, ""]) -> Model:
            return eqx.combine(moving, jax.tree.map(lambda leaf: leaf[number], norms), fixed)

        def step(carry: tuple[PyTree, Int[Array, ""]]) -> tuple[PyTree, Int[Array, ""]]:
            moving, number = carry
            grads = jax.grad(lambda part: self.loss(at(part, number), support))(moving)
            grads = jax.tree.map(
                lambda g: jnp.where(self.first_order, jax.lax.stop_gradient(g), g), grads
            )
            moved = jax.tree.map(
                lambda p, r, g: p - self.scale * r[number] * g, moving, model.rates, grads
            )
            return moved, number + 1

        return (start, jnp.zeros((), jnp.int32)), step, lambda carry: settled(at(*carry), support)


def _check(model: Model, steps: int) -> None:
    if not isinstance(model, WithStepRates):
        raise InputError(
            "MAML++ learns a step size for each array and step: give `WithStepRates(model,"
            f" steps={steps})`, not {type(model).__name__}."
        )
    rates = len(jax.tree.leaves(model.rates)[0])
    if rates != steps:
        raise InputError(
            f"MAML++: `steps={steps}`, but the model has step sizes for {rates}. Make them equal."
        )


def _parted(model: Model) -> tuple[PyTree, PyTree, PyTree]:
    """The parameters that the inner loop moves, the scales and shifts of normalisation, and the
    rest."""

    def is_norm(part: Any) -> bool:
        return isinstance(part, AbstractNormalisation)

    mask = jax.tree.map(
        lambda part: jax.tree.map(lambda _: is_norm(part), part), model, is_leaf=is_norm
    )
    params, fixed = trainable(model)
    norms, moving = eqx.partition(params, mask)
    return moving, norms, fixed
