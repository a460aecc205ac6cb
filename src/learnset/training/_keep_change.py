"""A change of a model as a small file, which knows its base."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..core import InputError, Model
from ..models import AbstractPart, BottleneckPart, Change, LowRankPart, NewPart, ScaledPart
from ._identity import digest
from ._sealed import read_arrays, write_arrays

_KIND = "change 1"
_PARTS: dict[str, Any] = {
    part.__name__: part for part in (BottleneckPart, LowRankPart, NewPart, ScaledPart)
}
_REMEDY = "Save the change again with `learnset.training.save_change`."


def save_change(path: str | Path, change: Change, base: Model) -> None:
    """Saves a change of a model without the model: a few KB, with the digest of the base.

    >>> import jax.random as jr, learnset as ls, os, tempfile
    >>> base, path = ls.MLP(1, 1, key=jr.key(0)), os.path.join(tempfile.mkdtemp(), "change")
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(1))
    >>> ls.training.save_change(path, ls.transfer.LoRA(rank=1).learn(base, task.support), base)
    >>> ls.training.load_change(path, base).merged(base)(task.query.x[0]).shape
    (1,)
    """
    about: dict[str, Any] = {"base": digest(base), "parts": {}}
    arrays = {}
    for number, (key, part) in enumerate(change.parts.items()):
        fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
        kept = {name: np.asarray(v) for name, v in fields.items() if eqx.is_array(v)}
        # As bytes: NumPy's format does not know all of JAX's types.
        arrays |= {f"{number}.{n}": np.frombuffer(a.tobytes(), np.uint8) for n, a in kept.items()}
        about["parts"][key] = {
            "kind": type(part).__name__,
            "arrays": {name: [str(a.dtype), list(a.shape)] for name, a in kept.items()},
            "values": {name: v for name, v in fields.items() if name not in kept},
        }
    write_arrays(Path(path), _KIND, about, arrays)


def load_change(path: str | Path, base: Model) -> Change:
    """The change that `save_change` wrote.

    **Raises:** `InputError` for a file that is damaged or of another kind, and for another base
    than the one that the change is of.
    """
    about, arrays = read_arrays(Path(path), _KIND, _REMEDY)
    if about["base"] != digest(base):
        raise InputError(
            f"{path} is a change of another model than this {type(base).__name__}: its digest is"
            f" {about['base'][:12]}, and this model's {digest(base)[:12]}. Load it onto its base."
        )
    return Change(
        {key: _part(of, number, arrays) for number, (key, of) in enumerate(about["parts"].items())}
    )


def _part(of: dict[str, Any], number: int, arrays: dict[str, np.ndarray]) -> AbstractPart:
    fields = {
        name: jnp.asarray(arrays[f"{number}.{name}"].view(jnp.dtype(kind)).reshape(shape))
        for name, (kind, shape) in of["arrays"].items()
    }
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in of["values"].items()}
    return _PARTS[of["kind"]](**fields, **values)
