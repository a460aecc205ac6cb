"""Distributions over tasks."""

from ._base import (
    AbstractDistribution as AbstractDistribution,
    AbstractTasks as AbstractTasks,
    Revealed as Revealed,
)
from ._finite import FiniteTasks as FiniteTasks
from ._linear_gaussian import LinearGaussian as LinearGaussian
from ._sinusoids import Sinusoids as Sinusoids
from ._unrelated import Unrelated as Unrelated
