"""Trained table networks as small files: weights in half precision, and how they were made."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..core import InputError, write_file
from ._table_transformer import TableTransformer

ABOUT = "about"


class KeptNetwork(NamedTuple):
    """A table network that was trained, and how it was made."""

    network: TableTransformer
    about: dict[str, Any]


def save_network(path: str | Path, network: TableTransformer, about: Mapping[str, Any]) -> None:
    """Writes a trained table network as an `.npz` file, its weights in half precision.

    **Arguments:** `about`: how it was made, in words and numbers that JSON knows: the prior, the
    seeds, the steps, the hardware and the command, say.

    **Raises:** `InputError` for weights that half precision cannot hold.

    >>> import jax.random as jr, learnset as ls, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "network.npz")
    >>> network = ls.models.TableTransformer(width=8, depth=1, key=jr.key(0))
    >>> ls.models.save_network(path, network, {"steps": 0})
    >>> ls.models.load_network(path).about
    {'steps': 0}
    """
    names, leaves = _named(network)
    with np.errstate(over="ignore"):
        arrays = {n: np.asarray(x, np.float16) for n, x in zip(names, leaves, strict=True)}
    lost = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if lost:
        raise InputError(f"{lost[0]} of the network has numbers that half precision cannot hold.")
    whole = {"sizes": _sizes(network), "about": dict(about)}
    content = io.BytesIO()
    np.savez_compressed(content, **{ABOUT: np.array(json.dumps(whole))}, **arrays)  # pyright: ignore
    write_file(Path(path), content.getvalue())


def load_network(path: str | Path) -> KeptNetwork:
    """A table network that `save_network` wrote, in single precision.

    **Raises:** `InputError` for a file that is missing, damaged, or has no table network.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            whole = json.loads(str(arrays[ABOUT]))
            # Its structure alone: no random numbers are drawn for weights that are replaced.
            shapes = eqx.filter_eval_shape(
                lambda: TableTransformer(**whole["sizes"], key=jr.key(0))
            )
            names, leaves = _named(shapes)
            read = [arrays[name] for name in names]
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no table network ({type(error).__name__}).") from None
    wrong = [n for n, a, b in zip(names, read, leaves, strict=True) if a.shape != b.shape]
    if wrong:
        raise InputError(f"{path} is damaged: its {wrong[0]} has another shape than its sizes say.")
    # The host converts them: a device would compile a program for each shape.
    weights = [jnp.asarray(a.astype(b.dtype)) for a, b in zip(read, leaves, strict=True)]
    return KeptNetwork(jax.tree.unflatten(jax.tree.structure(shapes), weights), whole["about"])


def _sizes(network: TableTransformer) -> dict[str, Any]:
    depth, width, heads, _ = network.blocks.rows.query.shape
    thinking = network.thoughts.shape[1]
    return {
        "width": width,
        "heads": heads,
        "depth": depth,
        "thinking": thinking,
        "classes": network.classes,
    }


def _named(network: TableTransformer) -> tuple[list[str], list[Any]]:
    """The names of all weights, such as `blocks.rows.query`, and the weights."""
    pairs = jax.tree_util.tree_flatten_with_path(network)[0]
    names = [".".join(part.name for part in path) for path, _ in pairs]  # pyright: ignore
    return names, [leaf for _, leaf in pairs]
