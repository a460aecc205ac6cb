"""Lives: the question to agents, on held-out environments."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from ..core import AbstractAdapter, check_positive, Model, Split
from ..envs import AbstractAgent, AbstractEnv, AbstractEnvs, Life, live
from ._measure import AbstractMeasure
from ._question import AbstractQuestion
from ._seeds import Purpose, seed_keys


class AbstractLifeMeasure(AbstractMeasure):
    """A measure of an agent's life on one environment. Its `steps` are the trials, or the like."""

    percent = False

    @abc.abstractmethod
    def of_life(self, env: AbstractEnv, life: Life) -> Float[Array, "steps"]:
        """The value of each trial, or one value of the whole life."""

    def for_choice(self, scores: Float[np.ndarray, "... steps"]) -> Float[np.ndarray, "..."]:
        """What candidates are chosen by, from their scores (higher is better) in each trial: the
        mean."""
        return scores.mean(axis=-1)

    def of_tasks(self, observed: np.ndarray, asked: Any) -> Float[np.ndarray, "seeds tasks steps"]:
        return observed


class TotalReward(AbstractLifeMeasure):
    """The sum of the rewards of a life."""

    name = "total reward"

    def of_life(self, env: AbstractEnv, life: Life) -> Float[Array, "steps"]:
        return life.reward.sum(keepdims=True)


class Rule(eqx.Module):
    """A given agent, such as a rule, in place of the common initial model, for `NothingLearnt`.

    >>> import learnset as ls
    >>> from learnset.comparison import NothingLearnt, Rule
    >>> learner = NothingLearnt(Rule(ls.rl.AtRandom(5)))
    >>> ls.Recipe("random", ls.Setting.BOUND, (learner,)).learns
    False
    """

    agent: AbstractAgent

    def __call__(self, model: Model, key: Key[Array, ""]) -> AbstractAgent:
        del model, key
        return self.agent


class Lives(AbstractQuestion):
    """Held-out environments, in which agents that have learnt from others live. Recipes are agents:
    a learner trains one (`ByGradient`, with a network that makes agents), or makes a rule
    (`NothingLearnt(Rule(agent))`); nothing adapts but the agents themselves. The axis of steps is
    that of the trials, and the measure says which of them count when candidates are chosen
    (`AbstractLifeMeasure.for_choice`).

    **Arguments:**

    - `envs`: the distribution over environments, as it is trained on.
    - `measure`: of each life.
    - `seeds`: repetitions with a new initial agent; all live in the same environments.
    - `validation_tasks`, `test_tasks`: environments to choose settings on, and to score on.
    - `length`: steps of a life at most; default: enough for all trials.

    >>> import learnset as ls
    >>> question = ls.comparison.Lives(ls.envs.Bandits(5, 10), ls.comparison.TotalReward())
    >>> question.tasks
    'new'
    """

    envs: AbstractEnvs
    measure: AbstractLifeMeasure
    seeds: int = 1
    validation_tasks: int = 200
    test_tasks: int = 1000
    length: int | None = None
    shots: ClassVar[tuple[int | None, ...]] = (None,)
    tasks: ClassVar[str] = "new"

    def __check_init__(self):
        check_positive(
            "Lives",
            seeds=self.seeds,
            validation_tasks=self.validation_tasks,
            test_tasks=self.test_tasks,
        )

    def past(self) -> tuple[AbstractEnvs, bool]:
        return self.envs, False

    def ask(
        self, split: Split, view: Any, key: Key[Array, ""]
    ) -> tuple[AbstractEnv, Key[Array, "seeds"]]:
        purpose, number = Purpose.TEST, self.test_tasks
        if split is Split.VALIDATION:
            purpose, number = Purpose.VALIDATION, self.validation_tasks
        key = jr.fold_in(key, purpose)
        envs = eqx.filter_jit(lambda envs, k: envs.draw(number, split, key=k))(view(self.envs), key)
        return envs, seed_keys(key, purpose, self.seeds)

    def answers(
        self, adapters: AbstractAdapter, models: Model, asked: Any, shots: int | None
    ) -> np.ndarray:
        del adapters, shots
        envs, keys = asked
        return np.asarray(_live(models, envs, keys, self.measure, self.length))

    def for_choice(
        self, scores: Float[np.ndarray, "seeds candidates steps"]
    ) -> Float[np.ndarray, "seeds candidates steps"]:
        last = np.arange(scores.shape[2]) == scores.shape[2] - 1
        return np.where(last, self.measure.for_choice(scores)[..., None], -np.inf)


@eqx.filter_jit
def _live(
    agents: AbstractAgent,
    envs: AbstractEnv,
    keys: Key[Array, "seeds"],
    measure: AbstractLifeMeasure,
    length: int | None,
) -> Float[Array, "seeds tasks steps"]:
    number = jax.tree.leaves(eqx.filter(envs, eqx.is_array))[0].shape[0]

    def of_env(agent: AbstractAgent, env: AbstractEnv, key: Key[Array, ""]) -> Array:
        return measure.of_life(env, live(agent, env, key=key, steps=length))

    def of_seed(agent: AbstractAgent, key: Key[Array, ""]) -> Array:
        return jax.vmap(lambda env, k: of_env(agent, env, k))(envs, jr.split(key, number))

    return eqx.filter_vmap(of_seed, in_axes=(eqx.if_array(0), 0))(agents, keys)
