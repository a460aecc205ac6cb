"""Environments: frozen modules whose fields define the task."""

from ._base import (
    AbstractEnv as AbstractEnv,
    AbstractEnvs as AbstractEnvs,
    AbstractWrapper as AbstractWrapper,
    Continuous as Continuous,
    Discrete as Discrete,
    Feedback as Feedback,
)
from ._live import (
    AbstractAgent as AbstractAgent,
    advance as advance,
    begin as begin,
    Life as Life,
    live as live,
    live_on as live_on,
    Percept as Percept,
    World as World,
)
from ._revealed import Revealed as Revealed, RevealedEnvs as RevealedEnvs
from .bandits import (
    Bandit as Bandit,
    Bandits as Bandits,
    expected_regret as expected_regret,
    InformativeBandits as InformativeBandits,
)
from .harlow import (
    Harlow as Harlow,
    HarlowProblem as HarlowProblem,
    LEFT as LEFT,
    LOOK as LOOK,
    RIGHT as RIGHT,
)
from .mdps import TabularMDP as TabularMDP, TabularMDPs as TabularMDPs
from .navigation import Navigation as Navigation, Point as Point, PointNavigation as PointNavigation
from .two_step import (
    DriftingTwoStep as DriftingTwoStep,
    stay_probabilities as stay_probabilities,
    TwoStep as TwoStep,
    TwoStepTask as TwoStepTask,
)
from .water_maze import (
    MatchingToPlace as MatchingToPlace,
    Pool as Pool,
    ReferenceMemory as ReferenceMemory,
    SITES as SITES,
    WaterMaze as WaterMaze,
)
