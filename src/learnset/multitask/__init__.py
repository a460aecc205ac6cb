"""Multi-task learning: solving several tasks at once."""

from ._affinity import Affinity as Affinity, Observed as Observed
from ._aligned_mtl import AlignedMTL as AlignedMTL, AlignedScale as AlignedScale
from ._at_representation import AtRepresentation as AtRepresentation
from ._auto_lambda import AutoLambda as AutoLambda
from ._balancer import (
    AbstractBalancer as AbstractBalancer,
    AbstractGramian as AbstractGramian,
    AbstractJacobian as AbstractJacobian,
    AbstractScalarisation as AbstractScalarisation,
    AbstractWeighting as AbstractWeighting,
    TaskStats as TaskStats,
)
from ._boosting import (
    Boosting as Boosting,
    BoostingPerTask as BoostingPerTask,
    MixedBoosting as MixedBoosting,
)
from ._cagrad import CAGrad as CAGrad
from ._chains import (
    ChainedBoosting as ChainedBoosting,
    Chains as Chains,
    Stacked as Stacked,
    StackedBoosting as StackedBoosting,
)
from ._config import ConFIG as ConFIG
from ._cosmos import COSMOS as COSMOS
from ._crmogm import CRMOGM as CRMOGM
from ._db_mtl import DBMTL as DBMTL
from ._delta_m import delta_m as delta_m
from ._dualproj import DualProj as DualProj
from ._dwa import DWA as DWA
from ._early_stopping import (
    EarlyStopping as EarlyStopping,
    EarlyStoppingState as EarlyStoppingState,
)
from ._excess_mtl import ExcessMTL as ExcessMTL
from ._fairgrad import FairGrad as FairGrad
from ._famo import FAMO as FAMO
from ._fixed_weights import FixedWeights as FixedWeights
from ._forest import (
    ForestOfTargets as ForestOfTargets,
    OutputPerTask as OutputPerTask,
    RandomForest as RandomForest,
    Shares as Shares,
)
from ._forum import FORUM as FORUM
from ._gls import GLS as GLS
from ._gp_boosting import GPBoosting as GPBoosting
from ._grad_drop import GradDrop as GradDrop
from ._grad_norm import GradNorm as GradNorm
from ._gradvac import GradVac as GradVac
from ._grower import (
    AbstractGrower as AbstractGrower,
    Added as Added,
    Coded as Coded,
    side_by_side as side_by_side,
    TreesOfTasks as TreesOfTasks,
    TreesPerTask as TreesPerTask,
)
from ._imtl_l import IMTLL as IMTLL
from ._imtlg import IMTLG as IMTLG
from ._krum import Krum as Krum
from ._layerwise import Layerwise as Layerwise
from ._light_boosting import LightBoosting as LightBoosting
from ._logistic import Given as Given, TaskLogistic as TaskLogistic
from ._mean import Mean as Mean
from ._meta_balance import MetaBalance as MetaBalance
from ._mgda import MGDA as MGDA
from ._mixed_model import (
    BLUP as BLUP,
    MixedEffects as MixedEffects,
    MixedModel as MixedModel,
    MixedPredictor as MixedPredictor,
)
from ._moco import MoCo as MoCo
from ._modo import MoDo as MoDo
from ._moml import MOML as MOML
from ._multi_task_lasso import MultiTaskLasso as MultiTaskLasso
from ._nash_mtl import NashMTL as NashMTL
from ._pbi import PBI as PBI
from ._pcd import PCD as PCD
from ._pcgrad import PCGrad as PCGrad
from ._poisson import Exponential as Exponential, LogLink as LogLink, TaskPoisson as TaskPoisson
from ._ridges import (
    OffsetRidge as OffsetRidge,
    PooledRidge as PooledRidge,
    RidgePerTask as RidgePerTask,
    TaskRidge as TaskRidge,
)
from ._rlw import RLW as RLW
from ._sdmgrad import SDMGrad as SDMGrad
from ._soft_sharing import SoftSharing as SoftSharing
from ._solver import (
    AbstractSolution as AbstractSolution,
    AbstractSolver as AbstractSolver,
    LinearPredictor as LinearPredictor,
    LinearTasks as LinearTasks,
)
from ._stch import STCH as STCH
from ._sum import Sum as Sum
from ._task_gradients import task_gradients as task_gradients
from ._trees import Trees as Trees
from ._trimmed_mean import TrimmedMean as TrimmedMean
from ._two_batches import AbstractTwoBatches as AbstractTwoBatches
from ._upgrad import UPGrad as UPGrad
from ._uw import UW as UW
