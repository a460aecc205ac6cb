"""Multi-task learning: solving several tasks at once."""

from ._gramian import AbstractGramian as AbstractGramian, task_gradients as task_gradients
from ._soft_sharing import SoftSharing as SoftSharing
