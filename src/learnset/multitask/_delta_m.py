"""Δm: one number for many measures of many tasks."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from ..core import InputError


def delta_m(
    values: Float[Array | np.ndarray, "*methods measures"],
    baseline: Float[Array | np.ndarray, "measures"],
    higher_is_better: Sequence[bool],
) -> Float[np.ndarray, "*methods"]:
    """Δm: how much worse a method is than the baseline, as the mean over measures of the relative
    change.

    **Arguments:**

    - `values`: the value of each measure, for one method or several.
    - `baseline`: the values of the same measures for separate models of the tasks.
    - `higher_is_better`: whether each measure should be large.

    **Returns:** per cent. Lower is better, and a negative value is better than the baseline.

    **Raises:** `InputError` for a baseline of zero, to which no change is relative, and for lists
    of different lengths.

    Source: Maninis et al. 2019, *Attentive Single-Tasking of Multiple Tasks*, eq. 4, with the sign
    of Navon et al. 2022, *Multi-Task Learning as a Bargaining Game*, §6.

    >>> import numpy as np, learnset as ls
    >>> values, baseline = np.array([0.45, 11.0]), np.array([0.5, 10.0])
    >>> float(ls.multitask.delta_m(values, baseline, [True, False]).round(3))
    10.0
    """
    measured, base = np.asarray(values, float), np.asarray(baseline, float)
    if len(higher_is_better) != len(base):
        raise InputError(
            f"delta_m: there are {len(base)} measures, but `higher_is_better` has"
            f" {len(higher_is_better)} entries."
        )
    if (base == 0).any():
        raise InputError(
            "delta_m: a measure of the baseline is zero, and no change is relative to zero. Leave"
            " it out."
        )
    worse = np.where(np.asarray(higher_is_better), -1.0, 1.0)
    return np.asarray(100 * (worse * (measured - base) / base).mean(axis=-1))
