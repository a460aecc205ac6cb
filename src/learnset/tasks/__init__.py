"""Distributions over tasks, and the data that they are drawn from."""

from . import omniglot as omniglot
from ._base import (
    AbstractDistribution as AbstractDistribution,
    AbstractTasks as AbstractTasks,
    Revealed as Revealed,
)
from ._finite import FiniteTasks as FiniteTasks
from ._labelled import Labelled as Labelled, Splits as Splits
from ._linear_gaussian import LinearGaussian as LinearGaussian
from ._sinusoids import Sinusoids as Sinusoids
from ._unrelated import Unrelated as Unrelated
