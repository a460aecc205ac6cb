"""Policy gradients with a critic, on many tasks at once: A2C and PPO."""

from typing import Any, TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    AbstractMethod,
    check_not_negative,
    check_positive,
    InputError,
    Metrics,
    Model,
    State,
    trainable,
    updated,
)
from ..envs import AbstractEnv
from ._advantage import advantages
from ._rollout import replay, Rollout, rollout

if TYPE_CHECKING:
    from typing import (
        ClassVar as AbstractVar,  # type checkers take an AbstractVar for the first argument
    )
else:
    from equinox import AbstractVar


class AbstractActorCritic(AbstractMethod):
    """Lets an agent live through whole tasks, from their first trial on, and judges what it did by its critic.

    `tasks` of a gradient are environments. Trials are booked apart from tasks: rewards of later trials count for what was
    done in earlier ones, and memory is the agent's own affair.
    """

    horizon: AbstractVar[int]
    endless: AbstractVar[bool]
    discount: AbstractVar[Any]
    decay: AbstractVar[Any]
    entropy: AbstractVar[Any]
    entropy_end: AbstractVar[Any]
    anneal: AbstractVar[int]
    value_cost: AbstractVar[Any]
    guess_cost: AbstractVar[Any]

    def __check_init__(self):
        name = type(self).__name__
        check_positive(name, horizon=self.horizon, anneal=self.anneal)
        check_not_negative(
            name, entropy=self.entropy, entropy_end=self.entropy_end, value_cost=self.value_cost
        )
        check_not_negative(name, guess_cost=self.guess_cost)
        for field in ("discount", "decay"):
            value = getattr(self, field)
            if isinstance(value, (int, float)) and not 0 <= value <= 1:
                raise InputError(f"{name}: `{field}={value}`, but it must be from 0 to 1.")

    def _rollout(self, model: Model, tasks: AbstractEnv, key: Key[Array, ""]) -> Rollout:
        return rollout(model, tasks, self.horizon, endless=self.endless, key=key)

    def _targets(
        self, happened: Rollout
    ) -> tuple[Float[Array, "steps tasks"], Float[Array, "steps tasks"]]:
        """Advantages at unit spread and mean zero, and returns."""
        alive = happened.alive.astype(happened.value.dtype)

        def one(reward: Array, value: Array, last: Array, alive: Array) -> Array:
            return advantages(reward, value, last, alive, discount=self.discount, decay=self.decay)

        gained = jax.vmap(one, in_axes=(1, 1, 0, 1), out_axes=1)(
            happened.reward, happened.value, happened.last_value, alive
        )
        counts = happened.counts
        mean, spread = gained.mean(where=counts), gained.std(where=counts)
        return (gained - mean) / (spread + 1e-8), gained + happened.value

    def _beside(self, happened: Rollout, returns: Array, step: Int[Array, ""]) -> Float[Array, ""]:
        """What is to be minimised beside the policy's own loss."""
        # In units of the returns' own spread: what a reward is worth must not decide how much the critic weighs.
        spread = returns.var(where=happened.alive) + 1e-8
        off = (happened.value - returns) ** 2 / spread
        wrong = ((happened.guess - happened.secret) ** 2).sum(axis=-1)
        loss = self.value_cost * _mean(off, happened.alive) + self.guess_cost * _mean(
            wrong, happened.alive
        )
        return loss - self._entropy_cost(step) * _mean(happened.entropy, happened.counts)

    def _entropy_cost(self, step: Int[Array, ""]) -> Array:
        done = jnp.minimum(step.astype(float) / self.anneal, 1.0)
        return self.entropy + (self.entropy_end - self.entropy) * done


def _mean(values: Float[Array, "steps tasks"], counts: Array) -> Float[Array, ""]:
    """The mean over steps that count."""
    return jnp.where(counts, values, 0.0).sum() / jnp.maximum(counts.sum(dtype=values.dtype), 1)


def _metrics(loss: Array, happened: Rollout) -> Metrics:
    """`reward` is a task's sum of rewards within the horizon."""
    return {
        "loss": loss,
        "reward": happened.reward.sum(axis=0).mean(),
        "entropy": _mean(happened.entropy, happened.counts),
    }


