"""An inner loop for the body only."""

import dataclasses
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from ..core import cross_entropy, head, Loss, Model
from ..transfer import FineTune, Unroll
from ._through import AbstractMetaLearner


class BOIL(AbstractMetaLearner):
    """BOIL ("body only update in inner loop"): MAML whose inner loop adapts the body only.

    Features change for each task, and nothing can be gained by fitting a head to fixed features. It
    is the opposite of `ANIL`.

    Source: Oh, Yoo, Kim & Yun 2021, *BOIL: Towards Representation Change for Few-shot Learning*,
    §3.1.

    **Arguments:** as `MAML`. **Raises:** `InputError` for a model without a `head`.

    >>> import learnset as ls
    >>> ls.BOIL(inner_lr=0.5, steps=1).adapter.steps
    1
    """

    loss: Loss = cross_entropy
    inner_lr: float | Float[Array, "..."] = 0.5
    steps: int = 1
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)

    @property
    def adapter(self) -> FineTune:
        return FineTune(self.loss, self.inner_lr, self.steps, where=body, unroll=self.unroll)


def body(model: Model) -> list[Any]:
    """All parts of a model except its head: the `where` of BOIL.

    >>> import jax.random as jr, learnset as ls
    >>> [len(part) for part in body(ls.MLP(1, 1, depth=2, key=jr.key(0)))]
    [2]
    """
    head(model)  # raises for a model without one
    fields = [
        field for field in dataclasses.fields(model) if not field.metadata.get("static", False)
    ]
    return [getattr(model, field.name) for field in fields if field.name != "head"]
