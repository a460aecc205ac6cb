"""Distributions over tasks, and the data that they are drawn from."""

from . import glyphs as glyphs, omniglot as omniglot
from ._affine import Affine as Affine
from ._arrays import from_npz as from_npz
from ._base import (
    AbstractDistribution as AbstractDistribution,
    AbstractTasks as AbstractTasks,
    Revealed as Revealed,
)
from ._classes import Classes as Classes
from ._digits import digits as digits
from ._encoding import Encoding as Encoding
from ._episodes import choose as choose, Episodes as Episodes
from ._finite import FiniteTasks as FiniteTasks
from ._folder import from_folder as from_folder, from_image as from_image
from ._labelled import Labelled as Labelled, Splits as Splits
from ._linear_gaussian import LinearGaussian as LinearGaussian
from ._many_targets import ManyTargets as ManyTargets
from ._padded_tasks import padded_tasks as padded_tasks
from ._pooled_classes import PooledClasses as PooledClasses
from ._read_table import read_table as read_table
from ._sarcos import sarcos as sarcos
from ._school import school as school
from ._sinusoids import Sinusoids as Sinusoids
from ._streamed import DEVICE_BYTES as DEVICE_BYTES, OnHost as OnHost, placed as placed, Streamed as Streamed
from ._table import Table as Table
from ._table_tasks import by_rows as by_rows, by_tasks as by_tasks, NewTasks as NewTasks, TableTasks as TableTasks
from ._tox21 import tox21 as tox21
from ._turned import turned as turned
from ._unrelated import Unrelated as Unrelated
from ._variable_episodes import VariableEpisodes as VariableEpisodes