class A2C(AbstractActorCritic):
    """One gradient from each rollout: advantage actor-critic.

    The network is gone through once: the gradient is taken through the rollout itself.

    Source: Mnih et al. 2016, *Asynchronous Methods for Deep Reinforcement Learning*, §4, in its synchronous form; advantages
    of Schulman et al. 2016.

    **Arguments:**

    - `horizon`: steps that each task lasts.
    - `endless`: tasks whose trials are over begin again with the first trial, until the horizon; otherwise what is left
      of the horizon is idle.
    - `discount` and `decay`: of generalised advantages, a step (trials are not cut apart).
    - `entropy` to `entropy_end`: what uncertainty is worth, falling over the first `anneal` training steps.
    - `value_cost`: weight of the critic's squared error; `guess_cost`: of that of guessing what is hidden.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.envs.Harlow()
    >>> agent = ls.rl.RecurrentAgent(tasks.sample(ls.Split.TRAIN, key=jr.key(0)), width=16, key=jr.key(1))
    >>> run = ls.train(ls.rl.A2C(horizon=12), agent, tasks, optax.adam(1e-3), steps=2, key=jr.key(2))
    >>> sorted(run.metrics)
    ['entropy', 'loss', 'reward']
    """

    horizon: int = eqx.field(static=True)
    endless: bool = eqx.field(static=True, default=False)
    discount: float | Float[Array, ""] = 0.95
    decay: float | Float[Array, ""] = 0.95
    entropy: float | Float[Array, ""] = 0.05
    entropy_end: float | Float[Array, ""] = 0.0
    anneal: int = eqx.field(static=True, default=1000)
    value_cost: float | Float[Array, ""] = 0.5
    guess_cost: float | Float[Array, ""] = 0.0

    def init(self, model: Model) -> Int[Array, ""]:
        del model
        return jnp.zeros((), int)

    def gradient(
        self, model: Model, tasks: AbstractEnv, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        @eqx.filter_value_and_grad(has_aux=True)
        def objective(model: Model) -> tuple[Array, Rollout]:
            happened = self._rollout(model, tasks, key)
            gained, returns = jax.lax.stop_gradient(self._targets(happened))
            loss = -_mean(gained * happened.log_prob, happened.counts)
            return loss + self._beside(happened, returns, state), happened

        (loss, happened), grads = objective(model)
        return grads, state + 1, _metrics(loss, happened)


class PPO(AbstractActorCritic):
    """Several updates from each rollout, none of which may move the policy far: proximal policy optimisation.

    The updates are made inside, by an optimiser of the method's own. What is handed out as the gradient is the way back
    from where they led, so that `optax.sgd(1.0)` goes there.

    Source: Schulman et al. 2017, *Proximal Policy Optimization Algorithms*, eq. 7; whole tasks are replayed, as its
    recurrent form needs.

    **Arguments:** those of `A2C`, and

    - `optimiser`: of the updates.
    - `epochs`: how often each rollout is gone through; `parts`: into how many parts its tasks are split each time.
    - `clip`: how far a probability ratio may go.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.envs.Harlow()
    >>> agent = ls.rl.RecurrentAgent(tasks.sample(ls.Split.TRAIN, key=jr.key(0)), width=16, key=jr.key(1))
    >>> method = ls.rl.PPO(horizon=12, parts=5)
    >>> run = ls.train(method, agent, tasks, optax.sgd(1.0), steps=2, key=jr.key(2))
    >>> sorted(run.metrics)
    ['entropy', 'loss', 'reward']
    """

    horizon: int = eqx.field(static=True)
    endless: bool = eqx.field(static=True, default=False)
    discount: float | Float[Array, ""] = 0.95
    decay: float | Float[Array, ""] = 0.95
    entropy: float | Float[Array, ""] = 0.02
    entropy_end: float | Float[Array, ""] = 0.0
    anneal: int = eqx.field(static=True, default=1000)
    value_cost: float | Float[Array, ""] = 0.5
    guess_cost: float | Float[Array, ""] = 0.0
    optimiser: optax.GradientTransformation = eqx.field(
        static=True, default=optax.chain(optax.clip_by_global_norm(0.5), optax.adam(1e-3))
    )
    epochs: int = eqx.field(static=True, default=3)
    parts: int = eqx.field(static=True, default=4)
    clip: float | Float[Array, ""] = 0.2

    def __check_init__(self):
        check_positive("PPO", epochs=self.epochs, parts=self.parts, clip=self.clip)

    def init(self, model: Model) -> tuple[Int[Array, ""], PyTree]:
        return jnp.zeros((), int), self.optimiser.init(trainable(model)[0])

    def gradient(
        self, model: Model, tasks: AbstractEnv, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        step, optimiser_state = state
        act_key, order_key = jr.split(key)
        happened = self._rollout(model, tasks, act_key)
        number = happened.last_value.shape[0]
        if number % self.parts:
            raise InputError(
                f"PPO: {number} tasks cannot be split into `parts={self.parts}` equal parts."
            )
        gained, returns = self._targets(happened)
        start, fixed = trainable(model)

        def update(
            both: tuple[PyTree, PyTree], chosen: Int[Array, "some"]
        ) -> tuple[tuple[PyTree, PyTree], Array]:
            moving, optimiser_state = both
            part, gain, aim = jax.tree.map(
                lambda leaf: leaf[chosen] if leaf.ndim == 1 else leaf[:, chosen],
                (happened, gained, returns),
            )
            loss, grads = jax.value_and_grad(
                lambda m: self._loss(eqx.combine(m, fixed), part, gain, aim, step)
            )(moving)
            return updated(self.optimiser, grads, optimiser_state, moving), loss

        orders = jax.vmap(lambda k: jr.permutation(k, number).reshape(self.parts, -1))(
            jr.split(order_key, self.epochs)
        )
        (end, optimiser_state), losses = jax.lax.scan(
            update, (start, optimiser_state), orders.reshape(self.epochs * self.parts, -1)
        )
        back = jax.tree.map(lambda a, b: a - b, start, end)
        return back, (step + 1, optimiser_state), _metrics(losses.mean(), happened)

    def _loss(
        self, model: Model, happened: Rollout, gained: Array, returns: Array, step: Array
    ) -> Array:
        now = replay(model, happened)
        ratio = jnp.exp(now.log_prob - happened.log_prob)
        held = jnp.clip(ratio, 1 - self.clip, 1 + self.clip)
        loss = -_mean(jnp.minimum(ratio * gained, held * gained), happened.counts)
        return loss + self._beside(now, returns, step)
