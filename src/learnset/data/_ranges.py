"""Which values of a pixel are black and white, where it has more than a byte."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Shaped, UInt8

BITS = (1, 8, 10, 12, 14, 16)  # of cameras, microscopes and detectors
STANDARDISED = 10.0  # floats between minus and plus this are numbers for a network as they are

# For "integers" and for "floats": the values that are black and white; None: they stay as they are.
Ranges = Mapping[str, tuple[float, float] | None]


def range_of(kind: str, low: float, high: float) -> tuple[float, float]:
    """Black and white of pixels between `low` and `high`: of the smallest usual depth that holds
    them, else the values themselves.

    >>> range_of("integers", 12, 3100), range_of("floats", 0.0, 0.9), range_of("floats", -3.0, 70.0)
    ((0.0, 4095.0), (0.0, 1.0), (-3.0, 70.0))
    """
    usual = [1.0, 255.0] if kind == "floats" else [2.0**bits - 1 for bits in BITS]
    if low >= 0:
        for white in usual:
            if high <= white:
                return 0.0, white
    return float(low), float(high) if high > low else float(low) + 1.0


def words_of(kind: str, bounds: tuple[float, float]) -> str:
    """A range in words.

    >>> words_of("integers", (0.0, 4095.0)), words_of("floats", (0.0, 1.0))
    ('whole numbers, 0 to 4095 (12 bits)', 'floats, 0 to 1')
    """
    low, high = bounds
    bits = [bits for bits in BITS if low == 0 and high == 2**bits - 1]
    depth = f" ({bits[0]} bits)" if bits and kind == "integers" else ""
    name = "whole numbers" if kind == "integers" else "floats"
    return f"{name}, {low:.10g} to {high:.10g}{depth}"


def as_bytes(x: Shaped[np.ndarray, "..."], bounds: tuple[float, float]) -> UInt8[np.ndarray, "..."]:
    """Pixels as bytes: black is 0 and white 255."""
    low, high = bounds
    # Halves first: the difference of two very large floats has no float.
    scaled = (x.astype(np.float64) / 2 - low / 2) / (high / 2 - low / 2) * 255
    return np.floor(scaled.clip(0, 255) + 0.501).astype(np.uint8)
