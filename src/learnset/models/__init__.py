"""Models for learning many tasks, which `equinox.nn` lacks."""

from ._attention import AttentionBlock as AttentionBlock
from ._backbone import Backbone as Backbone, TEXT_TOKENS as TEXT_TOKENS
from ._bert import MiniLM as MiniLM, TEXT_FEATURES as TEXT_FEATURES
from ._cgc import CGC as CGC
from ._change import (
    AbstractPart as AbstractPart,
    BottleneckPart as BottleneckPart,
    Change as Change,
    change_between as change_between,
    lengths as lengths,
    LowRankPart as LowRankPart,
    NewPart as NewPart,
    part_at as part_at,
    ScaledPart as ScaledPart,
    WithBottleneck as WithBottleneck,
)
from ._clustered import Clustered as Clustered, clustered as clustered
from ._conditional_neural_process import (
    ConditionalNeuralProcess as ConditionalNeuralProcess,
    Conditioned as Conditioned,
)
from ._conv4 import Conv4 as Conv4
from ._convolution import Convolution as Convolution
from ._cross_stitch import CrossStitch as CrossStitch
from ._dselect_k import DSelectK as DSelectK, gate_entropy as gate_entropy
from ._efficientnet_lite import EfficientNetLite as EfficientNetLite
from ._frozen import frozen as frozen
from ._function import Function as Function
from ._headed import classifier as classifier, Headed as Headed
from ._kinds import (
    by_kind as by_kind,
    error_by_kind as error_by_kind,
    from_features as from_features,
    Kind as Kind,
    Kinds as Kinds,
)
from ._linear import Linear as Linear, truncated_normal as truncated_normal
from ._low_rank import code_size as code_size, LowRank as LowRank
from ._mlp import MLP as MLP
from ._mmoe import MMoE as MMoE
from ._mtan import MTAN as MTAN
from ._normalisation import (
    AbstractNormalisation as AbstractNormalisation,
    BatchNorm as BatchNorm,
    GroupNorm as GroupNorm,
    SupportNorm as SupportNorm,
)
from ._penalised import Penalised as Penalised
from ._ple import PLE as PLE
from ._raw import Raw as Raw
from ._resnet12 import ResNet12 as ResNet12
from ._scales import Scales as Scales
from ._table_file import (
    KeptNetwork as KeptNetwork,
    load_network as load_network,
    save_network as save_network,
)
from ._table_transformer import (
    Siblings as Siblings,
    TableReader as TableReader,
    TableTransformer as TableTransformer,
)
from ._task_embedding import TaskEmbedding as TaskEmbedding
from ._task_vectors import (
    AbstractMerging as AbstractMerging,
    Arithmetic as Arithmetic,
    DARE as DARE,
    TaskVectors as TaskVectors,
    TIES as TIES,
)
from ._tasked import Separate as Separate, separate as separate, SharedBody as SharedBody
from ._uses import Use as Use, uses as uses
from ._weights import read_pth as read_pth, read_safetensors as read_safetensors
from ._with_inputs import WithInputs as WithInputs
