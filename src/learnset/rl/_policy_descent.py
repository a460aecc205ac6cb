"""Adaptation by policy gradients: gradient descent on what an agent lives through in a new task."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..core import Batch, check_not_negative, check_positive, InputError, trainable, Where, whole
from ..envs import AbstractEnv
from ..transfer import ridge, Unroll
from ._advantage import advantages
from ._rollout import replay, Rollout, rollout

EVEN = 1e-3  # of the spread of returns: what is not rounding


class PolicyDescent(eqx.Module):
    """Lives through a few episodes of a task, goes one step along the policy gradient, and so on: what transfer learning
    does to a pretrained policy, and what MAML differentiates through. It is to policies what `FineTune` is to predictors.

    The gradient is REINFORCE's, with a baseline that is linear in the observation, its square, and time up to the third
    power, fitted to the returns of the same episodes (Duan et al. 2016, supplement). Advantages are then brought to mean
    zero and unit spread, as MAML's code does.

    The loss is right in its second derivative too, which `MAMLPolicy` needs: that of the usual surrogate, `log_prob *
    advantage`, leaves out that the policy chose what it is averaged over. `Loaded DiCE` puts it in. With `credit=1` the
    Hessian is unbiased (DiCE, Foerster et al. 2018), but varies much more; with `credit=0` each action stands for itself (the
    low-variance surrogate of Rothfuss et al. 2019, *ProMP*), which is exact where an episode is one step. Baseline
    and spread count as constants in both derivatives, and so does the discount of early steps, as is usual.

    Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning*, algorithm 3, lines 5-7; Williams 1992; Duan et al.
    2016, *Benchmarking Deep Reinforcement Learning for Continuous Control*; Farquhar, Whiteson & Foerster 2019, *Loaded
    DiCE*.

    **Arguments:**

    - `horizon`: steps of one episode. It begins with the task's first trial; rewards of later trials count for what was
      done in earlier ones.
    - `lr`: step size; or as many as there are steps (MAML halves it after the first).
    - `steps`: how many; `episodes`: lived through before each of them.
    - `discount`: of rewards, a step.
    - `credit`: how much an earlier action counts for a later one's second derivative, a step, from 0 to 1.
    - `penalty`: of the baseline's squared weights, in units of one step.
    - `standardised`: whether advantages are brought to mean zero and unit spread.
    - `where`: the part of the agent that moves, as in `equinox.tree_at`; everything, unless said otherwise.
    - `unroll`: what differentiating through the steps costs.

    **Raises:** `InputError` for numbers that cannot be, and for a baseline with as many weights as there are steps, which
    would leave no advantage.

    >>> import jax.random as jr, learnset as ls
    >>> problem = ls.envs.Harlow().sample(ls.Split.TEST, key=jr.key(0))
    >>> agent = ls.rl.ReactiveAgent(problem, width=16, key=jr.key(1))
    >>> adapter = ls.rl.PolicyDescent(horizon=12, steps=2, episodes=10)
    >>> adapter.trace(agent, problem, key=jr.key(2)).reward.shape  # steps of descent and before, of time, episodes
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
        check_positive(
            "PolicyDescent",
            horizon=self.horizon,
            episodes=self.episodes,
            lr=self.lr,
            penalty=self.penalty,
        )
        check_not_negative("PolicyDescent", steps=self.steps)
        for field in ("discount", "credit"):
            value = getattr(self, field)
            if isinstance(value, (int, float)) and not 0 <= value <= 1:
                raise InputError(f"PolicyDescent: `{field}={value}`, but it must be from 0 to 1.")
        if jnp.shape(self.lr) not in ((), (self.steps,)):
            raise InputError(
                f"PolicyDescent: `lr` has shape {jnp.shape(self.lr)}, but `steps={self.steps}`."
            )

    def adapt(self, agent: Any, env: AbstractEnv, *, key: Key[Array, ""]) -> Any:
        """The agent after all steps, learnt in one task."""
        return self.descend(agent, env, key=key)[0]

    def trace(self, agent: Any, env: AbstractEnv, *, key: Key[Array, ""]) -> Rollout:
        """What the agent lives through before any step and after each, on a leading axis one longer than there are
        steps. `.reward.sum(axis=1)` are returns."""
        return self.descend(agent, env, key=key)[1]

    def descend(self, agent: Any, env: AbstractEnv, *, key: Key[Array, ""]) -> tuple[Any, Rollout]:
        """What `adapt` and `trace` give. Differentiable in the agent that comes out, but not in what was lived through."""
        moving, fixed = trainable(agent, self.where)

        def step(moving: Any, given: tuple[Array, Array]) -> tuple[Any, Rollout]:
            lr, key = given
            lived = self.live(eqx.combine(moving, fixed), env, key=key)
            grads = jax.grad(lambda part: self.loss(eqx.combine(part, fixed), lived))(moving)
            if self.unroll is Unroll.FIRST_ORDER:
                grads = jax.lax.stop_gradient(grads)
            return jax.tree.map(lambda m, g: m - lr * g, moving, grads), lived

        step = jax.checkpoint(step) if self.unroll is Unroll.REMAT else step
        keys = jr.split(key, self.steps + 1)
        moving, lived = jax.lax.scan(
            step, moving, (jnp.broadcast_to(self.lr, (self.steps,)), keys[:-1])
        )
        agent = eqx.combine(moving, fixed)
        last = self.live(agent, env, key=keys[-1])
        return agent, jax.tree.map(
            lambda some, one: jnp.concatenate([some, one[None]]), lived, last
        )

    def live(self, agent: Any, env: AbstractEnv, *, key: Key[Array, ""]) -> Rollout:
        """Episodes of one task. Nothing of them is differentiable."""
        agent = jax.tree.map(
            lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, agent
        )
        many = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (self.episodes, *jnp.shape(leaf))), env
        )
        return rollout(agent, many, self.horizon, endless=False, key=key)

    def loss(self, agent: Any, lived: Rollout) -> Float[Array, ""]:
        """Its value is zero; its gradient at the agent that has lived so is minus the policy gradient, a step, and its
        second derivative likewise."""
        return -surrogate(log_probs(agent, lived), self.gained(lived), lived.counts, self.credit)

    def gained(self, lived: Rollout) -> Float[Array, "steps episodes"]:
        """Advantages: how much more was gained from each step on than the baseline says."""
        zero, alive = jnp.zeros_like(lived.reward), lived.alive.astype(lived.reward.dtype)

        def one(reward: Array, value: Array, alive: Array) -> Array:
            return advantages(reward, value, value[0], alive, discount=self.discount, decay=1.0)

        returns = jax.vmap(one, in_axes=1, out_axes=1)(lived.reward, zero, alive)
        gained = returns - baseline(lived, returns, self.penalty)
        if not self.standardised:
            return gained
        counts = lived.counts
        # Where all episodes gained the same, what is left of returns is rounding, and stays small.
        spread = gained.std(where=counts) + EVEN * returns.std(where=counts)
        return (gained - gained.mean(where=counts)) / (spread + 1e-8)


