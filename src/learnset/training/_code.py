"""The code of a user's functions and classes, which an edit changes though names stay."""

import hashlib
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ._identity import opened

_INSTALLED = (
    Path(__file__).resolve().parents[1],
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)


def code_digest(value: Any) -> str:
    """The SHA-256 of the code of all functions and classes in a value that belong to no installed
    package, with those that they call. Another version of Python has other code.

    >>> from learnset.training import code_digest
    >>> code_digest([1, len]) == code_digest(2)
    True
    """
    texts = {text for thing in _reached(value) for text in _code_of(thing)}
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()


def _reached(value: Any) -> Iterator[Any]:
    """All values in a value, and those that its users' functions and classes name."""
    pending, reached = [value], {}
    while pending:
        thing = pending.pop()
        if id(thing) in reached or isinstance(thing, (jax.Array, np.ndarray, np.generic)):
            continue
        reached[id(thing)] = thing
        thing, parts = opened(thing)
        yield thing
        pending += [type(thing), *parts.values()]
        if isinstance(thing, types.FunctionType) and _is_users(thing):
            named = (thing.__globals__.get(name) for name in _names(thing.__code__))
            pending += [other for other in named if isinstance(other, (type, types.FunctionType))]
        elif isinstance(thing, type) and _is_users(thing):
            pending += thing.__bases__
            for part in vars(thing).values():
                inner = [getattr(part, name, None) for name in ("__func__", "fget", "__wrapped__")]
                pending += [f for f in (part, *inner) if isinstance(f, types.FunctionType)]


def _is_users(thing: Any) -> bool:
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    file = getattr(module, "__file__", None)
    if file is None:  # typed in, or built in
        return module is None or not isinstance(thing, type) or thing.__module__ == "__main__"
    return not any(Path(file).resolve().is_relative_to(place) for place in _INSTALLED)


def _code_of(thing: Any) -> Iterator[str]:
    if isinstance(thing, types.FunctionType) and _is_users(thing):
        yield f"{thing.__module__}.{thing.__qualname__}: {_text(thing.__code__)}"


def _text(code: types.CodeType) -> str:
    return repr((code.co_code.hex(), code.co_names, list(map(_constant, code.co_consts))))


def _constant(value: Any) -> str:
    if isinstance(value, types.CodeType):
        return _text(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)
