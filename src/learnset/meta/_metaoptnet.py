"""Meta-learning through a support vector machine."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import AbstractAdapter, Batch, check_positive, cross_entropy, InputError, Loss, Model
from ..models import Headed
from ..transfer import SupportVectors
from ._through import AbstractMetaLearner


class WithScale(eqx.Module):
    """A model with a factor of the logits of its head, learnt together: the model of `MetaOptNet`.

    **Arguments:**

    - `model`: has `features`, or is `Headed`.
    - `scale`: the initial factor; it is learnt on a logarithmic scale, so it stays above zero.
    """

    model: Any
    log_scale: Float[Array, ""]

    def __init__(self, model: Any, scale: float = 1.0):
        check_positive("WithScale", scale=scale)
        self.model = model
        self.log_scale = jnp.log(jnp.asarray(scale, jnp.result_type(float)))


class MetaOptNet(AbstractMetaLearner):
    """MetaOptNet: learns features for which a support vector machine on the support set classifies
    the query set well.

    Source: Lee, Maji, Ravichandran & Soatto 2019, *Meta-Learning with Differentiable Convex
    Optimization*, §3.2-3.4, and its code for `cost`. Different from there: the gradient goes
    through the steps of the solver, not through the optimality conditions; no label smoothing.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.meta.WithScale(ls.models.Headed(ls.MLP(2, 2, key=jr.key(0)), None))
    >>> ls.meta.MetaOptNet().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy
    cost: float | Float[Array, "..."] = 0.1
    steps: int = 100

    @property
    def adapter(self) -> "ScaledSupportVectors":
        return ScaledSupportVectors(self.cost, self.steps)

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> WithScale:
        del key
        return WithScale(model)


class ScaledSupportVectors(AbstractAdapter):
    """`SupportVectors` with the scale that `WithScale` carries.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.meta.WithScale(ls.MLP(2, 2, key=jr.key(0)))
    >>> machine = ls.meta.ScaledSupportVectors().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))
    >>> int(machine(jnp.array([1.0, 0.0])).argmax())
    0
    """

    cost: float | Float[Array, "..."] = 0.1
    steps: int = 100

    def adapt(self, model: Model, support: Batch) -> Headed:
        if not isinstance(model, WithScale):
            raise InputError(
                "MetaOptNet learns the scale of its logits: give `WithScale(model)`, not"
                f" {type(model).__name__}."
            )
        machine = SupportVectors(self.cost, self.steps).adapt(model.model, support)
        return eqx.tree_at(
            lambda m: m.head.weight, machine, jnp.exp(model.log_scale) * machine.head.weight
        )
