"""The comparison of a simulated learning curve with a real one."""

import dataclasses

import numpy as np
from jaxtyping import Float

from ..core import InputError

Curve = Float[np.ndarray, "trials"]


@dataclasses.dataclass(frozen=True)
class CurveFit:
    """The fit of a simulated curve to a real one: the scale and offset that bring it closest. It
    prints itself as a sentence."""

    # All but the scale and R² are in the unit of the curves.
    scale: float  # how many times steeper the real curve is
    offset: float  # added after scaling
    residual: float  # root mean square of the residuals
    r_squared: float  # share of the real curve's variance over trials explained; NaN if it has none
    unfitted: float  # root mean square of real - simulated before fitting
    scatter: float  # root mean square standard error of the real curve; NaN if not given
    trials: int
    fitted: int  # how many numbers were fitted
    unit: str

    def __str__(self) -> str:
        shift = (
            f" {'+' if self.offset >= 0 else '-'} {abs(self.offset):.3g} {self.unit}"
            if self.fitted == 2
            else ""
        )
        numbers = "1 number" if self.fitted == 1 else f"{self.fitted} numbers"
        sentence = (
            f"real = {self.scale:.3g} x simulated{shift}, root mean square residual"
            f" {self.residual:.3g} {self.unit} over {self.trials} trials, R² = {self.r_squared:.2f}"
            f" ({numbers} fitted); before fitting, the curves differ by {self.unfitted:.3g}"
            f" {self.unit}"
        )
        if self.scale <= 0:
            sentence += "; the simulated curve does not follow the real one"
        if np.isfinite(self.scatter):
            scatter = f"± {self.scatter:.3g} {self.unit} (standard error)"
            sentence += f"; the real curve itself is known to {scatter}"
        return sentence + "."


def compare_curves(
    real: Curve,
    simulated: Curve,
    *,
    unit: str,
    standard_error: Curve | None = None,
    shifted: bool = True,
) -> CurveFit:
    """The scale and offset that bring a simulated curve closest to a real one by least squares,
    with the residuals.

    All falling curves look alike after scaling and shifting, so R² alone says little. Look at the
    scale (1 if the simulation has the right size), at the distance before fitting, and at the
    residual compared with the standard error of the real curve: below that, the data cannot tell
    the two curves apart. Two numbers fit nearly any four trials.

    **Arguments:**

    - `unit`: of both curves, for the sentence: "s", "m", "%".
    - `standard_error`: of the real curve, at each trial.
    - `shifted`: whether an offset is fitted; otherwise it is zero. R² still compares with the mean
      of the real curve, and is negative where that mean fits better.

    A flat simulated curve has no scale: the scale is then zero, and the offset is the mean of the
    real curve.

    **Raises:** `InputError` unless there are more trials than fitted numbers, for NaN, and for
    curves of different lengths.

    >>> real, simulated = np.array([40.0, 22.0, 19.0]), np.array([20.0, 11.0, 9.5])
    >>> print(compare_curves(real, simulated, unit="s", shifted=False))
    real = 2 x simulated, root mean square residual 0 s over 3 trials, R² = 1.00 (1 number fitted);
    before fitting, the curves differ by 14.3 s.
    """
    real, simulated = np.asarray(real, np.float64), np.asarray(simulated, np.float64)
    fitted = 2 if shifted else 1
    if real.ndim != 1 or real.shape != simulated.shape or not np.isfinite(real + simulated).all():
        raise InputError(
            f"compare_curves: needs two finite curves of one length, not {real.shape} and"
            f" {simulated.shape}. Leave out trials that one of them lacks."
        )
    if len(real) <= fitted:
        raise InputError(
            f"compare_curves: {len(real)} trials and {fitted} fitted numbers: any two curves would"
            " agree. Compare more trials."
        )
    origin = np.array([simulated.mean(), real.mean()]) if shifted else np.zeros(2)
    varied = ((simulated - origin[0]) ** 2).sum()
    flat = varied <= 1e-20 * (simulated**2).sum()
    scale = 0.0 if flat else ((simulated - origin[0]) * (real - origin[1])).sum() / varied
    residuals = real - origin[1] - scale * (simulated - origin[0])
    spread = ((real - real.mean()) ** 2).sum()
    return CurveFit(
        scale=float(scale),
        offset=float(origin[1] - scale * origin[0]),
        residual=_root_mean_square(residuals),
        r_squared=float(1 - (residuals**2).sum() / spread) if spread > 0 else float("nan"),
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
