"""Adaptation in a single forward pass of a network."""

from ..core import AbstractAdapter, Batch, gaussian_nll, Loss, Model, Predictor
from ._through import AbstractMetaLearner


class CNP(AbstractMetaLearner):
    """Conditional neural process (CNP): a network that reads the support set learns to predict the
    query set, with a Gaussian likelihood.

    The model is a `ConditionalNeuralProcess`, or any with `condition(support) -> predictor`.

    Source: Garnelo et al. 2018, *Conditional Neural Processes*, §2.3. Different from there: the
    loss is on the query set only, as everywhere here, and not also on the support points.

    >>> import jax.random as jr, learnset as ls
    >>> model = ls.models.ConditionalNeuralProcess(1, 1, key=jr.key(0))
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(1))
    >>> mean, std = ls.CNP().adapt(model, task.support).gaussian(task.query.x[0])
    """

    loss: Loss = gaussian_nll

    @property
    def adapter(self) -> "Amortised":
        return Amortised()


class Amortised(AbstractAdapter):
    """Amortised adaptation: the model itself makes the predictor from the support set,
    `model.condition(support)`."""

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return model.condition(support)
