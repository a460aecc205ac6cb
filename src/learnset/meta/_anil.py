"""An inner loop for the head only."""

import equinox as eqx
from jaxtyping import Array, Float

from ..core import head, Loss, mse
from ..transfer import FineTune, Unroll
from ._through import AbstractMetaLearner


class ANIL(AbstractMetaLearner):
    """ANIL ("almost no inner loop"): MAML whose inner loop adapts the head only, and reuses the
    body.

    Source: Raghu et al. 2020, *Rapid Learning or Feature Reuse?*, §4.1.

    **Arguments:** as `MAML`. **Raises:** `InputError` for a model without a `head`.

    >>> import learnset as ls
    >>> ls.ANIL(ls.mse, inner_lr=0.1, steps=5).adapter.steps
    5
    """

    loss: Loss = mse
    inner_lr: float | Float[Array, "..."] = 0.01
    steps: int = 1
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)

    @property
    def adapter(self) -> FineTune:
        return FineTune(self.loss, self.inner_lr, self.steps, where=head, unroll=self.unroll)
