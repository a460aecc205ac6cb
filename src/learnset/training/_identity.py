"""The identity of a value: its structure and contents, as text that is the same in every process.

A run is resumed, and kept answers are used again, only where identities agree."""

import enum
import functools
import hashlib
import json
import os
import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

_SHORTEST = 60  # characters: longer texts are kept as their digest
_HASH = " sha256:"
_LISTED = 16  # numbers or texts in a row; longer rows are kept as their digest
_SIMPLE = (str, int, float)
_STATE = ".state"
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]\d+)?$")
_NAMED = 2  # fields that a message lists


def identity(value: Any) -> dict[str, Any]:
    """The identity of a value of any kind, as JSON.

    It depends on contents alone, never on how something is printed or where it lies in memory:

    - modules, dataclasses and named tuples: the class and each field by name; other PyTrees: the
      class, the children and the static part; containers: each item (dictionaries and sets have no
      order);
    - arrays: dtype, shape and bytes, on the host or on the device; `jax.ShapeDtypeStruct`: dtype
      and shape;
    - functions: module and qualified name, and each closed-over value; for functions made inside
      other functions also the defaults, and for a lambda the constants and names in it.
      Decorations such as `jax.jit` do not count;
    - jaxprs: their text, which may change with the version of JAX;
    - all other objects: the class, and what `__getstate__` returns.

    Parts of module names that begin with an underscore do not count, because private files may
    move. The body of a named function, and the globals that it reads, are not compared: that is for
    `program` and `code_digest`.

    **Returns:** `class`, the name of the class (or the value itself, if it is a simple one);
    `fields`, a short text for each part by its path; `digest`, the SHA-256 of both.

    >>> import learnset as ls
    >>> from learnset.training import identity
    >>> identity(ls.MAML(ls.mse, inner_lr=0.1))["fields"]["inner_lr"]
    '0.1'
    """
    fields = {path.removeprefix("."): label for path, label in _walk(value, "", {})}
    name = fields.pop("")
    text = json.dumps([name, fields], sort_keys=True)
    return {"class": name, "fields": fields, "digest": _sha256(text)}


def digest(value: Any) -> str:
    """The SHA-256 of a value's structure and contents, in 64 hexadecimal digits; see `identity`.

    >>> import numpy as np
    >>> from learnset.training import digest
    >>> digest({"x": np.zeros(3)}) == digest({"x": np.zeros(4)})
    False
    """
    return identity(value)["digest"]


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The difference between two identities in words that name the class and the fields, if any.
    Numbers of equal value are the same, whole or not: what they make of a program is compared
    there (`program`).

    >>> import learnset as ls
    >>> from learnset.training import difference, identity
    >>> difference(identity(ls.MAML(ls.mse, inner_lr=0.1)), identity(ls.MAML(ls.mse, inner_lr=0.2)))
    'MAML with another `inner_lr` (0.1, here 0.2)'
    """
    if before["digest"] == now["digest"]:
        return None
    old, new = before["fields"], now["fields"]
    if not _equal(before["class"], now["class"]):
        was, now_is = _shown(before["class"], now["class"])
        return "its contents differ" if was == now_is else f"it was {was}, and is {now_is}"
    paths = [path for path in {**old, **new} if not _equal(old.get(path), new.get(path))]
    if not paths:
        return None
    # Where a part is of another class, its own fields say nothing more.
    topmost = [path for path in paths if not any(_is_part(path, other) for other in paths)]
    named = [
        " ".join([f"`{path}`", *_values(old.get(path), new.get(path))]) for path in topmost[:_NAMED]
    ]
    more = f" and {len(topmost) - _NAMED} more" if len(topmost) > _NAMED else ""
    return f"{before['class'].split('.')[-1]} with another {', '.join(named)}{more}"


def opened(value: Any) -> tuple[Any, Mapping[str, Any]]:
    """The value without decorations, and its parts by name."""
    value = _undecorated(value)
    return value, _parts(value)[1]


def _equal(old: str | None, new: str | None) -> bool:
    """Whether labels are the same, or those of a whole and of another number of equal value."""
    if old == new or old is None or new is None:
        return old == new
    return bool(_NUMBER.match(old) and _NUMBER.match(new)) and float(old) == float(new)


def _is_part(path: str, other: str) -> bool:
    return path != other and path.startswith((f"{other}.", f"{other}["))


def _values(old: str | None, new: str | None) -> list[str]:
    """Both texts in brackets, where a reader sees the difference in them."""
    before, now = _shown(old, new)
    return [] if before == now else [f"({before}, here {now})"]


def _shown(*labels: str | None) -> list[str]:
    """Labels as a reader sees them: without digests."""
    return ["absent" if label is None else label.split(_HASH)[0] or "…" for label in labels]


def _walk(value: Any, path: str, seen: dict[int, tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """The path and the label of a value and of all its parts."""
    value = _undecorated(value)
    if id(value) in seen:
        yield path, f"again {seen[id(value)][0]}"
        return
    label, parts = _parts(value)
    yield path, label
    if parts:
        seen[id(value)] = path, value
        for name, part in parts.items():
            yield from _walk(part, path + name, seen)
        if _STATE not in parts:  # unknown objects may refer to each other: each is walked once
            del seen[id(value)]


def _undecorated(value: Any) -> Any:
    """The function inside `jax.jit`, `jax.custom_jvp`, `functools.cache` and the like."""
    while not isinstance(value, (type, types.FunctionType, types.MethodType)) and (
        not hasattr(value, "__dataclass_fields__") and callable(getattr(value, "__wrapped__", None))
    ):
        value = value.__wrapped__
    return value


def _parts(value: Any) -> tuple[str, Mapping[str, Any]]:
    """A value's label, and its parts by name."""
    match value:
        case jax.Array() | np.ndarray() | np.generic():
            return _array(value)
        case enum.Enum():
            return f"{_name(type(value))}.{value.name}", {}
        case None | bool() | int() | float() | complex() | str() | bytes():
            return _short(repr(value)), {}
        case np.dtype() | types.EllipsisType() | slice() | range():
            return str(value), {}
        case os.PathLike():
            return _short(f"path {os.fspath(value)}"), {}
        case jax.ShapeDtypeStruct():
            return f"{value.dtype}{value.shape}", {}

        case types.ModuleType():
            return f"module {value.__name__}", {}
        case type():
            return f"class {_name(value)}", {}
        case types.MethodType():
            return "method", {".__func__": value.__func__, ".__self__": value.__self__}
        case functools.partial():
            parts = {".func": value.func, ".args": value.args, ".keywords": value.keywords}
            return "partial", parts
        case types.FunctionType():
            return f"function {_name(value)}", _closed_over(value)
        case types.CodeType():
            return "code", _code(value)
        case Mapping():
            items = sorted(((_key(k), part) for k, part in value.items()), key=lambda item: item[0])
            return _name(type(value)), {f"[{key}]": part for key, part in items}
        case set() | frozenset():
            return _short(" ".join([_name(type(value)), *sorted(map(digest, value))])), {}
        case tuple() | list():
            return _sequence(value)
        case _ if hasattr(value, "__dataclass_fields__"):
            names = [name for name in value.__dataclass_fields__ if hasattr(value, name)]
            return _name(type(value)), {f".{name}": getattr(value, name) for name in names}
        case _ if callable(value) and hasattr(value, "__name__"):  # of C, such as `numpy.add`
            return f"function {_name(value)}", {}
    return _object(value)


