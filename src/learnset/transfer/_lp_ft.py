"""Probing first, then fine-tuning."""

from collections.abc import Callable

from jaxtyping import PyTree

from ..core import AbstractAdapter, AbstractIterativeAdapter, Batch, Model, Predictor
from ._descent import AbstractDescent
from ._fine_tune import FineTune
from ._logistic import Logistic


class LPFT(AbstractIterativeAdapter):
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
    descent: AbstractDescent = FineTune()

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.descent.adapt(self.probe.adapt(model, support), support)

    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        return self.descent.trace(self.probe.adapt(model, support), support, observe)

    def trace_at(
        self,
        model: Model,
        support: Batch,
        observe: Callable[[Predictor], PyTree],
        steps: tuple[int, ...],
    ) -> PyTree:
        return self.descent.trace_at(self.probe.adapt(model, support), support, observe, steps)

    @property
    def steps(self) -> int:
        """Steps of fine-tuning."""
        return self.descent.steps
