"""An actor and a critic on place cells, which learn the path to a platform by temporal
differences."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import check_not_negative, check_positive, InputError
from ..envs import AbstractAgent, Percept, Pool

_ANGLES = np.arange(8) * np.pi / 4  # east, northeast, ...
COMPASS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)
TICK = 0.1  # seconds between decisions in the original, which its constants are made for


class Learnt(eqx.Module):
    """The weights of an actor and its critic, and the last action."""

    critic: Float[Array, "cells"]
    actor: Float[Array, "8 cells"]
    rates: Float[Array, "cells"]  # at the last percept
    chosen: Int[Array, ""]  # the action at that percept
    swam: Bool[Array, ""]  # whether it had an effect: false between two trials


class PlaceActorCritic(AbstractAgent):
    """An actor-critic on place cells: it learns in a `WaterMaze` how good it is to be at a place
    (the critic), and which of eight directions to take there (the actor, by a softmax of
    preferences).

    Both are linear in the rates of the place cells. The outcome of an action exceeds the
    expectation of the critic by `r + gamma V(next) - V`; the value of the place and the preference
    for the action there change in proportion to this error.

    Weights persist from trial to trial of a task. An animal that ran out of time and is put on the
    platform learns the value of that place, but no direction. If time runs out and it stays in the
    water, the value of its last place replaces the future rewards.

    It learns reference memory within days; on delayed matching-to-place it has to unlearn every day
    what it learnt the day before.

    Source: Foster, Morris & Dayan 2000, *A model of hippocampally dependent navigation, using the
    temporal difference learning rule*. The learning rates are those of the authors of Tessereau et
    al. 2021, *Reinforcement learning approaches to hippocampus-dependent flexible spatial
    navigation*, in their code for this model. The original is `Pool(interval=0.1, cells=493)`. For
    longer intervals, `gamma` is raised to the number of tenths of a second between decisions; for
    fewer or narrower place cells, learning rates are higher in proportion to the smaller sum of
    squared rates.

    **Arguments:**

    - `pool`: the pool to swim in.

    >>> import jax.random as jr, learnset as ls
    >>> maze = ls.envs.ReferenceMemory(days=2, moved=None).sample(ls.Split.TEST, key=jr.key(0))
    >>> life = ls.envs.live(ls.rl.PlaceActorCritic(maze.pool), maze, key=jr.key(1))
    >>> int(life.over.sum())  # trials
    8
    """

    pool: Pool = eqx.field(static=True)
    gamma: float = 0.9975  # of a value 0.1 s away
    beta: float = 2.0  # the weight of preferences
    actor_lr: float = 0.1  # with 493 cells of 0.16 m in a pool of 1 m
    critic_lr: float = 0.01  # likewise

    def __check_init__(self):
        check_positive("PlaceActorCritic", gamma=self.gamma)
        rates = {"beta": self.beta, "actor_lr": self.actor_lr, "critic_lr": self.critic_lr}
        check_not_negative("PlaceActorCritic", **rates)
        if self.pool.cells == 0:
            raise InputError(
                "PlaceActorCritic: the pool has `cells=0`, but this agent learns from place cells."
                " Use a pool with cells."
            )

    def begin(self) -> Learnt:
        zeros = jnp.zeros(self.pool.cells)
        actor = jnp.zeros((8, self.pool.cells))
        return Learnt(zeros, actor, zeros, jnp.asarray(0), jnp.asarray(False))

    def act(self, memory: Learnt, percept: Percept, *, key: Key[Array, ""]) -> tuple[Array, Learnt]:
        learnt, rates = self.learn(memory, percept), self.rates(percept)
        chosen = jr.categorical(key, self.beta * (learnt.actor @ rates))
        action = self.swim(jnp.asarray(COMPASS, rates.dtype)[chosen])
        return action, self.note(learnt, percept, chosen)

    def rates(self, percept: Percept) -> Float[Array, "cells"]:
        """The present rates of the place cells."""
        return percept.observation[: self.pool.cells]

    def learn(self, learnt: Learnt, percept: Percept) -> Learnt:
        """Values and preferences after the outcome of the last action."""
        carried = self.carried(percept)
        # An animal that was carried learns about its present place, one that swam about its last
        # place.
        place = jnp.where(carried, self.rates(percept), learnt.rates)
        critic = learnt.critic + self.scaled(self.critic_lr) * self.error(learnt, percept) * place
        change = self.credit(learnt, percept) * learnt.rates
        # A ninth action is left to the agent that has it.
        actor = learnt.actor.at[learnt.chosen].add(change, mode="drop")
        return eqx.tree_at(lambda it: (it.critic, it.actor), learnt, (critic, actor))

    def error(self, learnt: Learnt, percept: Percept) -> Float[Array, ""]:
        """The error of the critic: how much better the outcome is than expected. The platform is
        worth 1, however it was reached."""
        value, next_value = learnt.critic @ learnt.rates, learnt.critic @ self.rates(percept)
        feedback, discount = percept.feedback, self.gamma ** (self.pool.interval / TICK)
        future = jnp.where(feedback.terminated, 0, discount * next_value)
        error = jnp.where(self.carried(percept), 1 - next_value, feedback.reward + future - value)
        return jnp.where(learnt.swam, error, 0)

    def credit(self, learnt: Learnt, percept: Percept) -> Float[Array, ""]:
        """The change of the preference for the last action, per unit of a cell's rate."""
        change = self.scaled(self.actor_lr) * self.error(learnt, percept)
        return jnp.where(self.carried(percept), 0, change)

    def carried(self, percept: Percept) -> Bool[Array, ""]:
        """Whether time ran out and the animal was put on the platform. If heading is sensed, it is
        zero there, unlike at the end of a probe trial."""
        heading = percept.observation[self.pool.cells :][:2]
        rests = ~heading.any() if self.pool.heading else True
        return percept.feedback.truncated & self.pool.guided & rests

    def swim(self, direction: Float[Array, "2"]) -> Array:
        """The action of the pool in this direction, or in the nearest one of eight."""
        if self.pool.continuous:
            return direction
        return jnp.argmax(jnp.asarray(COMPASS, direction.dtype) @ direction)

    def note(self, learnt: Learnt, percept: Percept, chosen: Int[Array, ""]) -> Learnt:
        """The memory with the present action."""
        swam = ~percept.feedback.over
        return Learnt(learnt.critic, learnt.actor, self.rates(percept), chosen, swam)

    def scaled(self, lr: float) -> float:
        """The learning rate for these place cells. The sum of their squared rates is proportional
        to their number times their area."""
        area = self.pool.cells * (self.pool.cell_width / self.pool.radius) ** 2
        return lr * (493 * 0.16**2) / area
