"""No adaptation."""

from ..core import AbstractAdapter, Batch, Model, Predictor, settled


class AsIs(AbstractAdapter):
    """The model as it is: the support set is ignored, except by layers that its statistics
    normalise. For tasks that the model was trained on, and as the control of every adapter.

    >>> import jax.random as jr, learnset as ls
    >>> model = ls.MLP(1, 1, key=jr.key(0))
    >>> ls.transfer.AsIs().adapt(model, None) is model
    True
    """

    def adapt(self, model: Model, support: Batch | None) -> Predictor:
        return model if support is None else settled(model, support)
