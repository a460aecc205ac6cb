"""A change of a model: a few arrays, and the rule that merges them into it."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.tree_util import keystr
from jaxtyping import Array, Float

from ..core import InputError


class AbstractPart(eqx.Module):
    """The change of one array of a model, or of one layer."""

    @abc.abstractmethod
    def applied(self, old: Any) -> Any:
        """The array or layer with this change."""


class LowRankPart(AbstractPart):
    """LoRA's change of an array: `scale * left @ right` is added to it, as a matrix. With a
    `magnitude` (DoRA) the sum is then scaled to that length, for each output."""

    left: Float[Array, "rows rank"]
    right: Float[Array, "rank columns"]
    magnitude: Float[Array, "..."] | None
    scale: float = eqx.field(static=True)
    outputs: tuple[int, ...] = eqx.field(static=True)  # axes of the array

    def applied(self, old: Array) -> Array:
        new = old + (self.scale * (self.left @ self.right)).reshape(old.shape)
        if self.magnitude is None:
            return new
        return new * (self.magnitude / jax.lax.stop_gradient(lengths(new, self.outputs)))


class ScaledPart(AbstractPart):
    """(IA)³'s change of an array: its outputs are scaled."""

    factor: Float[Array, "..."]  # of as many axes as the array

    def applied(self, old: Array) -> Array:
        return old * self.factor


class NewPart(AbstractPart):
    """An array in place of another."""

    value: Float[Array, "..."]

    def applied(self, old: Array) -> Array:
        return self.value


class BottleneckPart(AbstractPart):
    """A small network on the outputs of a layer, with a shortcut: `y + up(relu(down(y)))`."""

    down: Float[Array, "outputs size"]
    up: Float[Array, "size outputs"]
    axis: int = eqx.field(static=True)  # of the outputs

    def applied(self, old: Any) -> "WithBottleneck":
        return WithBottleneck(old, self)

    def __call__(self, y: Float[Array, "..."]) -> Float[Array, "..."]:
        last = jnp.moveaxis(y, self.axis, -1)
        return y + jnp.moveaxis(jax.nn.relu(last @ self.down) @ self.up, -1, self.axis)


class WithBottleneck(eqx.Module):
    """A layer with a bottleneck adapter after it; in all else as the layer itself."""

    layer: Any
    part: BottleneckPart

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.part(self.layer(*args, **options))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "layer":
            raise AttributeError(name)
        return getattr(self.layer, name)


class Change(eqx.Module):
    """A change of a model, a PyTree that `merged` makes the changed model of. It is as small as
    what it changes: `learnset.training.save_change` keeps it as a file.

    Several changes of one model are served at once as `learnset.core.stack(changes)`, mapped by
    `equinox.filter_vmap(lambda change, x: change.merged(base)(x))`.

    **Arguments:** `parts`: by the path of the array or layer that each changes.

    >>> import jax.random as jr, learnset as ls
    >>> base, tuned = (ls.MLP(1, 1, key=key) for key in jr.split(jr.key(0)))
    >>> change = ls.models.change_between(base, tuned)
    >>> bool((change.merged(base).head.weight == tuned.head.weight).all())
    True
    """

    parts: dict[str, AbstractPart]

    def merged(self, base: Any) -> Any:
        """The changed model.

        **Raises:** `InputError` for a model without the parts that are changed.
        """
        leaves, structure = jax.tree_util.tree_flatten_with_path(base)
        paths = {keystr(keys): keys for keys, _ in leaves}
        arrays = {p: part for p, part in self.parts.items() if not isinstance(part, BottleneckPart)}
        if strange := [path for path in arrays if path not in paths]:
            raise InputError(
                f"The change is of {strange[0]}, which {type(base).__name__} does not have. Merge"
                " it into the model that it was made for."
            )
        new = [
            arrays[keystr(k)].applied(leaf) if keystr(k) in arrays else leaf for k, leaf in leaves
        ]
        model = jax.tree.unflatten(structure, new)
        for path, part in self.parts.items():
            if isinstance(part, BottleneckPart):
                keys = _keys_of(path, list(paths.values()))
                model = eqx.tree_at(
                    lambda m, keys=keys: part_at(m, keys), model, replace_fn=part.applied
                )
        return model


def change_between(base: Any, tuned: Any) -> Change:
    """The change from one model to another of the same structure: the arrays that differ."""
    old, new = (jax.tree_util.tree_leaves_with_path(model) for model in (base, tuned))
    return Change(
        {
            keystr(keys): NewPart(after)
            for (keys, before), (_, after) in zip(old, new, strict=True)
            if eqx.is_inexact_array(before) and not bool((before == after).all())
        }
    )


def lengths(array: Array, outputs: tuple[int, ...]) -> Array:
    """The length of the weights of each output."""
    inner = tuple(axis for axis in range(array.ndim) if axis not in outputs)
    return jnp.sqrt((array**2).sum(axis=inner, keepdims=True))


def part_at(model: Any, keys: tuple[Any, ...]) -> Any:
    """The part of a model that a path of JAX leads to."""
    for key in keys:
        if hasattr(key, "name"):
            model = getattr(model, key.name)
        else:
            model = model[key.idx if hasattr(key, "idx") else key.key]
    return model


def _keys_of(path: str, of_leaves: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    for keys in of_leaves:
        for length in range(1, len(keys)):
            if keystr(keys[:length]) == path:
                return keys[:length]
    raise InputError(
        f"The change is of {path}, which the model does not have. Merge it into the model that it"
        " was made for."
    )
