"""A multi-layer perceptron with a separate body and head."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import InputError
from ._linear import Initialiser, Linear


class MLP(eqx.Module):
    """Multi-layer perceptron (MLP): hidden layers of one width, then a linear head,
    `head(features(x))`.

    **Arguments:**

    - `in_size`, `out_size`: lengths of an input and of an output.
    - `width`: units of each hidden layer. `depth`: number of hidden layers, at least one.
    - `activation`: after each hidden layer.
    - `initialiser`: see `learnset.models.Linear`; `truncated_normal(0.01)` is MAML's.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))(jnp.ones(1)).shape
    (1,)
    """

    layers: tuple[Linear, ...]
    head: Linear
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        width: int = 40,
        depth: int = 2,
        activation: Callable[[Array], Array] = jax.nn.relu,
        initialiser: Initialiser | None = None,
        key: Key[Array, ""],
    ):
        sizes = {"in_size": in_size, "out_size": out_size, "width": width, "depth": depth}
        for name, value in sizes.items():
            if value < 1:
                raise InputError(f"MLP: `{name}={value}`, but it must be at least 1.")
        *keys, head_key = jr.split(key, depth + 1)
        inputs = [in_size] + [width] * (depth - 1)
        self.layers = tuple(
            Linear(size, width, initialiser=initialiser, key=k)
            for size, k in zip(inputs, keys, strict=True)
        )
        self.head = Linear(width, out_size, initialiser=initialiser, key=head_key)
        self.activation = activation

    def features(self, x: Float[Array, "in"]) -> Float[Array, "width"]:
        """The input of the head."""
        for layer in self.layers:
            x = self.activation(layer(x))
        return x

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.head(self.features(x))

    def extend_inputs(self, extra: int, *, key: Key[Array, ""]) -> "MLP":
        """The same network with `extra` more inputs after the others. Only their weights are new,
        drawn from the range of the present ones."""
        first = self.layers[0].weight
        bound = jnp.abs(first).max()
        rows = jr.uniform(key, (extra, first.shape[1]), first.dtype, -bound, bound)
        return eqx.tree_at(lambda m: m.layers[0].weight, self, jnp.concatenate([first, rows]))
