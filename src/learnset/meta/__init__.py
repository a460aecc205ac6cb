"""Meta-learning: learning so that a new task is learnt quickly."""

from ._anil import ANIL as ANIL
from ._cavia import CAVIA as CAVIA, ContextDescent as ContextDescent, WithContext as WithContext
from ._cnp import Amortised as Amortised, CNP as CNP
from ._imaml import IMAML as IMAML, ProximalDescent as ProximalDescent
from ._maml import MAML as MAML
from ._meta_sgd import MetaSGD as MetaSGD, RatedDescent as RatedDescent, WithRates as WithRates
from ._r2d2 import LearntRidge as LearntRidge, R2D2 as R2D2, WithRidge as WithRidge
from ._reptile import Reptile as Reptile
from ._through import AbstractMetaLearner as AbstractMetaLearner, query_loss as query_loss
