"""Features of many inputs by a pretrained network, computed once and kept by their contents."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from ..core import features, InputError
from ..data import features_folder, prune_features, used
from ..models import Backbone
from ._identity import digest
from ._progress import Bar, shown_by_default
from ._sealed import read_arrays, write_arrays

KIND = "features 1"
CHUNK = 32  # inputs of one call: a call on two CPU cores takes a third of a second
Inputs = Shaped[np.ndarray, "points *raw"]


class Features:
    """Features of inputs by one backbone, with one bar for all of them.

    What was computed is kept in the cache of the user, `~/.cache/learnset/features`, under a
    digest of the network and of the inputs: the same folder of images is computed once. Of more
    than 2 GiB, those that were used longest ago are deleted.

    **Arguments:**

    - `backbone`: the network. `name`: on the bar. `total`: how many inputs there will be.
    - `folder`: in place of that cache. `keep`: whether they are kept at all.
    - `shown`: whether there is a bar; default: on a terminal.

    >>> import jax.random as jr, numpy as np, tempfile, learnset as ls
    >>> conv = ls.models.Backbone(ls.Conv4((28, 28, 1), key=jr.key(0)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ls.training.Features(conv, "conv", 3, folder=folder) as features:
    ...         features.of(np.zeros((3, 28, 28, 1), np.uint8)).shape
    (3, 64)
    """

    def __init__(
        self,
        backbone: Backbone,
        name: str,
        total: int,
        *,
        folder: str | Path | None = None,
        keep: bool = True,
        shown: bool | None = None,
    ):
        self.backbone = backbone
        self.folder = features_folder() if folder is None else Path(folder)
        self.keep = keep
        self._digest = digest(backbone)
        self._done = 0
        self._bar = Bar(
            f"features, {name}", total, shown=shown_by_default() if shown is None else shown
        )

    def __enter__(self) -> "Features":
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*error)

    def of(self, xs: Inputs) -> Float[np.ndarray, "points features"]:
        """Features of raw inputs: bytes are pixels from 0 to 255."""
        about = f"{xs.dtype}{xs.shape}".encode()
        mark = hashlib.sha256(about + np.ascontiguousarray(xs).tobytes()).hexdigest()
        return self.kept(mark, lambda: xs)

    def kept(self, mark: str, read: Callable[[], Inputs]) -> Float[np.ndarray, "points features"]:
        """Features of what `read` gives, if none are kept under `mark`, a text that tells these
        inputs from all others."""
        if not self.keep:
            return self._computed(read())
        key = hashlib.sha256(f"{self._digest} {mark}".encode()).hexdigest()
        path = self.folder / f"{key}.features"
        if path.is_file():
            with contextlib.suppress(InputError, OSError, KeyError, ValueError):  # made again
                values = read_arrays(path, KIND, "")[1]["values"]
                used(path)
                self._advance(len(values))
                return values
        values = self._computed(read())
        # Without room on the disk, or the right to write there, they are computed the next time.
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_arrays(path, KIND, {}, {"values": values})
            prune_features(self.folder)
        return values

    def _computed(self, xs: Inputs) -> Float[np.ndarray, "points features"]:
        parts = []
        for start in range(0, len(xs), CHUNK):
            part = xs[start : start + CHUNK]
            padded = np.concatenate([part, np.repeat(part[-1:], CHUNK - len(part), axis=0)])
            parts.append(np.asarray(_features(self.backbone, jnp.asarray(padded)))[: len(part)])
            self._advance(len(part))
        if not parts:
            return np.zeros((0, self.backbone.size), np.float32)
        values = np.concatenate(parts)
        if not np.isfinite(values).all():
            raise InputError("The network gives features that are NaN or infinite.")
        return values

    def _advance(self, count: int) -> None:
        self._done += count
        self._bar.at(self._done)


@eqx.filter_jit
def _features(backbone: Backbone, xs: Array) -> Float[Array, "points features"]:
    if xs.dtype == jnp.uint8:
        xs = xs.astype(jnp.result_type(float)) / 255
    return features(backbone, xs)
