"""Several recipes on the same tasks: what is asked, what is learnt, what came out."""

from ._ask import alike as alike
from ._compare import compare as compare, learn as learn
from ._comparison import (
    Benefit as Benefit,
    BestOf as BestOf,
    Comparison as Comparison,
    described as described,
)
from ._counts import OfCounts as OfCounts
from ._experience import Experience as Experience, Learnt as Learnt
from ._fits import misfit as misfit, takes_any_ways as takes_any_ways
from ._host import (
    AbstractHostLearner as AbstractHostLearner,
    ByTrees as ByTrees,
    HostPast as HostPast,
    InClosedForm as InClosedForm,
)
from ._learner import (
    AbstractLearner as AbstractLearner,
    Budget as Budget,
    ByGradient as ByGradient,
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
    Accuracy as Accuracy,
    LogLoss as LogLoss,
    MeanSquaredError as MeanSquaredError,
)
from ._new_table_tasks import (
    enough_rows as enough_rows,
    NewTableTasks as NewTableTasks,
    rows_to_score as rows_to_score,
)
from ._outcome import Choice as Choice, Cost as Cost, Outcome as Outcome
from ._question import (
    AbstractQuestion as AbstractQuestion,
    GivenTasks as GivenTasks,
    NewTasks as NewTasks,
)
from ._recipe import in_full as in_full, Recipe as Recipe, slug as slug
from ._row_measures import (
    AbstractRowMeasure as AbstractRowMeasure,
    ExplainedDeviance as ExplainedDeviance,
    ExplainedVariance as ExplainedVariance,
    RocAuc as RocAuc,
    RowAccuracy as RowAccuracy,
    RowLogLoss as RowLogLoss,
)
from ._rows import Rows as Rows
from ._seeds import seed_keys as seed_keys
from ._seen_tasks import FixedTasks as FixedTasks, SeenTasks as SeenTasks
from ._setting import Setting as Setting
from ._stopping import ByEarlyStopping as ByEarlyStopping
from ._verdict import interval_of_divisions as interval_of_divisions, Verdict as Verdict
from ._workers import dask_workers as dask_workers, stoppable as stoppable, Workers as Workers
