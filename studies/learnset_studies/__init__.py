"""Published figures and tables, reproduced: a file for each."""

from .bandits import BanditStudy as BanditStudy
from .distillation import DistillationStudy as DistillationStudy
from .glyphs import GlyphStudy as GlyphStudy
from .harlow import HarlowStudy as HarlowStudy
from .in_context_linear import InContextLinearStudy as InContextLinearStudy
from .lp_ft import LPFTStudy as LPFTStudy
from .maml_sinusoids import MAMLSinusoids as MAMLSinusoids
from .merging import MergingStudy as MergingStudy
from .multimnist import MultiMNISTStudy as MultiMNISTStudy
from .multitask_toy import MultiTaskToy as MultiTaskToy
from .navigation import NavigationStudy as NavigationStudy
from .neural_processes import NeuralProcessesStudy as NeuralProcessesStudy
from .nyuv2_delta_m import NYUv2DeltaM as NYUv2DeltaM
from .office_caltech import OfficeCaltechStudy as OfficeCaltechStudy
from .omniglot import OmniglotStudy as OmniglotStudy
from .omniglot_challenge import OmniglotChallengeStudy as OmniglotChallengeStudy
from .sarcos import SarcosStudy as SarcosStudy
from .school import SchoolStudy as SchoolStudy
from .simulated_shifts import SimulatedShiftsStudy as SimulatedShiftsStudy
from .source_ranking import SourceRankingStudy as SourceRankingStudy
from .surgical import SurgicalStudy as SurgicalStudy
from .tox21 import Tox21Study as Tox21Study
from .transfer import TransferStudy as TransferStudy
from .wang import WangStudy as WangStudy
from .water_maze import WaterMazeStudy as WaterMazeStudy
