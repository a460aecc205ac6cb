"""Learns from past tasks to solve a new one with less data and in fewer steps."""

# The nouns
from . import checks as checks, few_shot as few_shot, recipes as recipes, tables as tables

# The verbs
from ._compare import Budget as Budget, compare as compare
from ._comparison import Benefit as Benefit, Comparison as Comparison, Outcome as Outcome
from ._errors import DivergedError as DivergedError, InputError as InputError, Interrupted as Interrupted
from ._evaluate import evaluate as evaluate
from ._keep import load as load, save as save
from ._losses import (
    cross_entropy as cross_entropy,
    error_rate as error_rate,
    gaussian_nll as gaussian_nll,
    Loss as Loss,
    mse as mse,
)
from ._method import (
    AbstractAdapter as AbstractAdapter,
    AbstractIterativeAdapter as AbstractIterativeAdapter,
    AbstractMethod as AbstractMethod,
)
from ._predict import predict as predict
from ._recipe import Numbered as Numbered, Recipe as Recipe, Setting as Setting
from ._result import Evaluation as Evaluation
from ._train import restore as restore, train as train, Trained as Trained
from ._types import Batch as Batch, Split as Split, Task as Task
from .behaviour import *
from .envs import *
from .meta import *
from .models import *
from .multitask import *
from .rl import *
from .tasks import *
from .transfer import *
