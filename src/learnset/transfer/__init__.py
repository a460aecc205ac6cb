"""Transfer learning: a model from past tasks, and ways to adapt it to a new one."""

from ._as_is import AsIs as AsIs
from ._constant import Always as Always, Constant as Constant
from ._descent import AbstractDescent as AbstractDescent
from ._fine_tune import FineTune as FineTune, Unroll as Unroll
from ._pooled import Pooled as Pooled
from ._ridge import Ridge as Ridge, ridge as ridge
