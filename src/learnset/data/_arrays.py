"""Arrays on disk, which any other framework can write."""

import dataclasses
from pathlib import Path

import numpy as np

from ..core import InputError
from ._examples import rows_from, twins_among
from ._labelled import Labelled, some
from ._npz import names_of, read_npz
from ._ranges import Ranges


def from_npz(path: str | Path, *, min_size: int = 1, ranges: Ranges | None = None) -> Labelled:
    """Classes of examples from a file that `numpy.savez` wrote.

    Examples are its array `x`: images, "points height width channels", or features of any shape,
    such as embeddings. Labels are its array `y`. `names` and `groups`, if the file has them, are
    strings, one for each class in the order of the sorted labels. Otherwise as
    `Labelled.from_arrays`.

    **Raises:** `InputError` for a file that is missing, damaged or not an `.npz`, that has no `x`
    or no `y`, or that holds arrays of Python objects; and where `Labelled.from_arrays` raises it.

    >>> import numpy as np, tempfile, learnset as ls
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/features.npz", x=np.zeros((6, 640)), y=[0, 0, 1, 1, 2, 2])
    ...     ls.from_npz(f"{folder}/features.npz")
    Labelled(3 classes, 6 examples of 640 float32)
    """
    arrays = _arrays(path, ("x", "y"))
    names, groups = (_strings(path, name, arrays.get(name)) for name in ("names", "groups"))
    try:
        classes = Labelled.from_arrays(arrays["x"], arrays["y"], names, groups, ranges=ranges)
        twins = twins_among(classes.x, classes.labels)
        classes = dataclasses.replace(classes, skipped=(*classes.skipped, *twins))
        return classes.of_size(min_size)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def rows_of(
    path: str | Path, *, ranges: Ranges | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The examples `x` of a file as `from_npz` reads them, whether or not it has labels; and what
    is to be known of them, a line each."""
    arrays = _arrays(path, ("x",))
    try:
        x, notes, _ = rows_from(arrays["x"], ranges)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return x, notes


def _arrays(path: str | Path, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    arrays = read_npz(path, ("x", "y", "names", "groups"))
    for name in needed:
        if name not in arrays:
            raise InputError(
                f"{path} has no array `{name}`; it holds {some(names_of(path)) or 'nothing'}."
                " Examples are `x` and labels are `y`."
            )
    return arrays


def _strings(path: str | Path, name: str, array: np.ndarray | None) -> list[str] | None:
    if array is None:
        return None
    if array.ndim != 1 or array.dtype.kind not in "UT":
        raise InputError(
            f"{path}: `{name}` is of type {array.dtype} and shape {array.shape}; it must be one"
            " string for each class."
        )
    return [str(string) for string in array]
