"""Multi-task learning: solving several tasks at once."""

from ._affinity import Affinity as Affinity, Observed as Observed
from ._balancer import (
    AbstractBalancer as AbstractBalancer,
    AbstractGramian as AbstractGramian,
    AbstractJacobian as AbstractJacobian,
    AbstractScalarisation as AbstractScalarisation,
    AbstractWeighting as AbstractWeighting,
    Seen as Seen,
)
from ._early_stopping import EarlyStopping as EarlyStopping, Kept as Kept
from ._mean import Mean as Mean
from ._mixed_model import (
    BLUP as BLUP,
    MixedEffects as MixedEffects,
    MixedModel as MixedModel,
    MixedPredictor as MixedPredictor,
)
from ._multi_task_lasso import MultiTaskLasso as MultiTaskLasso
from ._ridges import OffsetRidge as OffsetRidge, PooledRidge as PooledRidge, RidgePerTask as RidgePerTask
from ._soft_sharing import SoftSharing as SoftSharing
from ._solver import (
    AbstractSolution as AbstractSolution,
    AbstractSolver as AbstractSolver,
    LinearPredictor as LinearPredictor,
    LinearTasks as LinearTasks,
)
from ._task_gradients import task_gradients as task_gradients
