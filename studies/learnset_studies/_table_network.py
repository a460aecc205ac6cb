"""The network of the studies of tables: the one that comes with learnset."""

import jax.random as jr

from learnset.models import TableTransformer


def pretrained() -> TableTransformer:
    """The network that has learnt to learn tables."""
    return TableTransformer(width=64, heads=4, depth=4, thinking=8, key=jr.key(0))
