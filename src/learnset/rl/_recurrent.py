"""An agent whose memory is a recurrent network: RL²."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..core import InputError
from ..envs import AbstractAgent, AbstractEnv, Continuous, Discrete, Percept
from ._action import Choice, Gaussian


class RecurrentAgent(AbstractAgent):
    """The RL² agent: a recurrent network that senses the feedback of its last action, and whose
    memory persists from trial to trial of a task.

    Trained on many tasks by a policy gradient (`A2C`, `PPO`), its activity becomes a learning
    algorithm of its own. Weights do not change while it learns a task.

    The input of each step is the observation, the last action, the last reward, their product (so
    that the network need not learn to multiply), whether the last trial was terminated or
    truncated, and whether a new one begins.

    The critic, which only training needs, may see what the environment hides
    (`AbstractEnv.secret`): an asymmetric actor-critic (Pinto et al. 2018). None of it reaches the
    actor. Guessing what is hidden is the purpose of memory, and a task that can help training
    (Humplik et al. 2019, *Meta reinforcement learning as task inference*).

    Source: Duan et al. 2016, *RL²: Fast Reinforcement Learning via Slow Reinforcement Learning*;
    Wang et al. 2016, *Learning to reinforcement learn*.

    **Arguments:**

    - `env`: an environment (or many) of the kind that it will act in.
    - `width`: units of the recurrent layer; `lstm`: whether they are those of Hochreiter &
      Schmidhuber (default: gated recurrent units, Cho et al.).
    - `critic_shapes_memory`: whether the errors of the critic also train the memory. It helps where
      rewards are rare, and hides the signal of the policy where they are frequent and noisy, as in
      bandits.
    - `encoder`: makes a shorter vector of an observation, such as features of pictures, which the
      recurrent layer receives instead; it is trained with the agent. Default: none.
    - `senses_reward`, `senses_action`, `keeps_memory`: ablations. Without the last, memory is
      emptied before each trial.

    >>> import jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> agent = ls.rl.RecurrentAgent(problem, width=32, key=jr.key(1))
    >>> ls.envs.live(agent, problem, key=jr.key(2)).reward.shape
    (12,)
    """

    encoder: Callable[[Array], Array] | None
    cell: eqx.nn.GRUCell | eqx.nn.LSTMCell
    actor: eqx.nn.Linear
    critic: eqx.nn.MLP
    guesser: eqx.nn.Linear
    spread: Float[Array, "action"] | None  # log standard deviation of continuous actions
    actions: Discrete | Continuous
    # Ablations are arrays where agents of several kinds share a compiled program.
    senses_reward: bool | Bool[Array, ""]
    senses_action: bool | Bool[Array, ""]
    keeps_memory: bool | Bool[Array, ""]
    critic_shapes_memory: bool

    def __init__(
        self,
        env: AbstractEnv,
        *,
        width: int = 128,
        lstm: bool = False,
        encoder: Callable[[Array], Array] | None = None,
        senses_reward: bool = True,
        senses_action: bool = True,
        keeps_memory: bool = True,
        critic_shapes_memory: bool = False,
        key: Key[Array, ""],
    ):
        if width < 1:
            raise InputError(f"RecurrentAgent: `width={width}`, but it must be at least 1.")
        cell_key, actor_key, critic_key, guess_key = jr.split(key, 4)
        self.actions = env.actions
        self.encoder = encoder
        observed, hidden = sizes(env, encoder)
        inputs = observed + 2 * self.actions.size + 4
        self.cell = (eqx.nn.LSTMCell if lstm else eqx.nn.GRUCell)(inputs, width, key=cell_key)
        actor = eqx.nn.Linear(width, self.actions.size, key=actor_key)
        # Small, so that the first policy tries all actions.
        self.actor = jax.tree.map(lambda leaf: leaf * 0.01, actor)
        self.critic = eqx.nn.MLP(width + hidden, "scalar", 64, 1, key=critic_key)
        self.guesser = eqx.nn.Linear(width, hidden, key=guess_key)
        continuous = isinstance(self.actions, Continuous)
        self.spread = jnp.full(self.actions.size, math.log(0.5)) if continuous else None
        self.senses_reward, self.senses_action = senses_reward, senses_action
        self.keeps_memory, self.critic_shapes_memory = keeps_memory, critic_shapes_memory

    def begin(self) -> Any:
        zero = jnp.zeros(self.cell.hidden_size)
        return (zero, zero) if isinstance(self.cell, eqx.nn.LSTMCell) else zero

    def hear(self, memory: Any, percept: Percept) -> tuple[Any, Float[Array, "width"]]:
        """The memory after a percept, and the activity that actor and critic read."""
        if self.keeps_memory is not True:
            forgets = percept.first & jnp.logical_not(self.keeps_memory)
            memory = jax.tree.map(lambda m: jnp.where(forgets, jnp.zeros_like(m), m), memory)
        memory = self.cell(self._inputs(percept), memory)
        return memory, memory[0] if isinstance(memory, tuple) else memory

    def policy(self, activity: Float[Array, "width"]) -> Choice | Gaussian:
        """The distribution over actions."""
        return policy_of(self.actions, self.actor(activity), self.spread)

    def value(
        self, activity: Float[Array, "width"], secret: Float[Array, "secret"]
    ) -> Float[Array, ""]:
        """The expected discounted sum of future rewards."""
        read = activity if self.critic_shapes_memory else jax.lax.stop_gradient(activity)
        return self.critic(jnp.concatenate([read, secret]))

    def guess(self, activity: Float[Array, "width"]) -> Float[Array, "secret"]:
        """The guess of what is hidden."""
        return self.guesser(activity)

    def act(self, memory: Any, percept: Percept, *, key: Key[Array, ""]) -> tuple[Array, Any]:
        memory, activity = self.hear(memory, percept)
        return self.policy(activity).sample(key=key), memory

    def _inputs(self, percept: Percept) -> Float[Array, "inputs"]:
        if isinstance(self.actions, Discrete):
            action = jax.nn.one_hot(percept.action, self.actions.size)
        else:
            action = percept.action / self.actions.limit
        unsensed = percept.first | jnp.logical_not(self.senses_action)
        action = jnp.where(unsensed, jnp.zeros_like(action), action)
        feedback = percept.feedback
        reward = feedback.reward * jnp.asarray(self.senses_reward, feedback.reward.dtype)
        flags = jnp.stack([feedback.terminated, feedback.truncated, percept.first])
        seen = percept.observation if self.encoder is None else self.encoder(percept.observation)
        parts = [seen, action, action * reward, reward[None]]
        return jnp.concatenate([*parts, flags.astype(reward.dtype)])


def sizes(env: AbstractEnv, encoder: Callable[[Array], Array] | None = None) -> tuple[int, int]:
    """The lengths of an observation, once encoded, and of the hidden part of the state."""

    def vectors(env: AbstractEnv) -> tuple[Array, Array]:
        state = env.reset(0, key=jr.key(0))
        observed = env.observe(state)
        return observed if encoder is None else encoder(observed), env.secret(state)

    observed, hidden = eqx.filter_eval_shape(vectors, env)
    return observed.shape[0], hidden.shape[0]


def policy_of(
    actions: Discrete | Continuous, raw: Float[Array, "size"], spread: Float[Array, "size"] | None
) -> Choice | Gaussian:
    """The distribution that the outputs of a network define."""
    if spread is None or isinstance(actions, Discrete):
        return Choice(raw)
    return Gaussian(raw, spread, actions.limit)
