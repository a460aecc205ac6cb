"""Adaptation in a single forward pass of a network."""

from typing import Any

from jaxtyping import Array, Key

from ..core import (
    AbstractAdapter,
    Batch,
    cross_entropy,
    gaussian_nll,
    head_size,
    Loss,
    Model,
    Predictor,
)
from ..models import ConditionalNeuralProcess
from ..transfer import encoder
from ._cnp_classifier import NeuralProcessClassifier
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

    def prepare(
        self, model: Any, *, key: Key[Array, ""]
    ) -> ConditionalNeuralProcess | NeuralProcessClassifier:
        """A neural process with the sizes of `model`; for classification, on its features. It
        cannot start from the weights that other methods start from, because its layers differ."""
        if self.loss is cross_entropy:
            return NeuralProcessClassifier(encoder(model), size=head_size(model), key=key)
        in_size, out_size = model.layers[0].weight.shape[-2], model.head.bias.shape[-1]
        return ConditionalNeuralProcess(in_size, out_size, key=key)


class Amortised(AbstractAdapter):
    """Amortised adaptation: the model itself makes the predictor from the support set,
    `model.condition(support)`.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(1))
    >>> model = ls.models.ConditionalNeuralProcess(1, 1, key=jr.key(0))
    >>> ls.meta.Amortised().adapt(model, task.support)(task.query.x[0]).shape
    (1,)
    """

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return model.condition(support)
