"""Policy gradients with a critic, on many tasks at once: A2C and PPO."""

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    AbstractMethod,
    check_positive,
    InputError,
    Metrics,
    Model,
    sparing,
    State,
    trainable,
    updated,
)
from ..envs import AbstractEnv
from ._objective import mean, Objective
from ._rollout import replay, Rollout, rollout

if TYPE_CHECKING:
    from typing import (
        ClassVar as AbstractVar,  # type checkers take an AbstractVar for the first argument
    )
else:
    from equinox import AbstractVar


class AbstractActorCritic(AbstractMethod):
    """A method that lets an agent live through whole tasks, from their first trial on, and judges
    its actions by a critic. `tasks` of a gradient are environments."""

    horizon: AbstractVar[int]
    objective: AbstractVar[Objective]
    endless: AbstractVar[bool]

    def __check_init__(self):
        check_positive(type(self).__name__, horizon=self.horizon)

    def _rollout(self, model: Model, tasks: AbstractEnv, key: Key[Array, ""]) -> Rollout:
        return rollout(model, tasks, self.horizon, endless=self.endless, key=key)


def _metrics(loss: Array, lived: Rollout) -> Metrics:
    """`reward` is the sum of a task's rewards within the horizon."""
    return {
        "loss": loss,
        "reward": lived.reward.sum(axis=0).mean(),
        "entropy": mean(lived.entropy, lived.counts),
    }


class A2C(AbstractActorCritic):
    """A2C, advantage actor-critic: one gradient from each rollout.

    The network runs only once: the gradient is taken through the rollout itself.

    Source: Mnih et al. 2016, *Asynchronous Methods for Deep Reinforcement Learning*, §4, in its
    synchronous form; advantages of Schulman et al. 2016.

    **Arguments:**

    - `horizon`: the steps of each task.
    - `objective`: how advantages are estimated, and the weights of critic and entropy.
    - `endless`: whether a task whose trials are over begins again with the first trial, until the
      horizon (default: the rest of the horizon is idle).

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.envs.Harlow()
    >>> problem = tasks.sample(ls.Split.TRAIN, key=jr.key(0))
    >>> agent = ls.rl.RecurrentAgent(problem, width=16, key=jr.key(1))
    >>> method = ls.rl.A2C(12, ls.rl.Objective(discount=0.9))
    >>> run = ls.train(method, agent, tasks, optax.adam(1e-3), steps=2, key=jr.key(2))
    >>> sorted(run.metrics)
    ['entropy', 'loss', 'reward']
    """

    horizon: int = eqx.field(static=True)
    objective: Objective = Objective()
    endless: bool = eqx.field(static=True, default=False)

    def init(self, model: Model) -> Int[Array, ""]:
        del model
        return jnp.zeros((), int)

    def gradient(
        self, model: Model, tasks: AbstractEnv, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        @eqx.filter_value_and_grad(has_aux=True)
        def loss_of(model: Model) -> tuple[Array, Rollout]:
            lived = self._rollout(model, tasks, key)
            gained, returns = jax.lax.stop_gradient(self.objective.targets(lived))
            loss = -mean(gained * lived.log_prob, lived.counts)
            return loss + self.objective.costs(lived, returns, state), lived

        (loss, lived), grads = loss_of(model)
        return grads, state + 1, _metrics(loss, lived)


class PPO(AbstractActorCritic):
    """PPO, proximal policy optimisation: several updates from each rollout, none of which may move
    the policy far.

    The method makes the updates inside, with its own optimiser. The gradient that it returns is the
    difference between the old and the new parameters, so that `optax.sgd(1.0)` applies them.

    Source: Schulman et al. 2017, *Proximal Policy Optimization Algorithms*, eq. 7; whole tasks are
    replayed, as the recurrent form requires.

    **Arguments:** those of `A2C` (by default with `entropy=0.02`), and

    - `optimiser`: makes the updates.
    - `epochs`: the number of passes over each rollout; `parts`: the number of parts that its tasks
      are split into for each pass.
    - `clip`: the largest deviation of a probability ratio from one.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.envs.Harlow()
    >>> problem = tasks.sample(ls.Split.TRAIN, key=jr.key(0))
    >>> agent = ls.rl.RecurrentAgent(problem, width=16, key=jr.key(1))
    >>> method = ls.rl.PPO(horizon=12, parts=5)
    >>> run = ls.train(method, agent, tasks, optax.sgd(1.0), steps=2, key=jr.key(2))
    >>> sorted(run.metrics)
    ['entropy', 'loss', 'reward']
    """

    horizon: int = eqx.field(static=True)
    objective: Objective = Objective(entropy=0.02)
    endless: bool = eqx.field(static=True, default=False)
    optimiser: optax.GradientTransformation = eqx.field(
        static=True, default=optax.chain(optax.clip_by_global_norm(0.5), optax.adam(1e-3))
    )
    epochs: int = eqx.field(static=True, default=3)
    parts: int = eqx.field(static=True, default=4)
    clip: float | Float[Array, ""] = 0.2

    def __check_init__(self):
        check_positive("PPO", epochs=self.epochs, parts=self.parts, clip=self.clip)

    def init(self, model: Model) -> tuple[Int[Array, ""], PyTree]:
        return jnp.zeros((), int), sparing(self.optimiser).init(trainable(model)[0])

    def gradient(
        self, model: Model, tasks: AbstractEnv, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        step, optimiser_state = state
        act_key, order_key = jr.split(key)
        lived = self._rollout(model, tasks, act_key)
        number = lived.last_value.shape[0]
        if number % self.parts:
            raise InputError(
                f"PPO: {number} tasks cannot be split into `parts={self.parts}` equal parts. Choose"
                " a divisor of the number of tasks."
            )
        gained, returns = self.objective.targets(lived)
        start, fixed = trainable(model)

        def update(
            both: tuple[PyTree, PyTree], chosen: Int[Array, "some"]
        ) -> tuple[tuple[PyTree, PyTree], Array]:
            moving, optimiser_state = both
            part, gain, aim = jax.tree.map(
                lambda leaf: leaf[chosen] if leaf.ndim == 1 else leaf[:, chosen],
                (lived, gained, returns),
            )
            loss, grads = jax.value_and_grad(
                lambda m: self._loss(eqx.combine(m, fixed), part, gain, aim, step)
            )(moving)
            new = updated(sparing(self.optimiser), grads, optimiser_state, moving, loss)
            return new, loss

        orders = jax.vmap(lambda k: jr.permutation(k, number).reshape(self.parts, -1))(
            jr.split(order_key, self.epochs)
        )
        (end, optimiser_state), losses = jax.lax.scan(
            update, (start, optimiser_state), orders.reshape(self.epochs * self.parts, -1)
        )
        back = jax.tree.map(lambda a, b: a - b, start, end)
        return back, (step + 1, optimiser_state), _metrics(losses.mean(), lived)

    def _loss(
        self, model: Model, lived: Rollout, gained: Array, returns: Array, step: Array
    ) -> Array:
        now = replay(model, lived)
        ratio = jnp.exp(now.log_prob - lived.log_prob)
        clipped = jnp.clip(ratio, 1 - self.clip, 1 + self.clip)
        loss = -mean(jnp.minimum(ratio * gained, clipped * gained), lived.counts)
        return loss + self.objective.costs(now, returns, step)
