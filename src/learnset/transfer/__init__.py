"""Transfer learning: a model from past tasks, and ways to adapt it to a new one."""

from ._added import (
    AbstractAdded as AbstractAdded,
    BottleneckAdapter as BottleneckAdapter,
    IA3 as IA3,
    LoRA as LoRA,
)
from ._alignment import (
    AbstractAlignment as AbstractAlignment,
    Aligned as Aligned,
    nearest_neighbour as nearest_neighbour,
    Unaligned as Unaligned,
)
from ._as_is import AsIs as AsIs
from ._baseline import (
    AbstractHeadDescent as AbstractHeadDescent,
    Baseline as Baseline,
    BaselinePlusPlus as BaselinePlusPlus,
)
from ._bd_cspn import BDCSPN as BDCSPN
from ._choose_alignment import (
    Choice as Choice,
    choose_alignment as choose_alignment,
    importance_weighted_validation as importance_weighted_validation,
    reverse_validation as reverse_validation,
)
from ._co_tuning import CoTuning as CoTuning, TwoHeads as TwoHeads
from ._constant import Always as Always, Constant as Constant
from ._coral import CORAL as CORAL
from ._dan import DAN as DAN
from ._dann import (
    CDAN as CDAN,
    DANN as DANN,
    WithDiscriminator as WithDiscriminator,
)
from ._depth import (
    bitfit as bitfit,
    Depth as Depth,
    depth as depth,
    Moved as Moved,
    moved as moved,
    norms_only as norms_only,
)
from ._descent import AbstractDescent as AbstractDescent
from ._fine_tune import FineTune as FineTune, Unroll as Unroll
from ._fresh_head import AbstractRenewed as AbstractRenewed, FreshHead as FreshHead
from ._gfk import GFK as GFK
from ._h_score import h_score as h_score
from ._hausdorff import modified_hausdorff as modified_hausdorff
from ._heads import (
    CosineHead as CosineHead,
    LinearHead as LinearHead,
    prototype_head as prototype_head,
    zero_head as zero_head,
)
from ._jda import JDA as JDA
from ._joint_pca import JointPCA as JointPCA
from ._kmm import KMM as KMM
from ._laplacian_shot import LaplacianShot as LaplacianShot
from ._leave_one_out import leave_one_out as leave_one_out
from ._leep import leep as leep
from ._linear_transport import LinearTransport as LinearTransport
from ._log_me import log_me as log_me
from ._logistic import Logistic as Logistic, logistic as logistic
from ._lp_ft import LPFT as LPFT
from ._mcc import MCC as MCC
from ._n_leep import n_leep as n_leep
from ._nce import nce as nce
from ._pace import (
    AbstractPace as AbstractPace,
    Gradual as Gradual,
    LayerwiseRates as LayerwiseRates,
    Surgical as Surgical,
)
from ._penalty import (
    AbstractPenalty as AbstractPenalty,
    BSS as BSS,
    DELTA as DELTA,
    Distil as Distil,
    L2SP as L2SP,
    Mixout as Mixout,
)
from ._pooled import Pooled as Pooled
from ._prototypes import (
    ABSENT as ABSENT,
    AbstractSimilarity as AbstractSimilarity,
    class_means as class_means,
    classes_there as classes_there,
    Cosine as Cosine,
    encoder as encoder,
    Nearest as Nearest,
    Prototypes as Prototypes,
    SquaredEuclidean as SquaredEuclidean,
)
from ._pt_map import PTMAP as PTMAP
from ._rank_sources import (
    judge_ranking as judge_ranking,
    rank_sources as rank_sources,
    Ranked as Ranked,
)
from ._ridge import Ridge as Ridge, ridge as ridge
from ._shrunk import (
    RidgeToHead as RidgeToHead,
    Scaled as Scaled,
    Shifted as Shifted,
    Shrunk as Shrunk,
    ShrunkOffset as ShrunkOffset,
)
from ._simple_shot import Centred as Centred, centred as centred, SimpleShot as SimpleShot
from ._source_matrix import source_matrix as source_matrix, SourceMatrix as SourceMatrix
from ._stoch_norm import StochNorm as StochNorm
from ._stopped import StoppedFineTune as StoppedFineTune
from ._subspace_alignment import SubspaceAlignment as SubspaceAlignment
from ._support_vectors import SupportVectors as SupportVectors
from ._tca import TCA as TCA
from ._tent import Tent as Tent
from ._tim import TIM as TIM
from ._transductive import AbstractTransductive as AbstractTransductive
from ._unlabelled import AbstractUnlabelled as AbstractUnlabelled
from ._wise import greedy_soup as greedy_soup, Soup as Soup, soup as soup, WiSE as WiSE
