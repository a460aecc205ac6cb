"""How a simulated learning curve differs from a real one."""

import dataclasses

import numpy as np
from jaxtyping import Float

from ..core import InputError

Curve = Float[np.ndarray, "trials"]


@dataclasses.dataclass(frozen=True)
class CurveFit:
    """A simulated curve, stretched and shifted to lie as close to a real one as it can. Prints itself as a sentence."""

    scale: float  # how many times steeper the real curve is
    offset: float  # in the curves' unit; added after scaling
    residual: float  # root mean square of what is left, in the curves' unit
    r_squared: float  # share of the real curve's variance over trials that is explained; NaN where it has none
    unfitted: float  # root mean square of real - simulated as they are, in the curves' unit
    scatter: (
        float  # root mean square standard error of the real curve, in its unit; NaN if not given
    )
    trials: int
    fitted: int  # numbers that were fitted
    unit: str

    def __str__(self) -> str:
        shift = (
            f" {'+' if self.offset >= 0 else '-'} {abs(self.offset):.3g} {self.unit}"
            if self.fitted == 2
            else ""
        )
        numbers = "1 number" if self.fitted == 1 else f"{self.fitted} numbers"
        sentence = (
            f"real = {self.scale:.3g} x simulated{shift}, root mean square residual {self.residual:.3g} {self.unit} over "
            f"{self.trials} trials, R² = {self.r_squared:.2f} ({numbers} fitted); as they are, the curves are "
            f"{self.unfitted:.3g} {self.unit} apart"
        )
        if self.scale <= 0:
            sentence += "; the simulated curve does not go the way of the real one"
        if np.isfinite(self.scatter):
            sentence += f"; the real curve itself is known to ± {self.scatter:.3g} {self.unit} (standard error)"
        return sentence + "."


def compare_curves(
    real: Curve,
    simulated: Curve,
    *,
    unit: str,
    standard_error: Curve | None = None,
    shifted: bool = True,
) -> CurveFit:
    """The scale and offset that bring a simulated curve nearest to a real one, by least squares, and what they leave.

    All falling curves look alike after scaling and shifting, so R² alone says little: look at the scale (1, if the
    simulation has the right size), at the distance before any fitting, and at the residual beside the real curve's own
    standard error. Below that, data cannot tell the two apart. Two numbers for four trials fit nearly anything.

    **Arguments:**

    - `unit`: of both curves, for the sentence: "s", "m", "%".
    - `standard_error`: of the real curve, at each trial.
    - `shifted`: whether an offset is fitted; otherwise it is zero. R² is then still about the real curve's mean, and
      below zero where that mean fits better.

    A simulated curve that is flat has no scale: zero is given, and the offset is the real mean. Fewer trials than one
    more than is fitted, NaN, or curves of two lengths raise `InputError`.

    >>> print(compare_curves(np.array([40.0, 22.0, 19.0]), np.array([20.0, 11.0, 9.5]), unit="s", shifted=False))
    real = 2 x simulated, root mean square residual 0 s over 3 trials, R² = 1.00 (1 number fitted); as they are,
    the curves are 14.3 s apart.
    """
    real, simulated = np.asarray(real, np.float64), np.asarray(simulated, np.float64)
    fitted = 2 if shifted else 1
    if real.ndim != 1 or real.shape != simulated.shape or not np.isfinite(real + simulated).all():
        raise InputError(
            f"compare_curves: needs two finite curves of one length, not {real.shape}, {simulated.shape}."
        )
    if len(real) <= fitted:
        raise InputError(
            f"compare_curves: {len(real)} trials and {fitted} fitted numbers: any two curves would agree."
        )
    origin = np.array([simulated.mean(), real.mean()]) if shifted else np.zeros(2)
    varied = ((simulated - origin[0]) ** 2).sum()
    flat = varied <= 1e-20 * (simulated**2).sum()
    scale = 0.0 if flat else ((simulated - origin[0]) * (real - origin[1])).sum() / varied
    left = real - origin[1] - scale * (simulated - origin[0])
    spread = ((real - real.mean()) ** 2).sum()
    return CurveFit(
        scale=float(scale),
        offset=float(origin[1] - scale * origin[0]),
        residual=_root_mean_square(left),
        r_squared=float(1 - (left**2).sum() / spread) if spread > 0 else float("nan"),
        unfitted=_root_mean_square(real - simulated),
        scatter=float("nan")
        if standard_error is None
        else _root_mean_square(np.asarray(standard_error)),
        trials=len(real),
        fitted=fitted,
        unit=unit,
    )


def _root_mean_square(values: Curve) -> float:
    return float(np.sqrt((values**2).mean()))
