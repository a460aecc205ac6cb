"""Values that are sent to other processes, functions that users wrote in place included."""

import functools
import io
import pickle
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..core import InputError, is_key, needs, versions

# Settings of JAX that decide on numbers: a worker gets those of the process that sends.
SETTINGS = ("jax_enable_x64", "jax_threefry_partitionable", "jax_default_matmul_precision")


class Sent:
    """A value that is pickled when it leaves this process, and only then; once, however often it is
    sent. In another process the last two stay open, with what was compiled for them.

    **Raises:** when it is opened, `InputError` where a worker has other versions of the packages
    that decide on numbers.

    >>> import pickle
    >>> add = Sent(lambda x: x + 1)  # plain pickle refuses it
    >>> pickle.loads(pickle.dumps(add)).value(1)
    2
    """

    def __init__(self, value: Any, away: bool = False):
        self.value, self.away = value, away

    @functools.cached_property
    def _content(self) -> bytes:
        settings = {name: getattr(jax.config, name) for name in SETTINGS}
        file = io.BytesIO()
        _pickler()(file).dump(self.value)
        return pickle.dumps((versions(), settings, file.getvalue()))

    def __reduce__(self) -> Any:
        return _opened, (self._content,)


@functools.lru_cache(maxsize=2)
def _opened(content: bytes) -> Sent:
    there, settings, value = pickle.loads(content)
    if there != (here := versions()):
        name = next(name for name in here if here[name] != there.get(name))
        raise InputError(
            f"A worker has {name} {here[name]}, but the process that sends has {there.get(name)}:"
            " numbers would differ. Install the same versions."
        )
    for name, setting in settings.items():
        jax.config.update(name, setting)
    return Sent(pickle.loads(value), away=True)


@functools.cache
def _pickler() -> type[pickle.Pickler]:
    with needs("workers"):
        import cloudpickle

    class Pickler(cloudpickle.Pickler):
        """Pickles functions of ours and of users by value where they have no name; random keys by
        their numbers, and functions that JAX wraps (`jax.nn.relu`) by name."""

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, jax.Array) and is_key(obj):
                return _key, (np.asarray(jr.key_data(obj)), str(jr.key_impl(obj)))
            if not isinstance(obj, type) and hasattr(obj, "__wrapped__"):
                name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", "")
                if _named(*name) is obj:
                    return _named, name
            return super().reducer_override(obj)

    return Pickler


def _key(data: np.ndarray, kind: str) -> jax.Array:
    return jr.wrap_key_data(jnp.asarray(data), impl=kind)


def _named(module: str | None, name: str) -> Any:
    """What a module calls by a name; None if there is no such thing."""
    try:
        return functools.reduce(getattr, name.split("."), import_module(module or ""))
    except (ImportError, AttributeError, ValueError):
        return None
