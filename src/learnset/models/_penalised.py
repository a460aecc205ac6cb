"""A loss with a penalty on the model."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import Batch, check_not_negative, Loss, Predictor


class Penalised(eqx.Module):
    """A penalised loss: `loss(predictor, batch) + strength * penalty(predictor, batch)`. A batch in
    which nothing has weight has no penalty, so absent tasks move no model.

    **Arguments:**

    - `penalty`: of one task's view of the model: `gate_entropy` for `DSelectK`, `code_size` for
      `LowRank`, or your own.

    >>> import jax.numpy as jnp, learnset as ls
    >>> loss = ls.models.Penalised(ls.mse, lambda predictor, batch: jnp.asarray(3.0), strength=0.5)
    >>> float(loss(lambda x: x + 1, ls.Batch(jnp.zeros((4, 1)), jnp.zeros((4, 1)))))
    2.5
    """

    loss: Loss
    penalty: Loss
    strength: float | Float[Array, ""] = 0.01

    def __check_init__(self):
        check_not_negative("Penalised", strength=self.strength)

    def __call__(self, predictor: Predictor, batch: Batch) -> Float[Array, ""]:
        penalty = jnp.where(batch.weight.max() > 0, self.penalty(predictor, batch), 0)
        return self.loss(predictor, batch) + self.strength * penalty
