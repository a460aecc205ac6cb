"""Verdicts: which of two is better, as far as the rows or tasks that were scored can tell."""

import math

import equinox as eqx
import numpy as np
from jaxtyping import Float

MOST_DIVISIONS = 50  # beyond these, rows are what is missing


class Verdict(eqx.Module):
    """A paired difference with its interval: above zero is better, whatever the measure.

    - `half`: half the 95 % interval; NaN where one division says nothing about chance.
    - `margin`: a difference inside it makes no difference to a user.
    - `spread`: the standard deviation over `divisions`, whose rows overlap by `overlap`; None where
      the units of chance are tasks.

    >>> from learnset.comparison import Verdict
    >>> Verdict(0.03, 0.02, 0.01).word, Verdict(0.002, 0.004, 0.01).word
    ('better', 'same')
    >>> Verdict(0.03, 0.06, 0.01).word, Verdict(0.03, 0.06, 0.01).more
    ('unclear', 'about 4 times as many')
    >>> Verdict(0.03, float("nan"), 0.01).word
    'one division'
    """

    mean: float
    half: float
    margin: float
    divisions: int = 1
    spread: float | None = None
    overlap: float = 0.0

    @property
    def word(self) -> str:
        """ "better", "worse", "same" (the interval is inside the margin), "unclear", or "one
        division"."""
        if math.isnan(self.half):
            return "one division"
        if self.mean - self.half > 0:
            return "better"
        if self.mean + self.half < 0:
            return "worse"
        return "same" if abs(self.mean) + self.half <= self.margin else "unclear"

    @property
    def more(self) -> str:
        """How many more divisions, or how many times as many rows or tasks, would tell if the
        difference stays as it is: "about 6 more divisions", "about 4 times as many"."""
        wanted = max(abs(self.mean), self.margin - abs(self.mean))
        tried = range(self.divisions + 1, MOST_DIVISIONS + 1)
        if self.spread is not None:
            spread, overlap = self.spread, self.overlap
            halves = ((n, half_of_divisions(spread, n, overlap)) for n in tried)
            enough = next((n for n, half in halves if half < wanted), None)
            if enough is not None:
                count = enough - self.divisions
                return f"about {count} more division{'s' * (count != 1)}"
        times = (self.half / wanted) ** 2 if wanted > 0 else math.inf
        return f"about {max(2, math.ceil(times)):,} times as many" if times < 1e4 else "far more"


def half_of_divisions(spread: float, divisions: int, overlap: float) -> float:
    """Half the 95 % interval of a mean over divisions of the same rows, whose values have the
    standard deviation `spread`; NaN for one division.

    Divisions share rows, so that their values are correlated, and Student's interval is too narrow.
    The corrected resampled t-test has the variance spread² (1 / divisions + overlap), where
    `overlap` is the number of scored rows over that of the others: Nadeau & Bengio 2003, *Inference
    for the Generalization Error*, section 4.

    >>> round(half_of_divisions(0.05, 5, 0.0), 4), round(half_of_divisions(0.05, 5, 0.25), 4)
    (0.0621, 0.0931)
    """
    from scipy.special import stdtrit  # here and not above: the import takes 0.4 s

    if divisions < 2:
        return math.nan
    return float(stdtrit(divisions - 1, 0.975) * spread * math.sqrt(1 / divisions + overlap))


def interval_of_divisions(
    values: Float[np.ndarray, "divisions"], overlap: float
) -> tuple[float, float]:
    """The mean over divisions in which a value is defined, and half its 95 % interval."""
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan
    with np.errstate(invalid="ignore"):  # a value that diverged makes an infinite mean
        spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        return float(values.mean()), half_of_divisions(spread, len(values), overlap)
