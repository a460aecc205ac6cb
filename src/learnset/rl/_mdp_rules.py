"""Rules for small decision processes: planning with models of transitions and rewards, drawn from
what is known of them."""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import InputError
from ..envs import AbstractAgent, Percept
from ._bandit_rules import check_epsilon, draw_gamma

if TYPE_CHECKING:
    from typing import (
        ClassVar as AbstractVar,  # type checkers take an AbstractVar for the first argument
    )
else:
    from equinox import AbstractVar

Transitions = Float[Array, "models states actions states"]
Rewards = Float[Array, "models states actions"]


def value_iteration(
    transitions: Transitions, rewards: Rewards, horizon: int
) -> tuple[Int[Array, "horizon states"], Float[Array, "horizon states"]]:
    """The optimal policy for `horizon` steps, by value iteration. Of several models, the most
    promising one counts for each state and action.

    **Returns:** the action, and the expected reward from there on, for each step and state.

    Here the second action is swapped in as long as it is useful:

    >>> import jax.numpy as jnp
    >>> from learnset.rl._mdp_rules import value_iteration
    >>> transitions = jnp.stack([jnp.eye(2), 1 - jnp.eye(2)], 1)[None]  # stay, or swap
    >>> policy, values = value_iteration(transitions, jnp.array([[[0.0, 0], [1, 1]]]), horizon=3)
    >>> policy[:, 0].tolist(), values[:, 0].tolist()
    ([1, 1, 0], [2.0, 1.0, 0.0])
    """

    def back(later: Float[Array, "states"], _: None) -> tuple[Array, tuple[Array, Array]]:
        promise = (rewards + transitions @ later).max(axis=0)
        best = promise.max(axis=-1)
        return best, (promise.argmax(axis=-1), best)

    return jax.lax.scan(back, jnp.zeros(rewards.shape[1]), None, length=horizon, reverse=True)[1]


class Belief(eqx.Module):
    """The belief about a decision process: the count of each transition, and the sum of its
    rewards.

    A priori, transition probabilities have a flat Dirichlet distribution, and mean rewards a normal
    one around `prior_mean` with standard deviation 1; rewards are normal around their means with
    standard deviation 1.
    """

    seen: Float[Array, "states actions states"]
    rewarded: Float[Array, "states actions"]
    prior_mean: float = eqx.field(static=True)

    @property
    def weight(self) -> Float[Array, "states actions"]:
        """One over the variance of the mean reward."""
        return 1 + self.seen.sum(axis=-1)

    @property
    def mean_reward(self) -> Float[Array, "states actions"]:
        return (self.prior_mean + self.rewarded) / self.weight

    @property
    def mean_transitions(self) -> Float[Array, "states actions states"]:
        return _shares(1 + self.seen)

    def draw(self, *, key: Key[Array, ""]) -> tuple[Array, Array]:
        """Transitions and rewards drawn from the posterior."""
        transition_key, reward_key = jr.split(key)
        noise = jr.normal(reward_key, self.rewarded.shape) / jnp.sqrt(self.weight)
        transitions = _shares(draw_gamma(1 + self.seen, key=transition_key))
        return transitions, self.mean_reward + noise


def _shares(weights: Float[Array, "*dims n"]) -> Float[Array, "*dims n"]:
    return weights / weights.sum(axis=-1, keepdims=True)


class Planned(eqx.Module):
    """The memory of a planning rule."""

    belief: Belief
    policy: Int[Array, "horizon states"]
    state: Int[Array, ""]  # the last one
    clock: Int[Array, ""]  # steps since the episode began


