"""Arrays as examples: which are images, and at what scale."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ..core import InputError
from ._ranges import as_bytes, range_of, Ranges, STANDARDISED, words_of

CHANNELS = (1, 3, 4)
FEWEST_PIXELS = 5  # of a side: smaller ones are the features of a network

Used = dict[str, tuple[float, float] | None]


def rows_from(
    x: np.ndarray, ranges: Ranges | None = None
) -> tuple[np.ndarray, tuple[str, ...], Used]:
    """Images as uint8 with channels; anything else as finite float32.

    Arrays that have the shape of images are images: whole numbers, whole floats of three axes, and
    floats of four that are beyond those of standardised pixels. They become bytes by a range, as
    those of a folder do.

    **Returns:** the examples, what was done in a line each, and the ranges.

    **Raises:** `InputError` for other types and shapes, images with channels first, and numbers
    that are NaN or infinite.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise InputError(
            f"`x` has the type {x.dtype}; it must be numbers: uint8 images or float features."
        )
    if x.ndim < 2:
        raise InputError(
            f"`x` has the shape {x.shape}; it needs a second axis, because the first one is for the"
            " examples."
        )
    _check_axes(x)
    if x.dtype == np.uint8 and x.ndim >= 3:
        return _with_channels(x), (), dict(ranges or {})
    bad = len(x) - int(np.isfinite(x).reshape(len(x), -1).all(axis=1).sum()) if x.size else 0
    if x.dtype.kind == "f" and x.dtype.itemsize > 4 and not bad and x.size:
        # Too large for float32, in which a network computes.
        bad = int((np.abs(x) > np.finfo(np.float32).max).reshape(len(x), -1).any(axis=1).sum())
    if bad:
        raise InputError(
            f"`x` has {bad} rows with numbers that are NaN or infinite. Fill the rows in or leave"
            " them out."
        )
    if x.size and _shaped_as_images(x):
        return _images(x, dict(ranges or {}))
    return x.astype(np.float32), (), dict(ranges or {})


def _check_axes(x: np.ndarray) -> None:
    if x.dtype == np.uint8 and x.ndim > 4:
        raise InputError(
            f"`x` has the shape {x.shape}; images must be (points, height, width, channels)."
        )
    if x.ndim != 4 or x.shape[1] not in CHANNELS or x.shape[3] in (*CHANNELS, 2):
        return
    short, long = sorted(x.shape[2:])
    if short >= FEWEST_PIXELS and long <= 4 * short:
        raise InputError(
            f"`x` has the shape {x.shape}: channels come second, as in PyTorch. Here they come"
            " last: save `x.transpose(0, 2, 3, 1)`."
        )


def _shaped_as_images(x: np.ndarray) -> bool:
    if x.ndim not in (3, 4) or min(x.shape[1:3]) < FEWEST_PIXELS:
        return False
    if x.ndim == 4:
        return x.shape[3] in CHANNELS
    if x.min() < 0:
        return False
    return x.dtype.kind in "biu" or bool(x.max() > STANDARDISED and (x == np.rint(x)).all())


def _images(x: np.ndarray, used: Used) -> tuple[np.ndarray, tuple[str, ...], Used]:
    kind = "floats" if x.dtype.kind == "f" else "integers"
    low, high = float(x.min()), float(x.max())
    if kind not in used:
        standard = kind == "floats" and -STANDARDISED <= low <= high <= STANDARDISED
        used[kind] = None if standard else range_of(kind, low, high)
    bounds = used[kind]
    if bounds is None:
        return x.astype(np.float32), (), used
    outside = int(((x < bounds[0]) | (x > bounds[1])).reshape(len(x), -1).any(axis=1).sum())
    notes = [f"{len(x)} images ({words_of(kind, bounds)}), brought to bytes."]
    if outside:
        notes.append(f"{outside} images are cut off at that range, because they are beyond it.")
    return _with_channels(as_bytes(x, bounds)), tuple(notes), used


def _with_channels(x: np.ndarray) -> np.ndarray:
    return x[..., None] if x.ndim == 3 else x


def twins_among(x: np.ndarray, class_of: np.ndarray) -> tuple[str, ...]:
    """Notes images of the same bytes, in two classes or twice in one."""
    if x.dtype != np.uint8 or x.ndim != 4:
        return ()
    classes = defaultdict(list)
    for image, number in zip(x, class_of, strict=True):
        classes[hashlib.sha256(image.tobytes()).digest()].append(int(number))
    several = [numbers for numbers in classes.values() if len(numbers) > 1]
    both = sum(len(numbers) for numbers in several if len(set(numbers)) > 1)
    twice = sum(len(numbers) - 1 for numbers in several if len(set(numbers)) == 1)
    lines = (
        f"{both} images are also in another class, byte for byte.",
        f"{twice} images are twice in their class, byte for byte.",
    )
    return tuple(line for line, count in zip(lines, (both, twice), strict=True) if count)


def labels_from(y: np.ndarray | Sequence) -> np.ndarray:
    """One label for each row: whole numbers or strings.

    **Raises:** `InputError` for anything else.
    """
    y = np.asarray(y)
    if y.ndim != 1:
        raise InputError(
            f"`y` has the shape {y.shape}; it must have one label for each row, (points,)."
        )
    if y.dtype.kind == "f" and len(y):
        raise InputError(
            "`y` has floats, but labels must be whole numbers or strings. Convert them with"
            " `y.astype(int)`."
        )
    if y.dtype.kind not in "biuUf":
        raise InputError(f"`y` has the type {y.dtype}; labels must be whole numbers or strings.")
    return y
