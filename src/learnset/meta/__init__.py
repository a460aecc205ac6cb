"""Meta-learning: training on many tasks so that a new one is learnt quickly."""

from ._anil import ANIL as ANIL
from ._boil import body as body, BOIL as BOIL
from ._cavia import CAVIA as CAVIA, ContextDescent as ContextDescent, WithContext as WithContext
from ._cnp import Amortised as Amortised, CNP as CNP
from ._cnp_classifier import NeuralProcessClassifier as NeuralProcessClassifier
from ._imaml import IMAML as IMAML, ProximalDescent as ProximalDescent
from ._in_context import InContext as InContext, InContextClassifier as InContextClassifier
from ._in_context_table import (
    InContextTable as InContextTable,
    InUnits as InUnits,
    too_large as too_large,
)
from ._logistic import LRD2 as LRD2
from ._maml import MAML as MAML
from ._maml_plus_plus import (
    MAMLPlusPlus as MAMLPlusPlus,
    SteppedDescent as SteppedDescent,
    WithStepRates as WithStepRates,
)
from ._matching import (
    Matching as Matching,
    MatchingNetwork as MatchingNetwork,
    WithFullContext as WithFullContext,
)
from ._meta_sgd import MetaSGD as MetaSGD, RatedDescent as RatedDescent, WithRates as WithRates
from ._metaoptnet import (
    MetaOptNet as MetaOptNet,
    ScaledSupportVectors as ScaledSupportVectors,
    WithScale as WithScale,
)
from ._proto_maml import ProtoMAML as ProtoMAML, PrototypeDescent as PrototypeDescent
from ._protonet import ProtoNet as ProtoNet
from ._r2d2 import LearntRidge as LearntRidge, R2D2 as R2D2, WithRidge as WithRidge
from ._relation import (
    MapRelation as MapRelation,
    Relation as Relation,
    relation_loss as relation_loss,
    RelationNetwork as RelationNetwork,
    WithRelation as WithRelation,
)
from ._reptile import Reptile as Reptile
from ._table_pfn import TablePFN as TablePFN
from ._through import AbstractMetaLearner as AbstractMetaLearner, query_loss as query_loss
