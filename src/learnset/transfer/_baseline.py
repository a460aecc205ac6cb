"""A new head on frozen features, by gradient descent."""

import abc
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import (
    Batch,
    check_not_negative,
    check_positive,
    cross_entropy,
    features,
    Model,
    Predictor,
    settled,
)
from ..models import Headed
from ._descent import AbstractDescent
from ._fine_tune import FineTune
from ._heads import CosineHead, LinearHead, zero_head
from ._prototypes import class_means, encoder


class AbstractHeadDescent(AbstractDescent):
    """A new head that gradient descent fits to the features of the support set, which are computed
    once and stay fixed.

    **Arguments:**

    - `lr`: step size. `steps`: number of steps, each on all support points.
    - `decay`: the share of each parameter of the head that a step takes off, in units of `lr`.

    **Raises:** `InputError` for a step size that is not above zero, and for negative `steps` or
    `decay`.
    """

    lr: float | Float[Array, "..."] = 0.01
    steps: int = 100
    decay: float | Float[Array, "..."] = 1e-3

    def __check_init__(self):
        check_positive(type(self).__name__, lr=self.lr)
        check_not_negative(type(self).__name__, steps=self.steps, decay=self.decay)

    @abc.abstractmethod
    def start(self, points: Batch) -> Any:
        """The head before any step, made from the features of the support set."""

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        model = settled(model, support)
        points = Batch(features(model, support.x, support.weight), support.y, support.weight)
        start, step, finish = FineTune(cross_entropy, self.lr, self.steps).plan(
            self.start(points), points
        )

        def decayed(carry: Any) -> Any:
            moved, state = step(carry)
            return jax.tree.map(
                lambda new, old: new - self.lr * self.decay * old, moved, carry[0]
            ), state

        return start, decayed, lambda carry: Headed(encoder(model), finish(carry))


class Baseline(AbstractHeadDescent):
    """Baseline: a new linear head on frozen features, by gradient descent from zero.

    Source: Chen et al. 2019, *A Closer Look at Few-shot Classification*, §3.2, and its code for
    `lr`, `steps` (epochs) and `decay`. Different from there: all support points in each step
    instead of four; a start at zero instead of a random one. `Logistic` finds the point where such
    steps would end.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> predictor = ls.transfer.Baseline().adapt(model, ls.Batch(jnp.eye(3), jnp.eye(3)))
    >>> predictor(jnp.array([0.0, 1.0, 0.0])).argmax().item()
    1
    """

    def start(self, points: Batch) -> LinearHead:
        return zero_head(points)


class BaselinePlusPlus(AbstractHeadDescent):
    """Baseline++: a new head on frozen features, whose logits are cosines, by gradient descent.

    **Arguments:** as `Baseline`, and `scale`: the factor of the cosines.

    Source: Chen et al. 2019, *A Closer Look at Few-shot Classification*, §3.2, "Baseline++"; the
    scale of its code. Different from there: as for `Baseline`, but the weights start at the class
    means.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> predictor = ls.transfer.BaselinePlusPlus().adapt(model, ls.Batch(jnp.eye(3), jnp.eye(3)))
    >>> predictor(jnp.array([0.0, 1.0, 0.0])).argmax().item()
    1
    """

    scale: float | Float[Array, "..."] = 2.0

    def start(self, points: Batch) -> CosineHead:
        means, present = class_means(points.x, points)
        return CosineHead(means, jnp.asarray(self.scale, means.dtype), present)