def _sequence(value: Any) -> tuple[str, Mapping[str, Any]]:
    if len(value) > _LISTED and all(isinstance(item, _SIMPLE) for item in value):
        return f"{_name(type(value))} of {len(value)}{_HASH}{_sha256(repr(value))}", {}
    fields = getattr(value, "_fields", None)
    names = [f"[{i}]" for i in range(len(value))] if fields is None else [f".{f}" for f in fields]
    return _name(type(value)), dict(zip(names, value, strict=True))


def _array(value: Any) -> tuple[str, Mapping[str, Any]]:
    """A number as its text; an array as its dtype, shape and the digest of its bytes."""
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        data = np.asarray(jr.key_data(value))
        return f"key {jr.key_impl(value)}{value.shape}{_HASH}{_sha256(data.tobytes())}", {}
    array = np.asarray(value)
    if array.dtype.hasobject:
        return f"object{array.shape}", {".items": array.reshape(-1).tolist()}
    if array.ndim == 0:
        return _short(f"{array[()]} {array.dtype}"), {}
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return f"{array.dtype}{array.shape}{_HASH}{_sha256(raw.data)}", {}


def _closed_over(function: types.FunctionType) -> dict[str, Any]:
    """All values that a function carries with it."""
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    parts = {f".{name}": _content(cell) for name, cell in cells}
    if "<" in function.__qualname__:  # <locals>, <lambda>: made anew each time
        defaults, names = function.__defaults__ or (), code.co_varnames[: code.co_argcount]
        parts |= {f".{name}": v for name, v in zip(names[::-1], defaults[::-1], strict=False)}
        parts |= {f".{name}": v for name, v in (function.__kwdefaults__ or {}).items()}
    if function.__name__ == "<lambda>":
        parts[".__code__"] = code
    return parts


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that was not set yet
        return None


def _code(code: types.CodeType) -> dict[str, Any]:
    # Bytecode itself is another one in each version of Python.
    return {".constants": code.co_consts, ".names": code.co_names}


def _object(value: Any) -> tuple[str, Mapping[str, Any]]:
    """A node of another PyTree, a jaxpr, or an object of an unknown kind."""
    from jax.extend.core import ClosedJaxpr, Jaxpr  # here: few values come this far

    if isinstance(value, (ClosedJaxpr, Jaxpr)):
        return _short(str(value)), {}
    children, structure = jax.tree_util.tree_flatten_with_path(
        value, is_leaf=lambda part: part is not value
    )
    node = structure.node_data()
    if node is None:
        return _name(type(value)), {_STATE: value.__getstate__()}
    parts = {jax.tree_util.keystr(path): child for path, child in children}
    return _name(type(value)), {**parts, ".static": node[1]}


def _key(key: Any) -> str:
    label, parts = _parts(key)
    return digest(key) if parts else label


def _name(thing: type | Callable[..., Any]) -> str:
    modules = (getattr(thing, "__module__", None) or "").split(".")
    public = [part for part in modules if part == "__main__" or not part.startswith("_")]
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", "")
    return ".".join([part for part in public if part] + [name])


def _short(text: str) -> str:
    """The text, or its digest where it is long."""
    return text if len(text) <= _SHORTEST else _HASH + _sha256(text)


def _sha256(content: str | bytes | memoryview) -> str:
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()
