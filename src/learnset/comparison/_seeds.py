"""Random keys of a comparison: one for each purpose and seed."""

import enum
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key


class Purpose(enum.IntEnum):
    """The purpose of a random key; keys of different purposes never meet."""

    MODEL = 0
    PREPARATION = 1
    PAST = 2
    TRAINING = 3
    VALIDATION = 4
    TEST = 5
    FINISH = 6


@partial(jax.jit, static_argnums=2)
def seed_keys(key: Key[Array, ""], purpose: int, seeds: int) -> Key[Array, "seeds"]:
    """Keys for one purpose, one for each seed; seed `i` has the same keys however many there
    are."""
    return jax.vmap(lambda seed: jr.fold_in(jr.fold_in(key, purpose), seed))(jnp.arange(seeds))