class AbstractPlanner(AbstractAgent):
    """A rule that plans with possible models until the end of the episode. A rule defines which
    models it plans with, and how often.

    Your own rules are subclasses with `models` and these fields.
    """

    states: AbstractVar[int]
    actions: AbstractVar[int]
    horizon: AbstractVar[int]  # steps of an episode: the environment's `trial_steps`
    prior_mean: AbstractVar[float]  # of a mean reward; `TabularMDPs` draws them around 1
    at_every_step: AbstractVar[bool]  # plans at every step, or only when an episode begins

    @abc.abstractmethod
    def models(self, belief: Belief, *, key: Key[Array, ""]) -> tuple[Transitions, Rewards]:
        """The models to plan with, one or more."""

    def begin(self) -> Planned:
        size = (self.states, self.actions)
        belief = Belief(jnp.zeros((*size, self.states)), jnp.zeros(size), self.prior_mean)
        policy = jnp.zeros((self.horizon, self.states), int)
        return Planned(belief, policy, jnp.asarray(0), jnp.asarray(0))

    def act(
        self, memory: Planned, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], Planned]:
        state = jnp.argmax(percept.observation)
        belief = _learn(memory, percept, state)

        def plan() -> Int[Array, "horizon states"]:
            return value_iteration(*self.models(belief, key=key), self.horizon)[0]

        if self.at_every_step:
            policy = plan()
        else:
            # By its own clock, which `jax.vmap` does not batch: nothing is planned in between.
            policy = jax.lax.cond(memory.clock == 0, plan, lambda: memory.policy)
        action = policy[jnp.minimum(memory.clock, self.horizon - 1), state]
        return action, Planned(belief, policy, state, (memory.clock + 1) % (self.horizon + 1))


def _learn(memory: Planned, percept: Percept, state: Int[Array, ""]) -> Belief:
    """The belief after the last step, if there was one: at the beginning of an episode there is
    none."""
    belief, counts = memory.belief, (~percept.first).astype(percept.observation.dtype)
    reward = counts * percept.feedback.reward
    seen = belief.seen.at[memory.state, percept.action, state].add(counts)
    rewarded = belief.rewarded.at[memory.state, percept.action].add(reward)
    return Belief(seen, rewarded, belief.prior_mean)


class PosteriorSampling(AbstractPlanner):
    """Posterior sampling (PSRL): the optimal policy for a process that is drawn from the posterior
    for each episode.

    Source: Strens 2000, *A Bayesian framework for reinforcement learning*; Osband, Russo & Van Roy
    2013, *(More) efficient reinforcement learning via posterior sampling*.

    >>> import equinox as eqx, jax.random as jr, learnset as ls
    >>> from learnset.envs.mdps import TabularMDPs
    >>> from learnset.rl import PosteriorSampling
    >>> mdp = TabularMDPs(trials=3).sample(ls.Split.TEST, key=jr.key(0))
    >>> rule = PosteriorSampling(states=10, actions=5, horizon=10)
    >>> int(eqx.filter_jit(ls.envs.live)(rule, mdp, key=jr.key(1)).counts.sum())
    30
    """

    states: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    prior_mean: float = eqx.field(static=True, default=1.0)

    @property
    def at_every_step(self) -> bool:
        return False

    def models(self, belief: Belief, *, key: Key[Array, ""]) -> tuple[Transitions, Rewards]:
        transitions, rewards = belief.draw(key=key)
        return transitions[None], rewards[None]


class OptimisticPosteriorSampling(AbstractPlanner):
    """Optimistic posterior sampling: several processes are drawn, and in planning the most
    promising one counts for each state and action.

    Source: Osband & Van Roy 2017, *Why is posterior sampling better than optimism for reinforcement
    learning?*
    """

    states: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    samples: int = eqx.field(static=True, default=5)
    prior_mean: float = eqx.field(static=True, default=1.0)

    @property
    def at_every_step(self) -> bool:
        return False

    def __check_init__(self):
        if self.samples < 1:
            raise InputError(
                f"OptimisticPosteriorSampling: `samples={self.samples}`, but it must be at least 1."
            )

    def models(self, belief: Belief, *, key: Key[Array, ""]) -> tuple[Transitions, Rewards]:
        return jax.vmap(lambda k: belief.draw(key=k))(jr.split(key, self.samples))


class EpsilonGreedyPlanner(AbstractPlanner):
    """Epsilon-greedy planning: the optimal policy for the mean of the posterior or, with
    probability `epsilon`, any action. It is greedy at 0."""

    states: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    epsilon: float | Float[Array, ""] = 0.0
    prior_mean: float = eqx.field(static=True, default=1.0)
    at_every_step: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        check_epsilon("EpsilonGreedyPlanner", self.epsilon)

    def models(self, belief: Belief, *, key: Key[Array, ""]) -> tuple[Transitions, Rewards]:
        del key
        return belief.mean_transitions[None], belief.mean_reward[None]

    def act(
        self, memory: Planned, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], Planned]:
        explore_key, action_key = jr.split(key)
        action, memory = super().act(memory, percept, key=key)
        explores = jr.bernoulli(explore_key, self.epsilon)
        return jnp.where(explores, jr.randint(action_key, (), 0, self.actions), action), memory
