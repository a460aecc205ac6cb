"""Texts as inputs: the features that a pretrained network gives of each."""

import contextlib
import hashlib
import io
import sys
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core import InputError, replace_file
from ..models import Backbone
from ._cache import features_folder, prune_features, used
from ._npz import arrays_in

FORMAT = 1  # a change of what is computed gets the next number
CHUNK = 32  # texts at a time, of about the same length
PIECE = 16  # tokens: texts are padded to a multiple of it, so that few programs are compiled


def pinned(encoder: str) -> str:
    """The name of a network with the digest of its weights, `minilm@4c1d…`: a schema keeps it, so
    that later texts have the features of the same network or none.

    **Raises:** `InputError` for a network that is not installed, or reads no texts.
    """
    return f"{encoder}@{_opened(encoder).mark}"


def text_features(texts: Sequence[str], encoder: str) -> Float[np.ndarray, "texts features"]:
    """The features of texts by the network of this name, `pinned` or not. They are kept in the
    user's cache, by the contents of network and texts.

    **Raises:** `InputError` for a network that is not installed, reads no texts, or has other
    weights than the pinned ones.
    """
    name, at, wanted = encoder.rpartition("@")
    name, wanted = (name, wanted) if at else (encoder, "")
    backbone = _opened(name)
    mark = backbone.mark
    if wanted not in ("", mark):
        raise InputError(
            f"The network {name!r} has other weights than it had when the schema was made: its"
            " features would be others. Put the old file back, or read the table without the"
            " schema."
        )
    digest = hashlib.sha256(f"{FORMAT} {mark} {len(texts)}".encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest())
    path = features_folder() / f"{digest.hexdigest()}.npz"
    with contextlib.suppress(OSError, InputError, KeyError):
        content = path.read_bytes()
        values = arrays_in(io.BytesIO(content), largest=2 * len(content), name=str(path))["x"]
        if values.shape == (len(texts), backbone.size):
            used(path)
            return values
    values = _computed(backbone, texts)
    # Without room on the disk, or the right to write there, they are computed the next time.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        np.savez(stream, x=values)
        replace_file(path, stream.getbuffer())
        prune_features(path.parent)
    return values


def _opened(name: str) -> Backbone:
    backbone = Backbone.named(name)
    if not backbone.reads_text:
        raise InputError(f"The network {name!r} reads images, not texts; `minilm` reads texts.")
    return backbone


def _computed(backbone: Backbone, texts: Sequence[str]) -> Float[np.ndarray, "texts features"]:
    from rich.console import Console
    from rich.progress import track

    values = np.zeros((len(texts), backbone.size), np.float32)
    order = np.argsort([len(text) for text in texts], kind="stable")
    starts, console = range(0, len(texts), CHUNK), Console(stderr=True)
    shown = sys.stderr.isatty()
    for start in track(starts, "features of texts", console=console, disable=not shown):
        rows = order[start : start + CHUNK]
        tokens = backbone.tokens([texts[int(row)] for row in rows])
        count, length = tokens.shape
        padded = np.zeros((CHUNK, -(-length // PIECE) * PIECE), np.int32)
        padded[:count, :length] = tokens
        values[rows] = np.asarray(_features(backbone.module, jnp.asarray(padded)))[:count]
    return values


@eqx.filter_jit
def _features(module: Any, tokens: Array) -> Array:
    return jax.vmap(module.features)(tokens)
