"""Algorithm distillation: learning to learn by watching another learner."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, PyTree

from ..core import AbstractMethod, check_positive, Metrics, Model, State
from ..envs import AbstractAgent, AbstractEnv, advance, begin
from ._objective import mean


class AlgorithmDistillation(AbstractMethod):
    """Algorithm distillation: a network with a memory watches a teacher learn, and predicts each of
    its actions from all that happened before. It is never rewarded. What it then does on a new task
    is a learning algorithm of its own, which changes no weights.

    `tasks` of a gradient are environments. The teacher learns each of them from the beginning while
    the model (`RecurrentAgent`) receives the same percepts, and the loss is the mean negative log
    probability that the model gives to the teacher's actions.

    Source: Laskin et al. 2022, *In-context Reinforcement Learning with Algorithm Distillation*.
    There a causal transformer reads histories that were stored; here the memory is that of the
    model, and histories are drawn in the training step, so that each is watched once.

    **Arguments:**

    - `teacher`: the agent that is watched, which learns by its memory (`UCB1`, `OnlineReinforce`).
    - `horizon`: the steps of each task.

    `reward` among the metrics is the teacher's, of a task.

    >>> import jax.random as jr, optax, learnset as ls
    >>> tasks = ls.envs.Bandits(arms=3, pulls=10)
    >>> bandit = tasks.sample(ls.Split.TRAIN, key=jr.key(0))
    >>> student = ls.rl.RecurrentAgent(bandit, width=16, key=jr.key(1))
    >>> method = ls.rl.AlgorithmDistillation(ls.rl.UCB1(3), horizon=10)
    >>> run = ls.train(method, student, tasks, optax.adam(1e-3), steps=2, key=jr.key(2))
    >>> sorted(run.metrics)
    ['loss', 'reward']
    """

    teacher: AbstractAgent
    horizon: int = eqx.field(static=True)

    def __check_init__(self):
        check_positive("AlgorithmDistillation", horizon=self.horizon)

    def gradient(
        self, model: Model, tasks: AbstractEnv, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        number = jax.tree.leaves(eqx.filter(tasks, eqx.is_array))[0].shape[0]

        @eqx.filter_value_and_grad(has_aux=True)
        def loss_of(model: Model) -> tuple[Array, Array]:
            watched = jax.vmap(lambda env, key: self._watched(model, env, key))
            log_prob, reward, counts = watched(tasks, jr.split(key, number))
            return -mean(log_prob, counts), reward.sum() / number

        (loss, reward), grads = loss_of(model)
        return grads, state, {"loss": loss, "reward": reward}

    def _watched(
        self, model: Model, env: AbstractEnv, key: Key[Array, ""]
    ) -> tuple[Float[Array, "steps"], Float[Array, "steps"], Bool[Array, "steps"]]:
        """One task of the teacher, step by step: the log probability that the model gives to its
        action, its reward, and whether the step counts."""

        def step(carry: Any, key: Key[Array, ""]) -> tuple[Any, tuple[Array, Array, Array]]:
            world, taught, memory = carry
            act_key, world_key = jr.split(key)
            memory, activity = model.hear(memory, world.percept)
            action, taught = self.teacher.act(taught, world.percept, key=act_key)
            new = advance(env, world, action, key=world_key)
            reward = jnp.where(world.counts, new.percept.feedback.reward, 0.0)
            log_prob = model.policy(activity).log_prob(action)
            return (new, taught, memory), (log_prob, reward, world.counts)

        begin_key, run_key = jr.split(key)
        start = begin(env, key=begin_key), self.teacher.begin(), model.begin()
        return jax.lax.scan(step, start, jr.split(run_key, self.horizon))[1]
