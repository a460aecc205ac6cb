"""All that `learnset compare` finds on a table."""

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import leaves_list, linkage

from ..comparison import Comparison, RowComparison, Setting
from ..core import COLOURS, FAINT, INK
from ..data import Table

MOST_NAMED = 40  # tasks with a line of their own in a figure or a table
KINDS = {
    Setting.SCRATCH: (INK, "one model each"),
    Setting.TRANSFER: (COLOURS[0], "pooled"),
    Setting.MULTI_TASK: (COLOURS[1], "together"),
    Setting.BOUND: (FAINT, "no inputs"),
}


class Affinities(eqx.Module):
    """How some tasks get on with each other: two matrices, and the tasks' numbers."""

    cosine: Float[np.ndarray, "some some"]
    lookahead: Float[np.ndarray, "some some"]
    index: Int[np.ndarray, "some"]

    def ordered(self) -> "Affinities":
        """The same with tasks whose gradients point alike side by side (average linkage of one minus the cosine)."""
        if len(self.index) < 3:
            return self
        apart = np.clip(1 - (self.cosine + self.cosine.T) / 2, 0, None)
        order = leaves_list(
            linkage(apart[np.triu_indices(len(apart), 1)], "average", optimal_ordering=True)
        )
        return Affinities(
            self.cosine[np.ix_(order, order)],
            self.lookahead[np.ix_(order, order)],
            self.index[order],
        )


class TableFindings(eqx.Module):
    """All that `learnset compare` finds on a table."""

    table: Table
    rows: RowComparison
    affinities: Affinities
    new: (
        Comparison | None
    )  # on tasks that were held out; None where there are too few to hold any out
    balanced: tuple[str, ...]  # recipes with a balancer
    uniform: str  # the recipe with the uniform sum
