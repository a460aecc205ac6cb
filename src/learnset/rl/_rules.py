"""The simplest agents: random actions, and win-stay, lose-shift."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from ..envs import AbstractAgent, LEFT, LOOK, Percept, RIGHT


class AtRandom(AbstractAgent):
    """Random actions: each of `actions` actions has the same probability. The agent has no memory,
    so that it stays at chance.

    >>> import jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> ls.envs.live(ls.rl.AtRandom(2), problem, key=jr.key(1)).reward.shape
    (12,)
    """

    actions: int = eqx.field(static=True)

    def begin(self) -> None:
        return None

    def act(
        self, memory: None, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], None]:
        del percept
        return jr.randint(key, (), 0, self.actions), memory


class Food(eqx.Module):
    """The memory of win-stay, lose-shift: the appearance of the object with the food, once it is
    known."""

    object: Float[Array, "features"]
    known: Bool[Array, ""]


class WinStayLoseShift(AbstractAgent):
    """Win-stay, lose-shift on Harlow's problems: always the object that was rewarded. This is a
    perfect learning set: chance in the first trial, and no error from the second on.

    Source: Levine 1959, *A model of hypothesis behavior in discrimination learning set*; Harlow
    1949.

    **Arguments:**

    - `features`: the length of an object's vector.
    """

    features: int = eqx.field(static=True, default=16)

    def begin(self) -> Food:
        return Food(jnp.zeros(self.features), jnp.asarray(False))

    def act(
        self, memory: Food, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], Food]:
        left, right, cross = jnp.split(percept.observation, [self.features, 2 * self.features])
        learnt = percept.feedback.terminated
        won_left = (percept.action == LEFT) == (percept.feedback.reward > 0)
        food = jnp.where(learnt, jnp.where(won_left, left, right), memory.object)
        memory = Food(food, memory.known | learnt)
        nearer = ((left - memory.object) ** 2).sum() < ((right - memory.object) ** 2).sum()
        guess = jr.bernoulli(key)
        side = jnp.where(jnp.where(memory.known, nearer, guess), LEFT, RIGHT)
        return jnp.where(cross[0] > 0, LOOK, side), memory
