"""One number for many measures of many tasks."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from ..core import InputError


def delta_m(
    values: Float[Array | np.ndarray, "*methods measures"],
    baseline: Float[Array | np.ndarray, "measures"],
    higher_is_better: Sequence[bool],
) -> Float[np.ndarray, "*methods"]:
    """Δm: by how much a method is worse than the baseline, the mean over measures of the relative change.

    **Arguments:**

    - `values`: of each measure, for one method or for many.
    - `baseline`: the same measures, of one model for each task.
    - `higher_is_better`: for each measure, whether it should be large.

    **Returns:** per cent; lower is better, and below zero is better than the baseline.

    **Raises:** `InputError` for a baseline that is zero, to which nothing is relative, and for lists of other lengths.

    Source: Maninis et al. 2019, *Attentive Single-Tasking of Multiple Tasks*, eq. 4, with the sign of Navon et al. 2022,
    *Multi-Task Learning as a Bargaining Game*, §6.

    >>> import numpy as np, learnset as ls
    >>> float(ls.multitask.delta_m(np.array([0.45, 11.0]), np.array([0.5, 10.0]), [True, False]).round(3))
    10.0
    """
    measured, base = np.asarray(values, float), np.asarray(baseline, float)
    if len(higher_is_better) != len(base):
        raise InputError(
            f"delta_m: {len(base)} measures, but `higher_is_better` has {len(higher_is_better)} entries."
        )
    if (base == 0).any():
        raise InputError(
            "delta_m: a measure of the baseline is zero, and nothing is relative to zero. Leave it out."
        )
    worse = np.where(np.asarray(higher_is_better), -1.0, 1.0)
    return np.asarray(100 * (worse * (measured - base) / base).mean(axis=-1))
