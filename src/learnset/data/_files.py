"""Files of published data: where they are, and how they are read."""

import contextlib
import csv
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..core import InputError
from ._npz import read_npz

DATA = "LEARNSET_DATA"  # the environment variable that names the folder of all data


def data_folder(name: str) -> Path:
    """The folder of one data set, within the folder that LEARNSET_DATA names.

    **Raises:** `InputError` if the environment variable is unset or there is no such folder.
    """
    root = os.environ.get(DATA)
    if not root:
        raise InputError(
            f"The environment variable {DATA} is unset. Set it to the folder that contains"
            f" `{name}/`."
        )
    folder = Path(root) / name
    if not folder.is_dir():
        raise InputError(
            f"There is no folder {folder}. Set {DATA} to the folder that contains `{name}/`."
        )
    return folder


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """A context that turns any failure to read a file into an `InputError` that names the file."""
    try:
        yield
    except InputError as error:  # which names the file
        raise InputError(f"{error} Download it again.") from error
    except (
        OSError,
        ValueError,
        LookupError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        csv.Error,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} is damaged or in another format ({reason}). Download it again."
        ) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file, as `read_npz` reads it."""
    with reading(path):
        path.stat()  # says that there is no such file
        return read_npz(path)


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file with a heading, as text."""
    with reading(path), open(path, newline="", encoding="utf-8") as file:
        heading, *rows = csv.reader(file)
        return dict(zip(heading, np.array(rows, dtype=str).T, strict=True))
