"""The layers of any model, in call order."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jax.tree_util import keystr, SequenceKey
from jaxtyping import Array, PyTree, Shaped

from ..core import InputError
from ..models import uses


class Depth(NamedTuple):
    """The layers of a model. `names`: of the layers, in call order. `number`: a PyTree with the
    structure of the model that has the number of its layer for each floating-point array, -1 for
    one that the model does not use, and `None` elsewhere."""

    names: tuple[str, ...]
    number: PyTree[int]


def depth(model: Any, x: Shaped[Array, "*in"]) -> Depth:
    """The layers of any PyTree that can be called, in call order, by tracing.

    A layer is an entry of the outermost list or tuple that an array lies in (a block of a
    convolutional network, or of a transformer), or the part that holds the array itself.

    **Arguments:** `x`: one input, of which only shape and dtype matter.

    **Raises:** `InputError` for a model without any parameters that it uses.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> ls.transfer.depth(ls.MLP(1, 1, depth=2, key=jr.key(0)), jnp.ones(1)).names
    ('.layers[0]', '.layers[1]', '.head')
    """
    layer_of = {use.path: _layer(use.keys) for use in uses(model, x)}
    names = tuple(dict.fromkeys(layer_of.values()))
    if not names:
        raise InputError(f"{type(model).__name__} has no parameters that its answer depends on.")
    place = {name: number for number, name in enumerate(names)}

    def number(path: tuple[Any, ...], leaf: Any) -> int | None:
        if not eqx.is_inexact_array(leaf):
            return None
        return place.get(layer_of.get(keystr(path), ""), -1)

    return Depth(names, jax.tree_util.tree_map_with_path(number, model))


def _layer(keys: tuple[Any, ...]) -> str:
    lists = [place for place, key in enumerate(keys) if isinstance(key, SequenceKey)]
    return keystr(keys[: lists[0] + 1] if lists else keys[: max(1, len(keys) - 1)])


class Moved(NamedTuple):
    """What an adaptation changed: the paths of the arrays that moved, and of those that are the
    same bit for bit."""

    moved: tuple[str, ...]
    still: tuple[str, ...]


def moved(before: Any, after: Any) -> Moved:
    """Which arrays of a model moved, and which stood still, statistics of normalisation included.

    **Raises:** `InputError` for models of different structures.

    >>> import equinox as eqx, jax.random as jr, learnset as ls
    >>> model = ls.MLP(1, 1, depth=1, key=jr.key(0))
    >>> after = eqx.tree_at(lambda m: m.head.bias, model, model.head.bias + 1)
    >>> ls.transfer.moved(model, after).moved
    ('.head.bias',)
    """
    arrays = [eqx.filter(model, eqx.is_array) for model in (before, after)]
    (old, structure), (new, other) = map(jax.tree_util.tree_flatten_with_path, arrays)
    if structure != other:
        raise InputError("The two models have different structures: compare a model with itself.")
    same = {keystr(path): _bits(a) == _bits(b) for (path, a), (_, b) in zip(old, new, strict=True)}
    still = tuple(path for path, unchanged in same.items() if unchanged)
    return Moved(tuple(path for path in same if path not in still), still)


def _bits(array: Array) -> tuple[Any, bytes]:
    array = jax.device_get(array)
    return array.shape, array.tobytes()


# Parts by what they are: the `where` of a `FineTune`.


def bitfit(model: Any) -> list[Any]:
    """The `where` of BitFit: all biases, and the head if there is one.

    **Raises:** `InputError` for a model without biases.

    Source: Ben Zaken, Ravfogel & Goldberg 2022, *BitFit*, §3.

    >>> import jax.random as jr, learnset as ls
    >>> len(ls.transfer.bitfit(ls.MLP(1, 1, depth=2, key=jr.key(0))))
    4
    """
    return _chosen(model, "biases", lambda keys: _name(keys) in ("bias", "shift"))


def norms_only(model: Any) -> list[Any]:
    """The `where` that moves normalisation only, its scales and shifts, and the head if there is
    one: parts of any framework that hold vectors alone, or a stored variance.

    **Raises:** `InputError` for a model without normalisation.

    Source: Frankle, Schwab & Morcos 2021, *Training BatchNorm and Only BatchNorm*.

    >>> import jax.random as jr, learnset as ls
    >>> encoder = ls.Conv4((28, 28, 1), blocks=3, key=jr.key(0))
    >>> len(ls.transfer.norms_only(ls.models.Headed(encoder, None)))
    6
    """
    arrays = [(k, leaf) for k, leaf in _leaves(model) if hasattr(leaf, "ndim")]
    stored = {keys[:-1] for keys, _ in arrays if _name(keys) == "variance"}
    of_matrices = {keys[:-1] for keys, leaf in arrays if leaf.ndim > 1} - stored
    vectors = {keys for keys, leaf in arrays if leaf.ndim == 1 and keys[:-1] not in of_matrices}
    named = ("weight", "bias", "scale", "shift")
    return _chosen(model, "normalisation", lambda keys: keys in vectors and _name(keys) in named)


def _chosen(model: Any, what: str, wanted: Callable[[Any], bool]) -> list[Any]:
    chosen = [leaf for keys, leaf in _leaves(model) if wanted(keys)]
    if not chosen:
        raise InputError(f"{type(model).__name__} has no {what} to move. Choose another `where`.")
    last = jax.tree.leaves(getattr(model, "head", None))
    return chosen + [leaf for leaf in last if not any(leaf is other for other in chosen)]


def _leaves(model: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_leaves_with_path(model)


def _name(keys: tuple[Any, ...]) -> str:
    """The last word of a path: of a field, or of an entry of a dictionary."""
    return str(getattr(keys[-1], "name", getattr(keys[-1], "key", ""))) if keys else ""
