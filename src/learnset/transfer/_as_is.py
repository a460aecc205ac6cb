"""No adaptation."""

from ..core import AbstractAdapter, Batch, Model, Predictor, settled


class AsIs(AbstractAdapter):
    """Uses the model as it is and ignores the support set, but for layers that are normalised by its statistics: for
    tasks that the model was trained on, and as the control of every adapter.

    >>> import jax.random as jr, learnset as ls
    >>> model = ls.MLP(1, 1, key=jr.key(0))
    >>> ls.transfer.AsIs().adapt(model, None) is model
    True
    """

    def adapt(self, model: Model, support: Batch | None) -> Predictor:
        return model if support is None else settled(model, support)
