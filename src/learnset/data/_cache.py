"""A cache for files that were downloaded or are slow to make."""

import contextlib
import dataclasses
import hashlib
import io
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..core import InputError, prune, replace_file
from ._labelled import Labelled
from ._npz import arrays_in

MARK = b"learnset cache 1\n"
DIGEST = hashlib.sha256().digest_size
MOST_FEATURES = 2 * 2**30  # bytes of features of pretrained networks


def cache_folder() -> Path:
    """The folder of the cache: `$XDG_CACHE_HOME/learnset`, or `~/.cache/learnset`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "learnset"


def features_folder() -> Path:
    """The folder of the cache for features of pretrained networks."""
    return cache_folder() / "features"


def prune_features(folder: Path) -> None:
    """Deletes the features that were used longest ago, where there are more than may be kept."""
    prune(folder, MOST_FEATURES)


def used(path: Path) -> None:
    """Marks a file of the cache as used now."""
    with contextlib.suppress(OSError):
        os.utime(path)


def kept(name: str, make: Callable[[], Labelled]) -> Labelled:
    """The result of `make`, read from the cache if an intact copy is there. One that is damaged is
    made again, which `skipped` says."""
    path = cache_folder() / f"{name}.cache"
    damaged = ()
    if path.is_file():
        with contextlib.suppress(OSError, InputError, KeyError):
            return _read(path)
        damaged = (f"The copy {path} in the cache was damaged, and was made again.",)
    data = make()
    # Without room on the disk, or the right to write there, it is made again the next time.
    with contextlib.suppress(OSError):
        _write(path, data)
    return dataclasses.replace(data, skipped=(*data.skipped, *damaged))


def _read(path: Path) -> Labelled:
    whole = path.read_bytes()
    content = whole[len(MARK) + DIGEST :]
    if whole != MARK + hashlib.sha256(content).digest() + content:
        raise InputError(f"{path} is damaged.")
    arrays = arrays_in(io.BytesIO(content), largest=math.inf, name=str(path))
    names, groups, skipped = (tuple(arrays[key].tolist()) for key in ("names", "groups", "skipped"))
    sizes = arrays["sizes"]
    return Labelled(arrays["x"], np.cumsum(sizes) - sizes, sizes, names, groups, skipped)


def _write(path: Path, data: Labelled) -> None:
    """Writes under another name first, so that a concurrent reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names, groups, skipped = (
        np.array(strings, dtype=str) for strings in (data.names, data.groups, data.skipped)
    )
    stream = io.BytesIO()
    np.savez_compressed(
        stream, x=data.x, sizes=data.sizes, names=names, groups=groups, skipped=skipped
    )
    content = stream.getbuffer()
    replace_file(path, MARK, hashlib.sha256(content).digest(), content)
