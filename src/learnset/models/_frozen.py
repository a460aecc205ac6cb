"""A part of a model that training leaves alone."""

from typing import TypeVar

import equinox as eqx
import jax

Part = TypeVar("Part")


def frozen(part: Part) -> Part:
    """The same part, without a gradient for its parameters: `train` leaves them as they are, weight
    decay included. To be called where a model uses the part.

    >>> import equinox as eqx, jax, jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> body = eqx.nn.Linear(2, 3, key=jr.key(0))
    >>> gradient = eqx.filter_grad(lambda body: ls.models.frozen(body)(jnp.ones(2)).sum())(body)
    >>> float(abs(gradient.weight).max())
    0.0
    """
    return jax.tree.map(
        lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, part
    )
