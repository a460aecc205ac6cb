"""What was published, again: one published figure or table, one file."""

from .bandits import BanditStudy as BanditStudy
from .glyphs import GlyphStudy as GlyphStudy
from .harlow import HarlowStudy as HarlowStudy
from .maml_sinusoids import MAMLSinusoids as MAMLSinusoids
from .navigation import NavigationStudy as NavigationStudy
from .omniglot import OmniglotStudy as OmniglotStudy
from .omniglot_challenge import OmniglotChallengeStudy as OmniglotChallengeStudy
from .wang import WangStudy as WangStudy
from .water_maze import WaterMazeStudy as WaterMazeStudy