def surrogate(
    log_prob: Float[Array, "steps episodes"],
    gained: Float[Array, "steps episodes"],
    counts: Bool[Array, "steps episodes"],
    credit: float | Float[Array, ""],
) -> Float[Array, ""]:
    """A number that is zero, and whose first and second derivatives are estimates of those of the mean advantage a step.

    Source: Farquhar, Whiteson & Foerster 2019, *Loaded DiCE: Trading off Bias and Variance in Any-Order Score Function
    Estimators for Reinforcement Learning*; `credit` is their lambda.
    """
    log_prob = jnp.where(counts, log_prob, 0.0)
    time = jnp.arange(len(log_prob))
    ago = jnp.maximum(time[:, None] - time[None], 0).astype(log_prob.dtype)
    earlier = jnp.where(ago > 0, jnp.asarray(credit, log_prob.dtype) ** ago, 0.0) @ log_prob

    def box(x: Array) -> Array:
        """One, whose derivatives are those of the probability `exp(x)` in units of itself."""
        return jnp.exp(x - jax.lax.stop_gradient(x))

    total = jnp.where(counts, (box(earlier + log_prob) - box(earlier)) * gained, 0.0).sum()
    return total / jnp.maximum(counts.sum(dtype=total.dtype), 1)


def log_probs(agent: Any, lived: Rollout) -> Float[Array, "steps episodes"]:
    """Logarithms of the probabilities with which an agent does what was done."""
    if jax.tree.leaves(jax.eval_shape(agent.begin)):
        return replay(agent, lived).log_prob

    def of_one(percept: Any, action: Array) -> Array:
        return agent.policy(agent.hear(agent.begin(), percept)[1]).log_prob(action)

    # Without memory no step has to wait for another.
    return jax.vmap(jax.vmap(of_one))(lived.percept, lived.action)


def baseline(
    lived: Rollout, returns: Float[Array, "steps episodes"], penalty: float | Float[Array, ""]
) -> Float[Array, "steps episodes"]:
    """The linear function of observation, its square, and time up to the third power that fits the returns best.

    Source: Duan et al. 2016, *Benchmarking Deep Reinforcement Learning for Continuous Control*, supplement. Time goes
    from -1 to 1 here and the constant is not shrunk, which is the same but for rounding and the penalty.
    """
    steps, episodes = returns.shape
    seen = lived.percept.observation
    time = jnp.broadcast_to(
        jnp.linspace(-1, 1, steps, dtype=returns.dtype)[:, None, None], (steps, episodes, 1)
    )
    features = jnp.concatenate([seen, seen**2, time, time**2, time**3], axis=-1).reshape(
        steps * episodes, -1
    )
    if features.shape[1] + 1 >= len(features):
        raise InputError(
            f"PolicyDescent: {len(features)} steps in all episodes, but the baseline has {features.shape[1] + 1} weights and"
            " would explain whatever happens. Raise `episodes`."
        )
    points = Batch(features, returns.reshape(-1, 1), lived.counts.reshape(-1).astype(returns.dtype))
    weight, bias = ridge(features, points, penalty * points.weight.sum())
    return (features @ weight + bias[None]).reshape(steps, episodes)
