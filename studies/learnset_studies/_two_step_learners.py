"""Two ways to learn the two-step task: what was rewarded, or where choices lead."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from learnset.envs import AbstractAgent, Percept


class TwoStepMemory(eqx.Module):
    """What a learner knows: how good the first choices, or the places, have been, and what it has just done."""

    worth: Float[Array, "2"]
    choice: Int[Array, ""]
    place: Int[Array, ""]


class TwoStepLearner(AbstractAgent):
    """Learns the worth of two things by a delta rule, and chooses by a softmax of what its first choices are worth.

    Without a `model`, the things are the first choices: a reward makes the choice better that was made, by whichever way
    it came. With a `model`, they are the places, and a choice is worth what the places are to which it leads: a reward
    that came by a rare transition speaks for the other choice.

    Source: Daw et al. 2011, *Model-based influences on humans' choices and striatal prediction errors*, in their
    simplest form: the second choice is made at random, because here it makes no difference.

    **Arguments:**

    - `model`: whether it knows where choices lead.
    - `common`: the probability of the common transition, which the model knows.
    - `lr`: of the delta rule; `slope`: of the softmax.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.two_step import TwoStep
    >>> from learnset_studies._two_step_learners import TwoStepLearner
    >>> task = TwoStep(trials=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> ls.envs.live(TwoStepLearner(model=True), task, key=jr.key(1)).action.shape
    (15,)
    """

    model: bool = eqx.field(static=True)
    common: float = 0.75
    lr: float = 0.5
    slope: float = 5.0

    def begin(self) -> TwoStepMemory:
        return TwoStepMemory(jnp.full(2, 0.5), jnp.asarray(0), jnp.asarray(0))

    def act(
        self, memory: TwoStepMemory, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Array, TwoStepMemory]:
        seen = jnp.argmax(percept.observation)
        memory = self._learn(memory, percept)
        choice = jr.categorical(key, self.slope * self._worth_of_choices(memory))
        choosing = seen == 0
        new = TwoStepMemory(
            memory.worth,
            jnp.where(choosing, choice, memory.choice),
            jnp.where(choosing, memory.place, seen - 1),
        )
        return jnp.where(choosing, choice, 0), new

    def _worth_of_choices(self, memory: TwoStepMemory) -> Float[Array, "2"]:
        if not self.model:
            return memory.worth
        return self.common * memory.worth + (1 - self.common) * memory.worth[::-1]

    def _learn(self, memory: TwoStepMemory, percept: Percept) -> Any:
        which = memory.place if self.model else memory.choice
        better = memory.worth.at[which].add(
            self.lr * (percept.feedback.reward - memory.worth[which])
        )
        worth = jnp.where(percept.feedback.over, better, memory.worth)
        return TwoStepMemory(worth, memory.choice, memory.place)
