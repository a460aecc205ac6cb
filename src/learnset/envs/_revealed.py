"""Environments that hide nothing."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import Split
from ._base import AbstractEnv, AbstractEnvs, AbstractWrapper


class Revealed(AbstractWrapper):
    """An environment in which the hidden part of the state is observed, after the rest."""

    env: AbstractEnv

    def observe(self, state: Any) -> Float[Array, "observation"]:
        return jnp.concatenate([self.env.observe(state), self.env.secret(state)])


class RevealedEnvs(AbstractEnvs):
    """The same tasks with what they hide observed (`AbstractEnv.secret`): the bound of agents that
    have to find it out.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.navigation import Navigation
    >>> goals, key = Navigation(), jr.key(0)
    >>> told = ls.envs.RevealedEnvs(goals).sample(ls.Split.TEST, key=key)
    >>> goals.sample(ls.Split.TEST, key=key).observation_size, told.observation_size
    (2, 4)
    """

    envs: AbstractEnvs

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Revealed:
        return Revealed(self.envs.sample(split, key=key))
