"""An agent whose memory is a recurrent network: RL²."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import InputError
from ..envs import AbstractAgent, AbstractEnv, Continuous, Discrete, Percept
from ._action import Choice, Gaussian


class RecurrentAgent(AbstractAgent):
    """A recurrent network that senses what its last action led to, and whose memory lives from trial to trial of a task.
    Trained on many tasks by a policy gradient (`A2C`, `PPO`), its activity comes to be a learning algorithm of its own:
    RL². Weights do not change while it learns a task.

    Each step it takes in the observation, the last action, the last reward, their product (which spares the network to
    learn to multiply), whether the last trial is over and for which
    reason, and whether a new one begins.

    The critic, which only training needs, may see what the environment hides (`AbstractEnv.secret`): an asymmetric
    actor-critic (Pinto et al. 2018). Nothing of it reaches the actor. To guess what is hidden is what memory is for, and a
    task by which training can be helped (Humplik et al. 2019, *Meta reinforcement learning as task inference*).

    Source: Duan et al. 2016, *RL²: Fast Reinforcement Learning via Slow Reinforcement Learning*; Wang et al. 2016,
    *Learning to reinforcement learn*.

    **Arguments:**

    - `env`: an environment (or many) of the kind that it will act in.
    - `width`: units of the recurrent layer; `lstm`: of Hochreiter & Schmidhuber's kind, and not gated units (Cho et al.).
    - `critic_shapes_memory`: whether the critic's errors teach the memory too. It helps where rewards are rare, and drowns
      what the policy teaches where they are frequent and noisy, as in bandits.
    - `senses_reward`, `senses_action`, `keeps_memory`: ablations. Without the last, memory is emptied before each trial.

    >>> import jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> agent = ls.rl.RecurrentAgent(problem, width=32, key=jr.key(1))
    >>> ls.envs.live(agent, problem, key=jr.key(2)).reward.shape
    (12,)
    """

    cell: eqx.nn.GRUCell | eqx.nn.LSTMCell
    actor: eqx.nn.Linear
    critic: eqx.nn.MLP
    guesser: eqx.nn.Linear
    spread: (
        Float[Array, "action"] | None
    )  # logarithm of the standard deviation of continuous actions
    actions: Discrete | Continuous
    senses_reward: bool
    senses_action: bool
    keeps_memory: bool
    critic_shapes_memory: bool

    def __init__(
        self,
        env: AbstractEnv,
        *,
        width: int = 128,
        lstm: bool = False,
        senses_reward: bool = True,
        senses_action: bool = True,
        keeps_memory: bool = True,
        critic_shapes_memory: bool = False,
        key: Key[Array, ""],
    ):
        if width < 1:
            raise InputError(f"RecurrentAgent: `width={width}`, but there must be at least 1 unit.")
        cell_key, actor_key, critic_key, guess_key = jr.split(key, 4)
        self.actions = env.actions
        seen, hidden = sizes(env)
        inputs = seen + 2 * self.actions.size + 4
        self.cell = (eqx.nn.LSTMCell if lstm else eqx.nn.GRUCell)(inputs, width, key=cell_key)
        actor = eqx.nn.Linear(width, self.actions.size, key=actor_key)
        # Small, so that the first policy tries everything.
        self.actor = jax.tree.map(lambda leaf: leaf * 0.01, actor)
        self.critic = eqx.nn.MLP(width + hidden, "scalar", 64, 1, key=critic_key)
        self.guesser = eqx.nn.Linear(width, hidden, key=guess_key)
        self.spread = (
            jnp.full(self.actions.size, math.log(0.5))
            if isinstance(self.actions, Continuous)
            else None
        )
        self.senses_reward, self.senses_action, self.keeps_memory = (
            senses_reward,
            senses_action,
            keeps_memory,
        )
        self.critic_shapes_memory = critic_shapes_memory

    def begin(self) -> Any:
        zero = jnp.zeros(self.cell.hidden_size)
        return (zero, zero) if isinstance(self.cell, eqx.nn.LSTMCell) else zero

    def hear(self, memory: Any, percept: Percept) -> tuple[Any, Float[Array, "width"]]:
        """Memory after a percept, and the activity that actor and critic read."""
        if not self.keeps_memory:
            memory = jax.tree.map(lambda m: jnp.where(percept.first, jnp.zeros_like(m), m), memory)
        memory = self.cell(self._inputs(percept), memory)
        return memory, memory[0] if isinstance(memory, tuple) else memory

    def policy(self, activity: Float[Array, "width"]) -> Choice | Gaussian:
        """The distribution over actions."""
        return policy_of(self.actions, self.actor(activity), self.spread)

    def value(
        self, activity: Float[Array, "width"], secret: Float[Array, "secret"]
    ) -> Float[Array, ""]:
        """Discounted reward to come."""
        read = activity if self.critic_shapes_memory else jax.lax.stop_gradient(activity)
        return self.critic(jnp.concatenate([read, secret]))

    def guess(self, activity: Float[Array, "width"]) -> Float[Array, "secret"]:
        """What it takes for hidden."""
        return self.guesser(activity)

    def act(self, memory: Any, percept: Percept, *, key: Key[Array, ""]) -> tuple[Array, Any]:
        memory, activity = self.hear(memory, percept)
        return self.policy(activity).sample(key=key), memory

    def _inputs(self, percept: Percept) -> Float[Array, "inputs"]:
        told = percept.feedback
        if isinstance(self.actions, Discrete):
            acted = jax.nn.one_hot(percept.action, self.actions.size)
        else:
            acted = percept.action / self.actions.limit
        acted = jnp.where(percept.first | (not self.senses_action), jnp.zeros_like(acted), acted)
        reward = told.reward * float(self.senses_reward)
        flags = jnp.stack([told.terminated, told.truncated, percept.first]).astype(reward.dtype)
        return jnp.concatenate([percept.observation, acted, acted * reward, reward[None], flags])


def sizes(env: AbstractEnv) -> tuple[int, int]:
    """Lengths of an observation and of what the environment hides."""

    def look(env: AbstractEnv) -> tuple[Array, Array]:
        state = env.reset(0, key=jr.key(0))
        return env.observe(state), env.secret(state)

    seen, hidden = eqx.filter_eval_shape(look, env)
    return seen.shape[0], hidden.shape[0]


def policy_of(
    actions: Discrete | Continuous, raw: Float[Array, "size"], spread: Float[Array, "size"] | None
) -> Choice | Gaussian:
    """The distribution that a network's outputs stand for."""
    return (
        Choice(raw)
        if spread is None or isinstance(actions, Discrete)
        else Gaussian(raw, spread, actions.limit)
    )
