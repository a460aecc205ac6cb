"""Adaptation of a few context inputs only."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import AbstractIterativeAdapter, Batch, InputError, Loss, Model, mse, Predictor
from ..transfer import FineTune, Unroll
from ._through import AbstractMetaLearner

CONTEXT = 5  # number of context inputs that `CAVIA.prepare` adds


class WithContext(eqx.Module):
    """A model with a context that is appended to each of its inputs: the model of `CAVIA`.

    **Arguments:**

    - `model`: takes inputs with `size` more entries than the tasks have; see `MLP.extend_inputs`.
    - `size`: number of context parameters. They start at zero for each task.
    """

    model: Any
    context: Float[Array, "context"]

    def __init__(self, model: Any, size: int):
        if size < 1:
            raise InputError(
                f"WithContext: `size={size}`, but CAVIA needs at least 1 context parameter."
            )
        self.model = model
        self.context = jnp.zeros(size)

    def __call__(self, x: Float[Array, "in"]) -> Array:
        return self.model(jnp.concatenate([x, self.context]))


class CAVIA(AbstractMetaLearner):
    """CAVIA: splits parameters into shared ones, which no task changes, and a small context, which
    each task learns from zero by gradient descent. A learnt task is then only a few numbers.

    Source: Zintgraf et al. 2019, *Fast Context Adaptation via Meta-Learning*, §3.1; `inner_lr=1.0`
    and five context parameters as in its sinusoid experiment.

    >>> import jax.random as jr, learnset as ls
    >>> net = ls.MLP(1, 1, key=jr.key(0)).extend_inputs(5, key=jr.key(1))
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(2))
    >>> ls.CAVIA(ls.mse).adapt(ls.meta.WithContext(net, 5), task.support).context.shape
    (5,)
    """

    loss: Loss = mse
    inner_lr: float | Float[Array, "..."] = 1.0
    steps: int = 1
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)

    @property
    def adapter(self) -> "ContextDescent":
        return ContextDescent(self.loss, self.inner_lr, self.steps, self.unroll)

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> WithContext:
        return WithContext(model.extend_inputs(CONTEXT, key=key), CONTEXT)


class ContextDescent(AbstractIterativeAdapter):
    """Gradient descent on the context only, from zero.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(1))
    >>> model = ls.meta.WithContext(ls.MLP(3, 1, key=jr.key(0)), 2)
    >>> ls.meta.ContextDescent(steps=3).adapt(model, task.support).context.shape
    (2,)
    """

    loss: Loss = mse
    lr: float | Float[Array, "..."] = 1.0
    steps: int = 1
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)

    @property
    def descent(self) -> FineTune:
        return FineTune(self.loss, self.lr, self.steps, where=_context, unroll=self.unroll)

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.descent.adapt(_reset(model), support)

    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        return self.descent.trace(_reset(model), support, observe)


def _context(model: Model) -> Array:
    return model.context


def _reset(model: Model) -> Model:
    """The model with a context of zeros, so that no gradient reaches the stored one."""
    if not isinstance(model, WithContext):
        raise InputError(
            "CAVIA adapts context inputs: give `WithContext(model, size)`, not"
            f" {type(model).__name__}."
        )
    return eqx.tree_at(_context, model, jnp.zeros_like(model.context))
