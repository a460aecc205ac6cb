"""Meta-learning through logistic regression."""

from jaxtyping import Array, Float

from ..core import cross_entropy, Loss
from ..transfer import Logistic
from ._through import AbstractMetaLearner


class LRD2(AbstractMetaLearner):
    """LR-D2: learns features for which logistic regression on the support set classifies the query
    set well.

    Source: Bertinetto, Henriques, Torr & Vedaldi 2019, *Meta-learning with differentiable
    closed-form solvers*, §3.3 ("LR-D2"). Different from there: multinomial instead of one class
    against the rest; solved to convergence, with the exact gradient, instead of five steps that are
    differentiated through; a fixed penalty, not a learnt one.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.Headed(ls.MLP(2, 2, key=jr.key(0)), None)
    >>> ls.meta.LRD2().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy
    l2: float | Float[Array, "..."] = 1.0
    steps: int = 10

    @property
    def adapter(self) -> Logistic:
        return Logistic(self.l2, self.steps)
