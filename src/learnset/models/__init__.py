"""Models: what `equinox.nn` lacks for learning many tasks."""

from ._attention import AttentionBlock as AttentionBlock
from ._conditional_neural_process import (
    ConditionalNeuralProcess as ConditionalNeuralProcess,
    Conditioned as Conditioned,
)
from ._conv4 import Conv4 as Conv4
from ._convolution import Convolution as Convolution
from ._function import Function as Function
from ._headed import classifier as classifier, Headed as Headed
from ._linear import Linear as Linear, truncated_normal as truncated_normal
from ._mlp import MLP as MLP
from ._normalisation import (
    AbstractNormalisation as AbstractNormalisation,
    BatchNorm as BatchNorm,
    GroupNorm as GroupNorm,
    SupportNorm as SupportNorm,
)
from ._raw import Raw as Raw
from ._resnet12 import ResNet12 as ResNet12
from ._tasked import Separate as Separate, separate as separate, SharedBody as SharedBody
