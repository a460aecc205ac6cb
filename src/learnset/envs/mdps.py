"""Small Markov decision processes with random transitions and rewards."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import check_not_negative, InputError, Split
from ._base import AbstractEnv, AbstractEnvs, Discrete, Feedback, feedback


class Visit(eqx.Module):
    """The state of a trial."""

    state: Int[Array, ""]
    steps: Int[Array, ""]


class TabularMDP(AbstractEnv):
    """A Markov decision process with numbered states. A trial is one episode of `trial_steps` steps
    from state 0; the last step terminates it, because the length is part of the problem.

    An observation is the state as a one-hot vector.

    **Arguments:**

    - `transitions`: the probability of each next state.
    - `rewards`: the mean of the reward.
    - `noise`: the standard deviation of the reward.
    - `trials`: the number of episodes in the same process.

    >>> import jax.numpy as jnp, jax.random as jr
    >>> from learnset.envs.mdps import TabularMDP
    >>> turn = jnp.array([[[0.0, 1.0]], [[1.0, 0.0]]])  # two states, one action
    >>> mdp = TabularMDP(turn, jnp.array([[2.0], [0.0]]), noise=0.0)
    >>> state, feedback = mdp.step(mdp.reset(0, key=jr.key(0)), jnp.array(0), key=jr.key(1))
    >>> int(state.state), float(feedback.reward)
    (1, 2.0)
    """

    transitions: Float[Array, "states actions states"]
    rewards: Float[Array, "states actions"]
    noise: float = eqx.field(static=True, default=1.0)
    trials: int = eqx.field(static=True, default=10)
    trial_steps: int = eqx.field(static=True, default=10)

    @property
    def actions(self) -> Discrete:
        return Discrete(self.rewards.shape[-1])

    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> Visit:
        del trial, key
        return Visit(jnp.asarray(0), jnp.asarray(0))

    def step(self, state: Visit, action: Array, *, key: Key[Array, ""]) -> tuple[Visit, Feedback]:
        next_key, noise_key = jr.split(key)
        reward = self.rewards[state.state, action] + self.noise * jr.normal(noise_key)
        # The first state at which the summed probabilities exceed a random number; the last one if
        # rounding keeps the sum below it.
        passed = jnp.cumsum(self.transitions[state.state, action])[:-1] <= jr.uniform(next_key)
        state = Visit(passed.astype(int).sum(), state.steps + 1)
        return state, feedback(reward, state.steps >= self.trial_steps, False)

    def observe(self, state: Visit) -> Float[Array, "observation"]:
        return (jnp.arange(self.rewards.shape[-2]) == state.state).astype(self.rewards.dtype)


class TabularMDPs(AbstractEnvs):
    """Random Markov decision processes: transition probabilities from a flat Dirichlet
    distribution, mean rewards from a normal one with mean 1 and standard deviation 1, and normal
    rewards around them with standard deviation 1.

    Known value: random actions give 1 per step on average.

    Source: Duan et al. 2016, *RL²*, §3.2; after Osband & Van Roy 2016.

    **Arguments:**

    - `trials`: the number of episodes in the same process.
    - `trial_steps`: the steps of an episode.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.mdps import TabularMDPs
    >>> TabularMDPs(trials=25).draw(3, ls.Split.TEST, key=jr.key(0)).transitions.shape
    (3, 10, 5, 10)
    """

    states: int = eqx.field(static=True, default=10)
    actions: int = eqx.field(static=True, default=5)
    noise: float = eqx.field(static=True, default=1.0)  # standard deviation of a reward
    trials: int = eqx.field(static=True, default=10)
    trial_steps: int = eqx.field(static=True, default=10)

    def __check_init__(self):
        check_not_negative("TabularMDPs", noise=self.noise)
        for name in ("states", "actions", "trials", "trial_steps"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"TabularMDPs: `{name}={getattr(self, name)}`, but it must be at least 1."
                )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> TabularMDP:
        transition_key, reward_key = jr.split(split.fold(key))
        weights = jr.exponential(transition_key, (self.states, self.actions, self.states))
        rewards = 1 + jr.normal(reward_key, (self.states, self.actions))
        transitions = weights / weights.sum(axis=-1, keepdims=True)  # a flat Dirichlet distribution
        return TabularMDP(transitions, rewards, self.noise, self.trials, self.trial_steps)
