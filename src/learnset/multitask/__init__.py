"""Multi-task learning: solving several tasks at once."""

from ._balancer import (
    AbstractBalancer as AbstractBalancer,
    AbstractGramian as AbstractGramian,
    AbstractJacobian as AbstractJacobian,
    AbstractScalarisation as AbstractScalarisation,
    AbstractWeighting as AbstractWeighting,
    Seen as Seen,
)
from ._mean import Mean as Mean
from ._soft_sharing import SoftSharing as SoftSharing
from ._task_gradients import task_gradients as task_gradients
