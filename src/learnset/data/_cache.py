"""Files that were downloaded or are slow to make, kept for the next time."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ._labelled import Labelled


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/learnset`, or `~/.cache/learnset`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "learnset"


def kept(name: str, make: Callable[[], Labelled]) -> Labelled:
    """What `make` makes, from the cache where it lies there whole."""
    path = cache_folder() / f"{name}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return _read(path)
    data = make()
    with contextlib.suppress(
        OSError
    ):  # a full disk or a folder not ours costs time, and nothing else
        _write(path, data)
    return data


def _read(path: Path) -> Labelled:
    with (
        path.open("rb") as stream,
        np.load(stream) as file,
    ):  # opened here: of a damaged file numpy leaves it open
        words = {name: tuple(file[name].tolist()) for name in ("names", "groups", "skipped")}
        sizes = file["sizes"]
        return Labelled(file["x"], np.cumsum(sizes) - sizes, sizes, **words)


def _write(path: Path, data: Labelled) -> None:
    """Under another name first: whoever reads at the same time sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names, groups, skipped = (
        np.array(words, dtype=str) for words in (data.names, data.groups, data.skipped)
    )
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            np.savez_compressed(
                file, x=data.x, sizes=data.sizes, names=names, groups=groups, skipped=skipped
            )
            file.close()
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
