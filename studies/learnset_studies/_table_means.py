"""Means over sets of tables."""

from typing import Any

import numpy as np


def mean_of(rows: list[dict[str, Any]], value: str, half: str) -> dict[str, float]:
    """The mean of independent values, and half its interval.

    >>> mean_of([{"value": 1.0, "ci95": 0.3}, {"value": 3.0, "ci95": 0.4}], "value", "ci95")
    {'value': 2.0, 'ci95': 0.25}
    """
    halves = np.array([row[half] for row in rows])
    together = float(np.sqrt((halves**2).sum()) / len(halves))
    return {value: float(np.mean([row[value] for row in rows])), half: together}
