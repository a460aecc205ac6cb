"""Models: what `equinox.nn` lacks for learning many tasks."""

from ._conditional_neural_process import (
    ConditionalNeuralProcess as ConditionalNeuralProcess,
    Conditioned as Conditioned,
)
from ._function import Function as Function
from ._linear import Linear as Linear, truncated_normal as truncated_normal
from ._mlp import MLP as MLP
from ._tasked import Separate as Separate, separate as separate, SharedBody as SharedBody
