"""Models as plain data: a tree of JSON that names classes and numbers arrays, and back again."""

import dataclasses
import functools
import hashlib
import math
import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core import cross_entropy, head, InputError, mse, whole
from ..meta import body
from ..transfer import prototype_head, Unroll, zero_head
from . import _newcomers as _newcomers  # its classes may be in a file

FOLDERS = ("core", "models", "multitask", "transfer", "meta", "fitting")
FUNCTIONS: dict[str, Any] = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "sigmoid": jax.nn.sigmoid,
    "softmax": jax.nn.softmax,
    "tanh": jnp.tanh,
    "mse": mse,
    "cross_entropy": cross_entropy,
    "whole": whole,
    "head": head,
    "body": body,
    "zero_head": zero_head,
    "prototype_head": prototype_head,
    "sgd": optax.sgd,
    "adam": optax.adam,
}
DEEPEST = 64
LARGEST = 2**31  # of whole numbers in a model, such as the depth of a tree
PLAIN = (bool, int, float, str, type(None))


def to_plain(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The tree as JSON; its arrays are put into `arrays`, by name.

    **Raises:** `InputError` for a class or a function that is not of learnset.
    """
    if isinstance(tree, (jax.Array, np.ndarray)):
        return {"array": _name_in(arrays, np.asarray(tree))}
    if isinstance(tree, Unroll):
        return {"unroll": tree.value}
    if isinstance(tree, eqx.Module):
        return {
            "class": _name_of(type(tree)),
            "fields": {name: to_plain(value, arrays) for name, value in vars(tree).items()},
        }
    if isinstance(tree, (tuple, list)):
        return {type(tree).__name__: [to_plain(value, arrays) for value in tree]}
    if isinstance(tree, dict):
        return {"dict": [[key, to_plain(value, arrays)] for key, value in tree.items()]}
    for name, function in FUNCTIONS.items():
        if tree is function:
            return {"function": name}
    if isinstance(tree, PLAIN):
        return {"value": tree}
    raise InputError(
        f"A {type(tree).__name__} in the model cannot be saved: learnset does not know it."
        " Use models of `learnset.models` and named activations such as `jax.nn.relu`."
    )


def from_plain(plain: Any, arrays: dict[str, np.ndarray], depth: int = 0) -> Any:
    """The tree that `to_plain` described, with arrays of NumPy. Nothing but modules of learnset is
    made, and no code of theirs runs.

    **Raises:** `InputError` for anything else.
    """
    if depth > DEEPEST or not isinstance(plain, dict):
        raise InputError("its model is nested too deeply or is not a model.")

    def inside(part: Any) -> Any:
        return from_plain(part, arrays, depth + 1)

    match plain:
        case {"array": str(name)} if name in arrays:
            return arrays[name]
        case {"class": str(name), "fields": dict(fields)}:
            return _made(name, {field: inside(part) for field, part in fields.items()})
        case {"tuple": list(parts)}:
            return tuple(map(inside, parts))
        case {"list": list(parts)}:
            return list(map(inside, parts))
        case {"dict": list(pairs)} if all(isinstance(p, list) and len(p) == 2 for p in pairs):
            return {str(key): inside(part) for key, part in pairs}
        case {"unroll": str(name)}:
            return Unroll(name)
        case {"function": str(name)} if name in FUNCTIONS:
            return FUNCTIONS[name]
        case {"value": bool() | str() | None as value}:
            return value
        case {"value": int() | float() as value} if math.isfinite(value) and abs(value) < LARGEST:
            return value
    raise InputError("its model has a part that learnset does not know.")


def _name_in(arrays: dict[str, np.ndarray], array: np.ndarray) -> str:
    """The name of an array among those of a file, each of which is there once."""
    content = hashlib.sha256(array.tobytes()).hexdigest()[:16]
    name = f"{content}-{array.dtype.name}-{'x'.join(map(str, array.shape))}"
    arrays[name] = array
    return name


@functools.cache
def _classes() -> dict[str, type]:
    """The modules of learnset that may be in a file, by folder and name, and layers of Equinox."""
    layers = {f"nn.{name}": kind for name, kind in vars(eqx.nn).items() if _is_module(kind)}
    ours = {
        f"{name.split('.')[1]}.{kind.__name__}": kind
        for name, module in sorted(sys.modules.items())
        if name.startswith(tuple(f"learnset.{folder}." for folder in FOLDERS))
        for kind in vars(module).values()
        if _is_module(kind) and kind.__module__ == name
    }
    return layers | ours


def _is_module(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, eqx.Module)


def _name_of(kind: type) -> str:
    for name, known in _classes().items():
        if known is kind:
            return name
    raise InputError(
        f"A model of the class {kind.__name__} cannot be saved: it is not one of learnset's. Keep"
        " it with `learnset.save(path, predictor, x)`, as a program."
    )


def _made(name: str, fields: dict[str, Any]) -> eqx.Module:
    found = _classes().get(name)
    if found is None:
        raise InputError(f"its model has a part of the unknown class {name[:80]!r}.")
    if set(fields) != {field.name for field in dataclasses.fields(found)}:
        raise InputError(f"the fields of its {found.__name__} are not those of this version.")
    module = object.__new__(found)
    for field, value in fields.items():
        object.__setattr__(module, field, value)
    return module
