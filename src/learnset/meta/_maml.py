"""Model-agnostic meta-learning."""

import equinox as eqx
from jaxtyping import Array, Float

from ..core import Loss, mse, Where, whole
from ..transfer import FineTune, Unroll
from ._through import AbstractMetaLearner


class MAML(AbstractMetaLearner):
    """Model-agnostic meta-learning (MAML): learns an initialisation from which a few steps of
    gradient descent on a new task go far.

    Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep
    Networks*, algorithm 2. First-order MAML (§5.2 there) is `unroll=Unroll.FIRST_ORDER`.

    **Arguments:**

    - `loss`: of a predictor on a batch, for both support and query.
    - `inner_lr`, `steps`: of the gradient descent on the support set.
    - `unroll`: the way to differentiate through the steps; see `Unroll`.
    - `where`: the part of the model that the steps move.

    >>> import jax.random as jr, optax, learnset as ls
    >>> model_key, train_key = jr.split(jr.key(0))
    >>> model = ls.MLP(1, 1, key=model_key)
    >>> maml, adam = ls.MAML(ls.mse), optax.adam(1e-3)
    >>> run = ls.train(maml, model, ls.Sinusoids(), adam, steps=3, key=train_key)
    >>> run.steps
    3
    """

    loss: Loss = mse
    inner_lr: float | Float[Array, "..."] = 0.01  # step size on the support set
    steps: int = 1  # steps on the support set
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)
    where: Where = eqx.field(static=True, default=whole)

    @property
    def adapter(self) -> FineTune:
        return FineTune(self.loss, self.inner_lr, self.steps, where=self.where, unroll=self.unroll)
