"""Distributions over tasks, and the data that they are drawn from."""

from . import glyphs as glyphs, omniglot as omniglot
from ._arrays import from_npz as from_npz
from ._base import (
    AbstractDistribution as AbstractDistribution,
    AbstractTasks as AbstractTasks,
    Revealed as Revealed,
)
from ._digits import digits as digits
from ._finite import FiniteTasks as FiniteTasks
from ._folder import from_folder as from_folder
from ._labelled import Labelled as Labelled, Splits as Splits
from ._linear_gaussian import LinearGaussian as LinearGaussian
from ._sinusoids import Sinusoids as Sinusoids
from ._unrelated import Unrelated as Unrelated
