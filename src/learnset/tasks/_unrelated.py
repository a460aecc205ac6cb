"""Tasks that share nothing: a control."""

import jax.random as jr
from jaxtyping import Array, Key

from ..core import check_not_negative, check_positive, InputError, Split, Task
from ._base import AbstractTasks, check_points, halves


class Unrelated(AbstractTasks):
    """Unrelated tasks: targets `y ~ N(mean, std²)` that are independent of inputs `x ~ U[-5, 5]`.

    Neither past tasks nor the support set help to predict a query: the best predictor is the
    constant `mean`, and the lowest possible error is `std²` (`floor`). A learner with a lower error
    has seen the queries; all that a learner can gain from past tasks is to learn the common scale,
    and not to fit noise.

    >>> import learnset as ls
    >>> ls.Unrelated(std=2.0).floor
    4.0
    """

    shots: int = 10  # points of a task to learn from
    queries: int = 10  # points of a task to be scored on
    in_size: int = 1
    mean: float = 0.0
    std: float = 1.0

    def __check_init__(self):
        check_points("Unrelated", self.shots, self.queries)
        check_positive("Unrelated", std=self.std)
        check_not_negative("Unrelated", absolute_mean=abs(self.mean))
        if self.in_size < 1:
            raise InputError(
                f"Unrelated: `in_size={self.in_size}`, but there must be at least 1 input."
            )

    @property
    def floor(self) -> float:
        """The expected squared error of the best constant, the lowest possible error."""
        return self.std**2

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        x_key, y_key = jr.split(split.fold(key))
        points = self.shots + self.queries
        x = jr.uniform(x_key, (points, self.in_size), minval=-5.0, maxval=5.0)
        y = self.mean + self.std * jr.normal(y_key, (points, 1))
        return Task(*halves(x, y, self.shots))
