"""The common network of regression and tables."""

from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Key

from ...core import Split
from ...models import MLP


class Network(eqx.Module):
    """Makes the common network: two hidden layers of 40 units, as in the MAML paper."""

    in_size: int
    out_size: int

    def __call__(self, key: Key[Array, ""]) -> MLP:
        return MLP(self.in_size, self.out_size, width=40, depth=2, key=key)


def sizes(tasks: Any) -> tuple[int, int]:
    """The lengths of an input and of a target."""
    task = jax.eval_shape(lambda: tasks.draw(1, Split.TRAIN, key=jr.key(0)))
    return task.support.x.shape[-1], task.support.y.shape[-1]
