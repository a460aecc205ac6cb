"""How errors are shown: as they are, or as accuracy."""

from collections.abc import Callable

import numpy as np

from ..core import error_rate, interval, Loss


class Errors:
    """Errors as they are, on a logarithmic axis."""

    words = "mean squared error"
    best = "Lowest error"
    unit = "point"  # what a task is learnt from
    logarithmic = True

    def __call__(self, errors: np.ndarray | float) -> np.ndarray | float:
        return errors

    def text(self, errors: np.ndarray) -> str:
        """Mean and interval of "seeds tasks"."""
        mean, half = interval(errors)
        return f"{number(mean)} ± {number(half)}"

    def one(self, error: float) -> str:
        """A mean alone."""
        return number(error)

    def amount(self, number: int) -> str:
        """How much a task is learnt from.

        >>> Errors().amount(10), Accuracy().amount(1)
        ('10 points', '1 shot')
        """
        return f"{number} {self.unit}{'s' * (number != 1)}"

    def difference(self, difference: float, half: float) -> str:
        """A difference of errors and its interval."""
        return f"{difference:+.3g} ± {number(half)}"


class Accuracy(Errors):
    """The part that is right, in per cent."""

    words = "accuracy (%)"
    best = "Highest accuracy"
    unit = "shot"
    logarithmic = False

    def __call__(self, errors: np.ndarray | float) -> np.ndarray | float:
        return 100 * (1 - errors)

    def text(self, errors: np.ndarray) -> str:
        mean, half = interval(errors)
        return f"{100 * (1 - mean):.2f} ± {100 * half:.2f} %"

    def one(self, error: float) -> str:
        return f"{100 * (1 - error):.1f} %"

    def difference(self, difference: float, half: float) -> str:
        return f"{-100 * difference:+.2f} ± {100 * half:.2f}"


def scale(metric: Loss | Callable) -> Errors:
    """How errors of a metric are shown."""
    return Accuracy() if metric is error_rate else Errors()


def number(value: float) -> str:
    """Three digits, whatever the size.

    >>> number(0.012345), number(float("nan"))
    ('0.0123', 'diverged')
    """
    return f"{value:.3g}" if abs(value) < float("inf") else "diverged"
