"""Adaptation by policy gradients: gradient descent on an agent's experience in a new task."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, PyTree

from ..core import Batch, check_not_negative, check_positive, InputError, trainable, Where, whole
from ..envs import AbstractEnv
from ..transfer import ridge, Unroll
from ._advantage import advantages
from ._rollout import replay, Rollout, rollout

EVEN = 1e-3  # of the spread of returns; smaller differences are rounding


class AbstractPolicyAdapter(eqx.Module):
    """An adapter of policies: changes an agent by its experience in one task. It is to `Lives` what
    an adapter of predictors is to questions with support sets."""

    transductive: ClassVar[bool] = False

    @abc.abstractmethod
    def course(
        self,
        agent: Any,
        env: AbstractEnv,
        observe: Callable[[Any, Key[Array, ""]], PyTree],
        *,
        key: Key[Array, ""],
    ) -> PyTree:
        """Adapts, and observes the agent on the way.

        **Returns:** `observe(agent, key)` before any step and after each, stacked on a leading
        `steps` axis.
        """


class PolicyDescent(AbstractPolicyAdapter):
    """Policy descent: alternates between a few episodes of a task and one step along the policy
    gradient.

    This is how transfer learning adapts a pretrained policy, and what MAML differentiates through.
    It is to policies what `FineTune` is to predictors.

    The gradient is that of REINFORCE, with a baseline that is linear in the observation, its
    square, and time up to the third power, fitted to the returns of the same episodes (Duan et al.
    2016, supplement). Advantages are then scaled to mean zero and unit spread, as in MAML's code.

    The second derivative of the loss, which `MAMLPolicy` needs, is correct too: the usual
    surrogate, `log_prob * advantage`, ignores that the policy chose what it is averaged over, and
    Loaded DiCE includes it. With `credit=1` the Hessian is unbiased (DiCE, Foerster et al. 2018),
    but varies much more; with `credit=0` each action counts for itself only (the low-variance
    surrogate of Rothfuss et al. 2019, *ProMP*), which is exact for episodes of one step. Baseline
    and spread are constants in both derivatives, and so is the discount of early steps, as usual.

    Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning*, algorithm 3, lines 5-7;
    Williams 1992; Duan et al. 2016, *Benchmarking Deep Reinforcement Learning for Continuous
    Control*; Farquhar, Whiteson & Foerster 2019, *Loaded DiCE*.

    **Arguments:**

    - `horizon`: the steps of one episode. It begins with the first trial of the task; rewards of
      later trials count for actions in earlier ones.
    - `lr`: the step size, or one for each step (MAML halves it after the first).
    - `steps`: the number of steps; `episodes`: the number of episodes before each of them.
    - `discount`: of rewards, per step.
    - `credit`: the weight of an earlier action in the second derivative of a later one, per step,
      from 0 to 1.
    - `penalty`: of the squared weights of the baseline, in units of one step.
    - `standardised`: whether advantages are scaled to mean zero and unit spread.
    - `where`: the part of the agent that moves, as in `equinox.tree_at` (default: everything).
    - `unroll`: how the steps are differentiated through.

    **Raises:** `InputError` for impossible numbers, and for a baseline with as many weights as
    there are steps, which would leave no advantage.

    >>> import jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> agent = ls.rl.ReactiveAgent(problem, width=16, key=jr.key(1))
    >>> lived = ls.rl.PolicyDescent(12, steps=2, episodes=10).trace(agent, problem, key=jr.key(2))
    >>> lived.reward.shape  # before and after each step of descent; steps of time; episodes
    (3, 12, 10)
    """

    horizon: int = eqx.field(static=True)
    lr: float | Float[Array, "..."] = 0.1
    steps: int = 1
    episodes: int = eqx.field(static=True, default=20)
    discount: float | Float[Array, ""] = 0.99
    credit: float | Float[Array, ""] = 0.0
    penalty: float | Float[Array, ""] = 1e-5
    standardised: bool = eqx.field(static=True, default=True)
    where: Where = eqx.field(static=True, default=whole)
    unroll: Unroll = eqx.field(static=True, default=Unroll.EXACT)

    def __check_init__(self):
        for name in ("horizon", "episodes", "lr", "penalty"):
            check_positive("PolicyDescent", **{name: getattr(self, name)})
        check_not_negative("PolicyDescent", steps=self.steps)
        for field in ("discount", "credit"):
            value = getattr(self, field)
            if isinstance(value, (int, float)) and not 0 <= value <= 1:
                raise InputError(f"PolicyDescent: `{field}={value}`, but it must be from 0 to 1.")
        if jnp.shape(self.lr) not in ((), (self.steps,)):
            raise InputError(
                f"PolicyDescent: `lr` has shape {jnp.shape(self.lr)}, but `steps={self.steps}`."
                " Give one number, or one for each step."
            )

    def adapt(self, agent: Any, env: AbstractEnv, *, key: Key[Array, ""]) -> Any:
        """The agent after all steps in one task."""
        return self.descend(agent, env, key=key)[0]

    def trace(self, agent: Any, env: AbstractEnv, *, key: Key[Array, ""]) -> Rollout:
        """The experience of the agent before the first step and after each one, on a leading axis
        of length `steps + 1`. `.reward.sum(axis=1)` are returns."""
        return self.descend(agent, env, key=key)[1]

    def descend(self, agent: Any, env: AbstractEnv, *, key: Key[Array, ""]) -> tuple[Any, Rollout]:
        """The results of `adapt` and `trace`. The new agent is differentiable, the experience is
        not."""
        agent, lived, last_key = self._descended(agent, env, lambda agent, key: None, key)
        return agent, _followed(lived[0], self.live(agent, env, key=last_key))

    def course(
        self,
        agent: Any,
        env: AbstractEnv,
        observe: Callable[[Any, Key[Array, ""]], PyTree],
        *,
        key: Key[Array, ""],
    ) -> PyTree:
        agent, seen, last_key = self._descended(agent, env, observe, key)
        return _followed(seen[1], observe(agent, last_key))

    def _descended(
        self, agent: Any, env: AbstractEnv, observe: Callable[[Any, Array], PyTree], key: Array
    ) -> tuple[Any, tuple[Rollout, PyTree], Key[Array, ""]]:
        """The agent after all steps; its experience and what was observed before each; and a key
        for what comes after the last."""
        moving, fixed = trainable(agent, self.where)

        def step(moving: Any, lr_and_key: tuple[Array, Array]) -> tuple[Any, tuple[Rollout, Any]]:
            lr, key = lr_and_key
            before = eqx.combine(moving, fixed)
            lived, seen = self.live(before, env, key=key), observe(before, jr.fold_in(key, 1))
            grads = jax.grad(lambda part: self.loss(eqx.combine(part, fixed), lived))(moving)
            if self.unroll is Unroll.FIRST_ORDER:
                grads = jax.lax.stop_gradient(grads)
            return jax.tree.map(lambda m, g: m - lr * g, moving, grads), (lived, seen)

        step = jax.checkpoint(step) if self.unroll is Unroll.REMAT else step
        keys, lrs = jr.split(key, self.steps + 1), jnp.broadcast_to(self.lr, (self.steps,))
        moving, seen = jax.lax.scan(step, moving, (lrs, keys[:-1]))
        return eqx.combine(moving, fixed), seen, keys[-1]

    def live(self, agent: Any, env: AbstractEnv, *, key: Key[Array, ""]) -> Rollout:
        """Episodes of one task, which are not differentiable."""
        fixed = jax.tree.map(
            lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, agent
        )
        shape = (self.episodes,)
        many = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, shape + jnp.shape(leaf)), env)
        return rollout(fixed, many, self.horizon, endless=False, key=key)

    def loss(self, agent: Any, lived: Rollout) -> Float[Array, ""]:
        """A loss whose value is zero. Its gradient per step, at the agent that lived through the
        episodes, is minus the policy gradient, and its second derivative likewise."""
        return -surrogate(log_probs(agent, lived), self.gained(lived), lived.counts, self.credit)

    def gained(self, lived: Rollout) -> Float[Array, "steps episodes"]:
        """Advantages: by how much the return from each step on exceeds the baseline."""
        zero, alive = jnp.zeros_like(lived.reward), lived.alive.astype(lived.reward.dtype)

        def one(reward: Array, value: Array, alive: Array) -> Array:
            return advantages(reward, value, value[0], alive, discount=self.discount, decay=1.0)

        returns = jax.vmap(one, in_axes=1, out_axes=1)(lived.reward, zero, alive)
        gained = returns - baseline(lived, returns, self.penalty)
        if not self.standardised:
            return gained
        counts = lived.counts
        # If all episodes have the same return, differences are rounding, and stay small.
        spread = gained.std(where=counts) + EVEN * returns.std(where=counts)
        return (gained - gained.mean(where=counts)) / (spread + 1e-8)


def _followed(some: PyTree, one: PyTree) -> PyTree:
    """The same with one more entry at the end of the leading axis."""
    return jax.tree.map(lambda some, one: jnp.concatenate([some, one[None]]), some, one)


def surrogate(
    log_prob: Float[Array, "steps episodes"],
    gained: Float[Array, "steps episodes"],
    counts: Bool[Array, "steps episodes"],
    credit: float | Float[Array, ""],
) -> Float[Array, ""]:
    """A number with value zero whose first and second derivatives estimate those of the mean
    advantage per step.

    Source: Farquhar, Whiteson & Foerster 2019, *Loaded DiCE: Trading off Bias and Variance in
    Any-Order Score Function Estimators for Reinforcement Learning*; `credit` is their lambda.
    """
    log_prob = jnp.where(counts, log_prob, 0.0)
    time = jnp.arange(len(log_prob))
    ago = jnp.maximum(time[:, None] - time[None], 0).astype(log_prob.dtype)
    earlier = jnp.where(ago > 0, jnp.asarray(credit, log_prob.dtype) ** ago, 0.0) @ log_prob

    def box(x: Array) -> Array:
        """One, with the derivatives of the probability `exp(x)` relative to itself."""
        return jnp.exp(x - jax.lax.stop_gradient(x))

    total = jnp.where(counts, (box(earlier + log_prob) - box(earlier)) * gained, 0.0).sum()
    return total / jnp.maximum(counts.sum(dtype=total.dtype), 1)


def log_probs(agent: Any, lived: Rollout) -> Float[Array, "steps episodes"]:
    """The log-probabilities of the actions under an agent."""
    if jax.tree.leaves(jax.eval_shape(agent.begin)):
        return replay(agent, lived).log_prob

    def of_one(percept: Any, action: Array) -> Array:
        return agent.policy(agent.hear(agent.begin(), percept)[1]).log_prob(action)

    # Without memory, all steps are independent.
    return jax.vmap(jax.vmap(of_one))(lived.percept, lived.action)


def baseline(
    lived: Rollout, returns: Float[Array, "steps episodes"], penalty: float | Float[Array, ""]
) -> Float[Array, "steps episodes"]:
    """The baseline: the linear function of observation, its square, and time up to the third power
    that fits the returns best.

    Source: Duan et al. 2016, *Benchmarking Deep Reinforcement Learning for Continuous Control*,
    supplement. Here time runs from -1 to 1 and the constant is not shrunk, which is the same except
    for rounding and the penalty.
    """
    steps, episodes = returns.shape
    observed = lived.percept.observation
    clock = jnp.linspace(-1, 1, steps, dtype=returns.dtype)[:, None, None]
    time = jnp.broadcast_to(clock, (steps, episodes, 1))
    features = jnp.concatenate([observed, observed**2, time, time**2, time**3], axis=-1)
    features = features.reshape(steps * episodes, -1)
    if features.shape[1] + 1 >= len(features):
        raise InputError(
            f"PolicyDescent: {len(features)} steps in all episodes, but the baseline has"
            f" {features.shape[1] + 1} weights and would explain any returns. Raise `episodes`."
        )
    points = Batch(features, returns.reshape(-1, 1), lived.counts.reshape(-1).astype(returns.dtype))
    weight, bias = ridge(features, points, penalty * points.weight.sum())
    return (features @ weight + bias[None]).reshape(steps, episodes)
