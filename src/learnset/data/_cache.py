"""A cache for files that were downloaded or are slow to make."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ._labelled import Labelled


def cache_folder() -> Path:
    """The folder of the cache: `$XDG_CACHE_HOME/learnset`, or `~/.cache/learnset`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "learnset"


def kept(name: str, make: Callable[[], Labelled]) -> Labelled:
    """The result of `make`, read from the cache if a complete copy is there."""
    path = cache_folder() / f"{name}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return _read(path)
    data = make()
    # Without room on the disk, or the right to write there, it is made again the next time.
    with contextlib.suppress(OSError):
        _write(path, data)
    return data


def _read(path: Path) -> Labelled:
    # Opened here, because NumPy does not close a file that turns out to be damaged.
    with path.open("rb") as stream, np.load(stream) as file:
        strings = (tuple(file[name].tolist()) for name in ("names", "groups", "skipped"))
        sizes = file["sizes"]
        return Labelled(file["x"], np.cumsum(sizes) - sizes, sizes, *strings)


def _write(path: Path, data: Labelled) -> None:
    """Writes under another name first, so that a concurrent reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names, groups, skipped = (
        np.array(strings, dtype=str) for strings in (data.names, data.groups, data.skipped)
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
