"""Probing first, then fine-tuning."""

from ..core import AbstractAdapter, Batch, cross_entropy, Model
from ._descent import AbstractDescent
from ._fine_tune import FineTune
from ._fresh_head import AbstractRenewed
from ._logistic import Logistic


class LPFT(AbstractRenewed):
    """LP-FT: linear probing, then fine-tuning. The head fits the frozen features first, so that
    fine-tuning distorts them less.

    **Arguments:**

    - `probe`: an adapter that gives the model a head: `Logistic`, or `Ridge` for regression.
    - `descent`: the fine-tuning of the model with this head.

    Source: Kumar et al. 2022, *Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution*, §3.4.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> adapter = ls.transfer.LPFT(ls.Ridge(), ls.FineTune(ls.mse))
    >>> predictor = adapter.adapt(ls.MLP(1, 1, key=jr.key(1)), task.support)
    >>> bool(ls.mse(predictor, task.support) < 1)
    True
    """

    probe: AbstractAdapter = Logistic()
    descent: AbstractDescent = FineTune(cross_entropy)

    def renewed(self, model: Model, support: Batch) -> Model:
        return self.probe.adapt(model, support)
