"""How settings and numbers look: one name and one colour for a setting, everywhere."""

from typing import Any, NamedTuple

import numpy as np

from ..comparison import AbstractMeasure, Setting
from ..core import COLOURS, FAINT, INK

# Red is for what hurts, and for nothing else.
BAD = COLOURS[1]
LINES = tuple(colour for colour in COLOURS if colour != BAD)
DASHES = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))
COLOUR = {
    Setting.SCRATCH: INK,
    Setting.POOLED: COLOURS[0],
    Setting.TRANSFER: COLOURS[5],
    Setting.MULTI_TASK: COLOURS[7],
    Setting.META: COLOURS[2],
    Setting.BOUND: FAINT,
}
MOST = 1e6  # that is written without a power of ten
LOWEST = -10.0  # below it a percentage says only that predictions are useless


class Look(NamedTuple):
    """The name and the colour of a setting."""

    name: str
    colour: str


def look(setting: Setting | str) -> Look:
    """The look of a setting, or of its value in `result.json`.

    >>> from learnset.report import look
    >>> look("pooled").name
    'pooled'
    """
    setting = Setting(setting)
    return Look(setting.value, COLOUR[setting])


class Numbers:
    """How the values of a measure are shown: percentages, or three significant digits.

    >>> from learnset.comparison import Accuracy, MeanSquaredError
    >>> Numbers(Accuracy()).text(0.9512, 0.0102), Numbers(MeanSquaredError()).text(0.1234, 0.02)
    ('95.12 ± 1.02 %', '0.123 ± 0.020')
    >>> Numbers(Accuracy()).text(0.97123, 0.00042)  # an interval is not shown as nothing
    '97.12 ± 0.04 %'
    """

    def __init__(self, measure: AbstractMeasure):
        self.measure = measure
        self.digits = 2 if measure.over_tasks else 1

    @property
    def label(self) -> str:
        """The measure with its unit, for an axis or a heading."""
        return f"{self.measure.name} (%)" if self.measure.percent else self.measure.name

    @property
    def logarithmic(self) -> bool:
        """Whether an axis is logarithmic."""
        return not self.measure.percent

    def scaled(self, values: Any) -> Any:
        """Values as an axis shows them."""
        return 100 * values if self.measure.percent else values

    def one(self, value: float) -> str:
        """A value alone."""
        if self.measure.percent and np.isfinite(value) and value < LOWEST:
            return f"below {100 * LOWEST:.0f} %"
        if not self.measure.percent or not np.isfinite(value):
            return number(value)
        return f"{100 * value:.1f} %"

    def text(self, value: float, half: float) -> str:
        """A value and half its interval, if it has one."""
        if not np.isfinite(value) or self.measure.percent and value < LOWEST:
            return self.one(value)
        if not self.measure.percent:
            return with_interval(value, half)
        if not np.isfinite(half):
            return f"{100 * value:.{self.digits}f} %"
        return f"{self._percentage(value, half)} %"

    def difference(self, value: float, half: float) -> str:
        """A difference and half its interval; of percentages in percentage points."""
        if not np.isfinite(value):
            return number(value)
        if self.measure.percent and abs(value) > -LOWEST:
            return f"{'more' if value > 0 else 'less'} than {-100 * LOWEST * np.sign(value):+.0f}"
        if not self.measure.percent:
            return with_interval(value, half, sign="+")
        if not np.isfinite(half):
            return f"{100 * value:+.{self.digits}f}"
        return self._percentage(value, half, "+")

    def _percentage(self, value: float, half: float, sign: str = "") -> str:
        digits = self.digits
        if 1e-6 < half:  # as many as show a digit of it
            digits = max(digits, -_power(100 * half))
        return f"{100 * value:{sign}.{digits}f} ± {100 * half:.{digits}f}"


def number(value: float, sign: str = "") -> str:
    """Three significant digits; `sign="+"` writes that of positive numbers, too.

    >>> number(0.012345), number(10.0), number(1236.4), number(float("nan"))
    ('0.0123', '10.0', '1,236', 'diverged')
    """
    if not abs(value) < float("inf"):
        return "diverged"
    if value and not 1e-4 <= abs(value) < MOST:
        return f"{value:{sign}.2e}"
    return f"{value:{sign},.{max(0, 2 - _power(value))}f}"


def with_interval(value: float, half: float, sign: str = "") -> str:
    """A value and half its interval, to the second significant digit of the latter.

    >>> with_interval(0.67, 0.0382), with_interval(1236.4, 56.7), with_interval(0.5, float("nan"))
    ('0.670 ± 0.038', '1,236 ± 57', '0.500')
    """
    if not np.isfinite(half):
        return number(value, sign)
    decimals = max(0, 1 - _power(half))
    if not max(abs(value), half) < MOST or half < 1e-5:
        return f"{number(value, sign)} ± {number(half)}"
    return f"{value:{sign},.{decimals}f} ± {half:,.{decimals}f}"


def _power(value: float) -> int:
    """The power of ten of the first digit, after rounding to two."""
    return int(f"{abs(value):.1e}".split("e")[1])


def amount(count: int, unit: str) -> str:
    """How much there is of something that can be counted.

    >>> amount(10, "point"), amount(1, "shot")
    ('10 points', '1 shot')
    """
    return f"{count:,} {unit}{'s' * (count != 1)}"


def percent(value: float) -> str:
    """A part as a percentage without its sign."""
    return f"{100 * abs(value):.1f} %"
