"""Environments: frozen modules whose fields are the task."""

from ._base import (
    AbstractEnv as AbstractEnv,
    AbstractEnvs as AbstractEnvs,
    Continuous as Continuous,
    Discrete as Discrete,
    Outcome as EnvOutcome,
)
from .harlow import Harlow as Harlow, HarlowProblem as HarlowProblem
from .water_maze import (
    MatchingToPlace as MatchingToPlace,
    Pool as Pool,
    ReferenceMemory as ReferenceMemory,
    WaterMaze as WaterMaze,
)
