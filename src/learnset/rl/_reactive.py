"""An agent without memory, whose actions depend on its present observation only."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import check_positive, InputError
from ..envs import AbstractAgent, AbstractEnv, Continuous, Discrete, Percept
from ..models import MLP
from ._action import Choice, Gaussian
from ._recurrent import policy_of, sizes


class ReactiveAgent(AbstractAgent):
    """A reactive agent: a policy network on the observation. It senses neither its actions nor its
    rewards and has no memory, so that only its weights can learn a new task (`PolicyDescent`).

    It is trained by the same methods as `RecurrentAgent` (`A2C`, `PPO`), and by `MAMLPolicy`, which
    does not use its critic.

    Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning*, §5.3: two layers of 100
    rectified units; their code draws weights as in Glorot & Bengio (2010), and begins with a
    standard deviation of 1.

    **Arguments:**

    - `env`: an environment of the kind that it will act in.
    - `width`, `depth`: of the hidden layers of the network.
    - `spread`: the initial standard deviation of continuous actions, in units of the limit at which
      they are clipped.

    >>> import jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> agent = ls.rl.ReactiveAgent(problem, key=jr.key(1))
    >>> ls.envs.live(agent, problem, key=jr.key(2)).reward.shape
    (12,)
    """

    actor: MLP
    critic: eqx.nn.MLP
    guesser: eqx.nn.Linear
    spread: Float[Array, "action"] | None  # log standard deviation of continuous actions
    actions: Discrete | Continuous

    def __init__(
        self,
        env: AbstractEnv,
        *,
        width: int = 100,
        depth: int = 2,
        spread: float = 1.0,
        key: Key[Array, ""],
    ):
        if width < 1 or depth < 1:
            raise InputError(
                f"ReactiveAgent: `width={width}`, `depth={depth}`, but both must be at least 1."
            )
        check_positive("ReactiveAgent", spread=spread)
        actor_key, critic_key, guess_key = jr.split(key, 3)
        self.actions = env.actions
        observed, hidden = sizes(env)
        options = {"width": width, "depth": depth, "key": actor_key}
        glorot = jax.nn.initializers.glorot_uniform()
        self.actor = MLP(observed, self.actions.size, initialiser=glorot, **options)
        self.critic = eqx.nn.MLP(observed + hidden, "scalar", 64, 1, key=critic_key)
        self.guesser = eqx.nn.Linear(observed, hidden, key=guess_key)
        continuous = isinstance(self.actions, Continuous)
        self.spread = jnp.full(self.actions.size, math.log(spread)) if continuous else None

    def begin(self) -> None:
        return None

    def hear(self, memory: None, percept: Percept) -> tuple[None, Float[Array, "observation"]]:
        """No memory, and the observation, which actor and critic read."""
        return memory, percept.observation

    def policy(self, activity: Float[Array, "observation"]) -> Choice | Gaussian:
        """The distribution over actions."""
        return policy_of(self.actions, self.actor(activity), self.spread)

    def value(
        self, activity: Float[Array, "observation"], secret: Float[Array, "secret"]
    ) -> Float[Array, ""]:
        """The expected discounted sum of future rewards."""
        return self.critic(jnp.concatenate([activity, secret]))

    def guess(self, activity: Float[Array, "observation"]) -> Float[Array, "secret"]:
        """The guess of what is hidden."""
        return self.guesser(activity)

    def act(self, memory: None, percept: Percept, *, key: Key[Array, ""]) -> tuple[Array, None]:
        return self.policy(percept.observation).sample(key=key), memory
