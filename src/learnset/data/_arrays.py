"""Arrays on disk, which any other framework can write."""

import zipfile
from pathlib import Path

import numpy as np

from ..core import InputError
from ._labelled import Labelled


def from_npz(path: str | Path, *, min_size: int = 1) -> Labelled:
    """Classes of examples from a file that `numpy.savez` wrote.

    Examples are its array `x`: images (uint8, "points height width channels"), or features of any
    shape, such as embeddings. Labels are its array `y`. `names` and `groups`, if the file has them,
    are strings, one for each class in the order of the sorted labels. Otherwise as
    `Labelled.from_arrays`.

    **Raises:** `InputError` for a file that is missing, damaged or not an `.npz`, that has no `x`
    or no `y`, or that holds arrays of Python objects; and where `Labelled.from_arrays` raises it.

    >>> import numpy as np, tempfile, learnset as ls
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/features.npz", x=np.zeros((6, 640)), y=[0, 0, 1, 1, 2, 2])
    ...     ls.from_npz(f"{folder}/features.npz")
    Labelled(3 classes, 6 examples of 640 float32)
    """
    arrays = _arrays(Path(path), ("x", "y"))
    strings = {
        name: _strings(path, name, arrays[name]) for name in ("names", "groups") if name in arrays
    }
    try:
        return Labelled.from_arrays(arrays["x"], arrays["y"], **strings, min_size=min_size)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def rows_of(path: str | Path) -> np.ndarray:
    """The examples `x` of a file as `from_npz` reads them, whether or not it has labels."""
    x = _arrays(Path(path), ("x",))["x"]
    try:
        return Labelled.from_arrays(x, np.zeros(x.shape[:1], int)).x
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _arrays(path: Path, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise InputError(
            f"{path} {'is a folder' if path.is_dir() else 'does not exist'}; give a file of arrays."
        )
    try:
        with path.open("rb") as stream, np.load(stream) as file:
            missing = [name for name in needed if name not in file.files]
            arrays = {
                name: file[name] for name in file.files if name in ("x", "y", "names", "groups")
            }
            present = ", ".join(file.files) or "nothing"
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        if "Object arrays" in str(error):
            raise InputError(
                f"{path} holds arrays of Python objects; save them as numbers or strings."
            ) from error
        raise InputError(
            f"{path} is not a complete `.npz` file; `numpy.savez` writes one."
        ) from error
    if missing:
        raise InputError(
            f"{path} has no array `{missing[0]}`; it holds {present}. Examples are `x` and labels"
            " are `y`."
        )
    return arrays


def _strings(path: str | Path, name: str, array: np.ndarray) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "UT":
        raise InputError(
            f"{path}: `{name}` is of type {array.dtype} and shape {array.shape}; it must be one"
            " string for each class."
        )
    return [str(string) for string in array]
