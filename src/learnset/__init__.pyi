"""The front door: a table of contents, written by hand. A name is loaded when it is first used."""

# Folders that hold the rest
from . import (
    behaviour as behaviour,
    checks as checks,
    comparison as comparison,
    data as data,
    envs as envs,
    fitting as fitting,
    meta as meta,
    models as models,
    multitask as multitask,
    recipes as recipes,
    rl as rl,
    tasks as tasks,
    transfer as transfer,
)

# Comparing
from .comparison import (
    Budget as Budget,
    compare as compare,
    Comparison as Comparison,
    NewTasks as NewTasks,
    Recipe as Recipe,
    SeenTasks as SeenTasks,
    Setting as Setting,
)

# The two verbs and what flows between them
from .core import (
    AbstractAdapter as AbstractAdapter,
    AbstractMethod as AbstractMethod,
    Batch as Batch,
    cross_entropy as cross_entropy,
    DivergedError as DivergedError,
    error_rate as error_rate,
    Evaluation as Evaluation,
    gaussian_nll as gaussian_nll,
    InputError as InputError,
    Interrupted as Interrupted,
    mse as mse,
    predict as predict,
    Split as Split,
    Task as Task,
)

# Your own data
from .data import (
    from_folder as from_folder,
    from_npz as from_npz,
    read_table as read_table,
    Table as Table,
)

# Models to use
from .fitting import fit as fit, Fitted as Fitted, load as load

# Meta-learning
from .meta import (
    ANIL as ANIL,
    BOIL as BOIL,
    CAVIA as CAVIA,
    CNP as CNP,
    IMAML as IMAML,
    MAML as MAML,
    MAMLPlusPlus as MAMLPlusPlus,
    MatchingNetwork as MatchingNetwork,
    MetaSGD as MetaSGD,
    ProtoMAML as ProtoMAML,
    ProtoNet as ProtoNet,
    R2D2 as R2D2,
    Reptile as Reptile,
    TablePFN as TablePFN,
)

# Models
from .models import Conv4 as Conv4, MLP as MLP, SharedBody as SharedBody

# Multi-task learning
from .multitask import (
    AbstractGramian as AbstractGramian,
    CAGrad as CAGrad,
    FAMO as FAMO,
    GradNorm as GradNorm,
    IMTLG as IMTLG,
    Mean as Mean,
    MGDA as MGDA,
    MixedModel as MixedModel,
    NashMTL as NashMTL,
    PCGrad as PCGrad,
    SoftSharing as SoftSharing,
    UPGrad as UPGrad,
    UW as UW,
)

# Distributions over tasks
from .tasks import (
    AbstractTasks as AbstractTasks,
    by_rows as by_rows,
    by_tasks as by_tasks,
    Episodes as Episodes,
    FiniteTasks as FiniteTasks,
    LinearGaussian as LinearGaussian,
    ManyTargets as ManyTargets,
    Sinusoids as Sinusoids,
    Unrelated as Unrelated,
)

# Training
from .training import (
    evaluate as evaluate,
    restore as restore,
    save as save,
    to_onnx as to_onnx,
    train as train,
)

# Transfer learning
from .transfer import (
    FineTune as FineTune,
    Pooled as Pooled,
    Prototypes as Prototypes,
    Ridge as Ridge,
    SimpleShot as SimpleShot,
)

__version__: str
