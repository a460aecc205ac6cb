"""Environments: frozen modules whose fields are the task."""

from ._base import (
    AbstractEnv as AbstractEnv,
    AbstractEnvs as AbstractEnvs,
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
    Percept as Percept,
    World as World,
)
from .harlow import Harlow as Harlow, HarlowProblem as HarlowProblem, LEFT as LEFT, LOOK as LOOK, RIGHT as RIGHT
from .water_maze import (
    MatchingToPlace as MatchingToPlace,
    Pool as Pool,
    ReferenceMemory as ReferenceMemory,
    WaterMaze as WaterMaze,
)
