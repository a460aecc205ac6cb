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
    """MAML for policies: learns a policy from which a few steps of policy gradient on a new task
    lead far.

    The policy adapts to each task and lives through it once more; the policy gradient there is
    propagated back through the steps of adaptation, including second derivatives (see
    `PolicyDescent`). With `steps=0` this is the plain policy gradient averaged over tasks, which
    pretrains a policy for transfer.

    The gradient increases the return after steps along the mean gradient. The estimate is unbiased
    for many episodes; with few, the steps themselves are random, and the policy gets no credit for
    choosing the episodes that it learns from (as it does in Stadie et al. 2018, *E-MAML*).

    MAML made the outer update by trust-region optimisation (TRPO); here it is one step of the
    optimiser that `train` is given, on new episodes each time. MAML's code used the usual
    surrogate, whose second derivatives are not those of the policy gradient.

    Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep
    Networks*, algorithm 3.

    **Arguments:**

    - `adapter`: how a task is learnt. With `Unroll.FIRST_ORDER`, the gradient at the adapted policy
      replaces the true one.

    `tasks` of a gradient are environments. The metrics `reward_before` and `reward` are the mean
    returns before and after adaptation, and `loss` is minus the latter.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks, options = ls.envs.Harlow(), {"steps": 2, "tasks_per_step": 3, "key": jr.key(2)}
    >>> problem = tasks.sample(ls.Split.TRAIN, key=jr.key(0))
    >>> agent = ls.rl.ReactiveAgent(problem, width=16, key=jr.key(1))
    >>> method = ls.rl.MAMLPolicy(ls.rl.PolicyDescent(horizon=12, episodes=10))
    >>> run = ls.train(method, agent, tasks, optax.adam(1e-3), **options)
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
        metrics = {"loss": -returns[-1], "reward": returns[-1], "reward_before": returns[0]}
        return grads, state, metrics
