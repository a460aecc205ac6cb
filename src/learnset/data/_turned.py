"""Rotated images as additional classes."""

import numpy as np

from ..core import InputError
from ._labelled import Labelled


def turned(classes: Labelled, *, mirrored: bool = False) -> Labelled:
    """The classes as they are and rotated by 90, 180 and 270 degrees: four times as many. Each
    rotation is a class of its own ("Greek/character01 90°") in the group of the original. With
    `mirrored` there are eight times as many: mirror images are rotated too.

    For training: rotated characters are plausible new ones. A few characters look the same after
    rotation, and become several classes that look the same.

    **Raises:** `InputError` for anything but square images.

    Source: Santoro et al. 2016, *Meta-Learning with Memory-Augmented Neural Networks*, §4.1;
    Vinyals et al. 2016, §4.1.1.

    >>> import numpy as np, learnset as ls
    >>> x, y = np.zeros((6, 28, 28, 1), np.uint8), np.repeat(np.arange(3), 2)
    >>> classes = ls.data.Labelled.from_arrays(x, y)
    >>> len(ls.data.turned(classes))
    12
    """
    if classes.x.ndim != 4 or classes.x.shape[1] != classes.x.shape[2]:
        raise InputError(
            f"turned: images must be square, but these have the shape {classes.x.shape[1:]}."
        )
    forms = [(turns, flip) for flip in (False, True)[: 1 + mirrored] for turns in range(4)]
    sizes = np.tile(classes.sizes, len(forms))
    return Labelled(
        np.concatenate([_form(np.asarray(classes.x), *form) for form in forms]),
        np.cumsum(sizes) - sizes,
        sizes,
        tuple(name + _suffix(*form) for form in forms for name in classes.names),
        classes.groups * len(forms),
        classes.skipped,
    )


def _form(x: np.ndarray, turns: int, flip: bool) -> np.ndarray:
    return np.rot90(x[:, :, ::-1] if flip else x, turns, axes=(1, 2))


def _suffix(turns: int, flip: bool) -> str:
    return (" mirrored" if flip else "") + (f" {90 * turns}°" if turns else "")
