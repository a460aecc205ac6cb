"""Turned images as classes of their own."""

import numpy as np

from ..core import InputError
from ._labelled import Labelled


def turned(classes: Labelled, *, mirrored: bool = False) -> Labelled:
    """The classes four times: as they are, and turned by 90, 180 and 270 degrees, each turn a class of its own
    ("Greek/character01 90°"). With `mirrored` eight times: their mirror images too. Turns of one character have its
    group.

    For training: turned characters are plausible new ones. Characters that look the same when they are turned become
    two classes that look the same; there are few.

    **Raises:** `InputError` for anything but square images.

    Source: Santoro et al. 2016, *Meta-Learning with Memory-Augmented Neural Networks*, §4.1; Vinyals et al. 2016, §4.1.1.

    >>> import numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((6, 28, 28, 1), np.uint8), np.repeat(np.arange(3), 2))
    >>> len(ls.data.turned(classes))
    12
    """
    if classes.x.ndim != 4 or classes.x.shape[1] != classes.x.shape[2]:
        raise InputError(
            f"turned: images must be square, but an example here has the shape {classes.x.shape[1:]}."
        )
    forms = [(turns, flip) for flip in (False, True)[: 1 + mirrored] for turns in range(4)]
    sizes = np.tile(classes.sizes, len(forms))
    return Labelled(
        np.concatenate([_form(classes.x, *form) for form in forms]),
        np.cumsum(sizes) - sizes,
        sizes,
        tuple(name + _words(*form) for form in forms for name in classes.names),
        classes.groups * len(forms),
        classes.skipped,
    )


def _form(x: np.ndarray, turns: int, flip: bool) -> np.ndarray:
    return np.rot90(x[:, :, ::-1] if flip else x, turns, axes=(1, 2))


def _words(turns: int, flip: bool) -> str:
    return (" mirrored" if flip else "") + (f" {90 * turns}°" if turns else "")
