"""A model-free and a model-based learner of the two-step task."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from learnset.envs import AbstractAgent, Percept


class TwoStepMemory(eqx.Module):
    """The memory of a learner: how good first choices, or places, have been, and its last steps."""

    worth: Float[Array, "2"]
    choice: Int[Array, ""]
    place: Int[Array, ""]


class TwoStepLearner(AbstractAgent):
    """A learner with a delta rule for the worth of two things, and a softmax over first choices.

    Without a `model`, the things are the first choices (model-free): a reward improves the choice
    that was made, whatever the transition. With a `model`, they are the places (model-based), and a
    choice is worth as much as the places that it leads to: a reward after a rare transition speaks
    for the other choice.

    Source: Daw et al. 2011, *Model-based influences on humans' choices and striatal prediction
    errors*, in their simplest form: the second choice is random, because here it makes no
    difference.

    **Arguments:**

    - `model`: whether it is model-based.
    - `common`: the probability of the common transition, in the model.
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
        place = jnp.argmax(percept.observation)  # 0: the first choice
        memory = self._learn(memory, percept)
        choice = jr.categorical(key, self.slope * self._worth_of_choices(memory))
        choosing = place == 0
        new = TwoStepMemory(
            memory.worth,
            jnp.where(choosing, choice, memory.choice),
            jnp.where(choosing, memory.place, place - 1),
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
