"""Several recipes on the same tasks: what is asked, what is learnt, what came out."""

from ._ask import alike as alike
from ._compare import compare as compare, learn as learn
from ._comparison import (
    Benefit as Benefit,
    BestOf as BestOf,
    Comparison as Comparison,
    described as described,
)
from ._experience import Experience as Experience, Learnt as Learnt
from ._learner import (
    AbstractLearner as AbstractLearner,
    Budget as Budget,
    ByGradient as ByGradient,
    InClosedForm as InClosedForm,
    NothingLearnt as NothingLearnt,
)
from ._lives import (
    AbstractLifeMeasure as AbstractLifeMeasure,
    Lives as Lives,
    Rule as Rule,
    TotalReward as TotalReward,
)
from ._measure import (
    AbstractMeasure as AbstractMeasure,
    AbstractPointMeasure as AbstractPointMeasure,
    AbstractRowMeasure as AbstractRowMeasure,
    Accuracy as Accuracy,
    ExplainedVariance as ExplainedVariance,
    MeanSquaredError as MeanSquaredError,
    RocAuc as RocAuc,
    RowAccuracy as RowAccuracy,
)
from ._outcome import Choice as Choice, Cost as Cost, Outcome as Outcome
from ._question import (
    AbstractQuestion as AbstractQuestion,
    FixedTasks as FixedTasks,
    GivenTasks as GivenTasks,
    NewTasks as NewTasks,
    SeenTasks as SeenTasks,
)
from ._recipe import Recipe as Recipe, slug as slug
from ._rows import Rows as Rows
from ._seeds import seed_keys as seed_keys
from ._setting import Setting as Setting
