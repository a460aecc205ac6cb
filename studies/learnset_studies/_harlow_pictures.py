"""Pictures of characters as the objects of Harlow, and an agent that sees their pixels."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from learnset.data import glyphs
from learnset.envs import AbstractEnv
from learnset.rl import RecurrentAgent

RAW, CENTRED = "raw pictures", "centred pictures"
SIDE = 14  # pixels
Bank = Float[Array, "_pictures pixels"]
Banks = tuple[Bank, Bank, Bank]  # of training, validation and test problems


def banks() -> Banks:
    """Pictures of characters, with ink 1 on 0: those of `learnset.data.glyphs`, smaller. Each bank
    has its own scripts."""
    train, validation, test = (
        jnp.asarray(part.resized(SIDE).x.reshape(-1, SIDE**2) / 255, jnp.float32)
        for part in glyphs.split()
    )
    return train, validation, test


def centred(banks: Banks) -> Banks:
    """The pictures less the mean picture of training, in units of the standard deviation there."""
    train, validation, test = banks
    mean = train.mean(axis=0, keepdims=True)
    spread = (train - mean).std()
    return (train - mean) / spread, (validation - mean) / spread, (test - mean) / spread


class Eyes(eqx.Module):
    """An encoder of observations: one small network for both pictures. The rest of the observation
    stays as it is. Features of a picture are scaled to zero mean and unit variance.

    **Arguments:** `features`: of each picture; `width`: of the hidden layer.
    """

    network: eqx.nn.MLP

    def __init__(self, features: int = 16, width: int = 64, *, key: Key[Array, ""]):
        self.network = eqx.nn.MLP(SIDE**2, features, width, 1, key=key)

    def __call__(self, observation: Float[Array, "observation"]) -> Float[Array, "features"]:
        pixels = 2 * SIDE**2
        pictures, rest = observation[:pixels].reshape(2, -1), observation[pixels:]
        seen = jax.nn.standardize(jax.vmap(self.network)(pictures), axis=-1)
        return jnp.concatenate([seen.ravel(), rest])


def seeing(env: AbstractEnv, width: int, key: Key[Array, ""]) -> RecurrentAgent:
    """A recurrent agent with eyes."""
    eyes_key, agent_key = jr.split(key)
    return RecurrentAgent(env, width=width, encoder=Eyes(key=eyes_key), key=agent_key)


def examples(bank: Bank, number: int = 8) -> list[list[str]]:
    """Some pictures of a bank, evenly chosen: of each row of pixels a line of hexadecimal bytes."""
    some = np.asarray(bank)[np.linspace(0, len(bank) - 1, number).astype(int)]
    pixels = np.rint(255 * some).astype(np.uint8).reshape(number, SIDE, SIDE)
    return [[row.tobytes().hex() for row in picture] for picture in pixels]
