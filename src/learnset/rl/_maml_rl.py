"""Model-agnostic meta-learning of policies."""

from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from ..core import AbstractMethod, Metrics, Model, State
from ..envs import AbstractEnv
from ._policy_descent import PolicyDescent


class MAMLPolicy(AbstractMethod):
    """Learns a policy from which few steps of policy gradient on a new task go far.

    Each task is adapted to, and lived through once more; the policy gradient there is followed back through the steps of
    adaptation, second derivatives included (see `PolicyDescent`, which says what they are). With `steps=0` this is
    the plain policy gradient averaged over tasks, which pretrains a policy for transfer.

    What is gone up is the return after steps along the mean gradient. The estimate is right on average for many
    episodes; with few, the steps themselves are random, and that the policy can choose which episodes it learns from
    is not credited (Stadie et al. 2018, *E-MAML*, do).

    MAML made the outer update by trust-region optimisation (TRPO); here it is one step of whichever optimiser `train` is
    given, on new episodes each time. MAML's code took the usual surrogate, whose second derivatives are not the policy
    gradient's.

    Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, algorithm 3.

    **Arguments:**

    - `adapter`: how a task is learnt. With `Unroll.FIRST_ORDER` the gradient at the adapted policy stands for the true
      one.

    `tasks` of a gradient are environments. The metrics `reward_before` and `reward` are mean returns before adaptation
    and after it, and `loss` is minus the latter.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.envs.Harlow()
    >>> agent = ls.rl.ReactiveAgent(tasks.sample(ls.Split.TRAIN, key=jr.key(0)), width=16, key=jr.key(1))
    >>> method = ls.rl.MAMLPolicy(ls.rl.PolicyDescent(horizon=12, episodes=10))
    >>> run = ls.train(method, agent, tasks, optax.adam(1e-3), steps=2, tasks_per_step=3, key=jr.key(2))
    >>> sorted(run.metrics)
    ['loss', 'reward', 'reward_before']
    """

    adapter: PolicyDescent

    def gradient(
        self, model: Model, tasks: AbstractEnv, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        number = jax.tree.leaves(eqx.filter(tasks, eqx.is_array))[0].shape[0]

        @eqx.filter_grad(has_aux=True)
        def objective(model: Model) -> tuple[Float[Array, ""], Float[Array, "steps"]]:
            def of_one(env: AbstractEnv, key: Key[Array, ""]) -> tuple[Any, Any]:
                agent, lived = self.adapter.descend(model, env, key=key)
                loss = self.adapter.loss(agent, jax.tree.map(lambda leaf: leaf[-1], lived))
                return loss, lived.reward.sum(axis=1).mean(axis=-1)

            losses, returns = jax.vmap(of_one)(tasks, jr.split(key, number))
            return losses.mean(), returns.mean(axis=0)

        grads, returns = objective(model)
        return (
            grads,
            state,
            {"loss": -returns[-1], "reward": returns[-1], "reward_before": returns[0]},
        )
