"""Distributions over tasks."""

from ._affine import Affine as Affine
from ._all_rows import all_rows as all_rows, AllRows as AllRows
from ._base import (
    AbstractDistribution as AbstractDistribution,
    AbstractTasks as AbstractTasks,
    Revealed as Revealed,
)
from ._episodes import choose as choose, Episodes as Episodes, SameClasses as SameClasses
from ._finite import FiniteTasks as FiniteTasks, some_points as some_points
from ._gaussian_processes import GaussianProcesses as GaussianProcesses
from ._held_out import (
    by_tasks as by_tasks,
    HeldOutTasks as HeldOutTasks,
    most_points as most_points,
)
from ._linear_gaussian import LinearGaussian as LinearGaussian
from ._many_targets import ManyTargets as ManyTargets
from ._padded_tasks import padded_tasks as padded_tasks
from ._pool_groups import PoolGroups as PoolGroups
from ._pooled_classes import PooledClasses as PooledClasses
from ._random_tables import RandomTables as RandomTables
from ._related_gaussian import (
    AbstractGroups as AbstractGroups,
    Bundle as Bundle,
    Group as Group,
    Groups as Groups,
    RelatedGaussian as RelatedGaussian,
)
from ._related_tables import RelatedTables as RelatedTables
from ._rows import by_rows as by_rows, TableTasks as TableTasks
from ._sinusoids import Sinusoids as Sinusoids
from ._task_rows import TaskRows as TaskRows
from ._unrelated import Unrelated as Unrelated
from ._variable_episodes import VariableEpisodes as VariableEpisodes
