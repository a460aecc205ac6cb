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
from ..rl import AbstractPolicyAdapter
from ._measure import AbstractMeasure
from ._question import AbstractQuestion
from ._recipe import in_full
from ._seeds import Purpose, seed_keys


class AbstractLifeMeasure(AbstractMeasure):
    """A measure of an agent's life on one environment. Its `steps` are the trials, or the like."""

    percent = False

    @abc.abstractmethod
    def of_life(self, env: AbstractEnv, life: Life) -> Float[Array, "steps"]:
        """The value of each trial, or one value of the whole life."""

    def living(self, agent: AbstractAgent) -> AbstractAgent:
        """The agent whose life is measured: the agent itself, or what is made of it, such as a
        policy that explores no more."""
        return agent

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
    (`NothingLearnt(Rule(agent))`). Agents adapt by themselves, and the axis of steps is that of the
    trials; or an adapter of policies, such as `PolicyDescent`, adapts them to each environment, and
    the axis is that of its steps, each with the mean over the trials of a life. The measure says
    which steps count when candidates are chosen (`AbstractLifeMeasure.for_choice`).

    **Arguments:**

    - `envs`: the distribution over environments, as it is trained on.
    - `measure`: of each life.
    - `seeds`: repetitions with a new initial agent; all live in the same environments.
    - `validation_tasks`, `test_tasks`: environments to choose settings on, and to score on.
    - `length`: steps of a life at most; default: enough for all trials.
    - `repeats`: lives in each environment, of which the mean is scored.
    - `at_once`: environments that are lived in at once, where all would take too much memory.

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
    repeats: int = 1
    at_once: int | None = None
    shots: ClassVar[tuple[int | None, ...]] = (None,)
    tasks: ClassVar[str] = "new"

    def __check_init__(self):
        check_positive(
            "Lives",
            seeds=self.seeds,
            validation_tasks=self.validation_tasks,
            test_tasks=self.test_tasks,
            repeats=self.repeats,
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
        envs = _drawn(view(self.envs), number, split, key)
        return envs, seed_keys(key, purpose, self.seeds)

    def answers(
        self,
        adapters: AbstractAdapter | AbstractPolicyAdapter | None,
        models: Model,
        asked: Any,
        shots: int | None,
    ) -> np.ndarray:
        del shots
        policies = isinstance(adapters, AbstractPolicyAdapter)
        return np.asarray(_measured(self, adapters if policies else None, models, *asked))

    def mean_of(self, models: Model, *, key: Key[Array, ""]) -> Float[np.ndarray, "seeds steps"]:
        """The value of agents over all test environments, such as `ByGradient.score` of a training.

        **Arguments:** `models`: agents as they are, one for each seed on a leading axis.
        """
        asked = self.ask(Split.TEST, in_full, key)
        return self.measure.overall(self.answers(None, models, asked, None), asked)

    def lives(self, models: Model, *, key: Key[Array, ""]) -> tuple[Any, Life]:
        """The test environments, and the lives in them that `mean_of` is the value of, "seeds tasks
        steps"; for figures."""
        envs, keys = self.ask(Split.TEST, in_full, key)
        return envs, _lived(models, envs, keys, self.length)

    def for_choice(
        self, scores: Float[np.ndarray, "seeds candidates steps"]
    ) -> Float[np.ndarray, "seeds candidates steps"]:
        last = np.arange(scores.shape[2]) == scores.shape[2] - 1
        return np.where(last, self.measure.for_choice(scores)[..., None], -np.inf)


@eqx.filter_jit
def _drawn(envs: AbstractEnvs, number: int, split: Split, key: Key[Array, ""]) -> AbstractEnv:
    return envs.draw(number, split, key=key)


@eqx.filter_jit
def _measured(
    question: Lives,
    adapters: AbstractPolicyAdapter | None,
    agents: AbstractAgent,
    envs: AbstractEnv,
    keys: Key[Array, "seeds"],
) -> Float[Array, "seeds tasks steps"]:
    measure, length, number = question.measure, question.length, _count(envs)

    def of_env(adapter: Any, agent: AbstractAgent, env: AbstractEnv, key: Array) -> Array:
        def one(agent: AbstractAgent, key: Key[Array, ""]) -> Array:
            return measure.of_life(env, live(measure.living(agent), env, key=key, steps=length))

        def lived(agent: AbstractAgent, key: Key[Array, ""]) -> Array:
            if question.repeats == 1:
                return one(agent, key)
            keys = jr.split(key, question.repeats)
            return jax.vmap(lambda k: one(agent, k))(keys).mean(axis=0)

        if adapter is None:
            return lived(agent, key)
        return adapter.course(agent, env, lambda agent, k: lived(agent, k).mean(), key=key)

    def of_seed(adapter: Any, agent: AbstractAgent, key: Key[Array, ""]) -> Array:
        each = (envs, jr.split(key, number))
        if question.at_once is None or question.at_once >= number:
            return jax.vmap(lambda env, k: of_env(adapter, agent, env, k))(*each)
        return jax.lax.map(
            lambda both: of_env(adapter, agent, *both), each, batch_size=question.at_once
        )

    array = eqx.if_array(0)
    return eqx.filter_vmap(of_seed, in_axes=(array, array, 0))(adapters, agents, keys)


@eqx.filter_jit
def _lived(
    agents: AbstractAgent, envs: AbstractEnv, keys: Key[Array, "seeds"], length: int | None
) -> Life:
    """The lives of agents, "seeds tasks steps"."""

    def of_seed(agent: AbstractAgent, key: Key[Array, ""]) -> Life:
        each = (envs, jr.split(key, _count(envs)))
        return jax.vmap(lambda env, k: live(agent, env, key=k, steps=length))(*each)

    return eqx.filter_vmap(of_seed, in_axes=(eqx.if_array(0), 0))(agents, keys)


def _count(envs: AbstractEnv) -> int:
    return jax.tree.leaves(eqx.filter(envs, eqx.is_array))[0].shape[0]
