"""An actor and a critic on place cells, which learn the way to a platform by temporal differences."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import check_not_negative, check_positive, InputError
from ..envs import AbstractAgent, Percept, Pool

COMPASS = np.stack(
    [np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=-1
)  # east, northeast, ...
TICK = 0.1  # seconds between decisions in the original; its constants are for these


class Learnt(eqx.Module):
    """What an actor and its critic have learnt, and what was done last."""

    critic: Float[Array, "cells"]
    actor: Float[Array, "8 cells"]
    rates: Float[Array, "cells"]  # at the last percept
    chosen: Int[Array, ""]  # the action that was chosen there
    swam: Bool[Array, ""]  # whether that had an effect: not between two trials


class PlaceActorCritic(AbstractAgent):
    """Learns in a `WaterMaze` how good it is to be at a place (the critic), and which of eight directions to take there
    (the actor, by softmax of its preferences). Both are linear in the rates of the place cells. What an action has led to
    is better or worse than the critic expected by `r + gamma V(next) - V`; by so much the value of the place and the
    preference for the action there are changed.

    What is learnt stays from trial to trial of a task. An animal that ran out of time and is put on the platform learns
    what that place is worth, and no direction. Where time runs out and it stays in the water, the value of its last place
    stands for what would have come.

    Learns reference memory within days; on delayed matching-to-place it has to unlearn every day what it has learnt the
    day before.

    Source: Foster, Morris & Dayan 2000, *A model of hippocampally dependent navigation, using the temporal difference
    learning rule*. The learning rates are those of the authors of Tessereau et al. 2021, *Reinforcement learning
    approaches to hippocampus-dependent flexible spatial navigation*, in their code for this model. The original is
    `Pool(interval=0.1, cells=493)`. Where decisions are further apart, `gamma` is raised to how many tenths of a second
    they are; where place cells are fewer or narrower, learning rates are higher by as much as their squared rates add up
    to less.

    **Arguments:**

    - `pool`: the one to swim in.

    >>> import jax.random as jr, learnset as ls
    >>> maze = ls.envs.ReferenceMemory(days=2, moved=None).sample(ls.Split.TEST, key=jr.key(0))
    >>> life = ls.envs.live(ls.rl.PlaceActorCritic(maze.pool), maze, key=jr.key(1))
    >>> int(life.over.sum())  # trials
    8
    """

    pool: Pool = eqx.field(static=True)
    gamma: float = 0.9975  # of a value 0.1 s away
    beta: float = 2.0  # how much a preference counts
    actor_lr: float = 0.1  # with 493 cells of 0.16 m in a pool of 1 m
    critic_lr: float = 0.01  # likewise

    def __check_init__(self):
        check_positive("PlaceActorCritic", gamma=self.gamma)
        check_not_negative(
            "PlaceActorCritic", beta=self.beta, actor_lr=self.actor_lr, critic_lr=self.critic_lr
        )
        if self.pool.cells == 0:
            raise InputError(
                "PlaceActorCritic: the pool has `cells=0`, but it is from place cells that this agent learns."
            )

    def begin(self) -> Learnt:
        nothing = jnp.zeros(self.pool.cells)
        return Learnt(
            nothing, jnp.zeros((8, self.pool.cells)), nothing, jnp.asarray(0), jnp.asarray(False)
        )

    def act(self, memory: Learnt, percept: Percept, *, key: Key[Array, ""]) -> tuple[Array, Learnt]:
        learnt, rates = self.learn(memory, percept), self.rates(percept)
        chosen = jr.categorical(key, self.beta * (learnt.actor @ rates))
        return self.swim(jnp.asarray(COMPASS, rates.dtype)[chosen]), self.note(
            learnt, percept, chosen
        )

    def rates(self, percept: Percept) -> Float[Array, "cells"]:
        """Of the place cells, now."""
        return percept.observation[: self.pool.cells]

    def learn(self, learnt: Learnt, percept: Percept) -> Learnt:
        """Changes values and preferences by what the last action has led to."""
        carried = self.carried(percept)
        # Who was carried learns about the place where it is; who swam, about the place from which it did.
        place = jnp.where(carried, self.rates(percept), learnt.rates)
        critic = learnt.critic + self.scaled(self.critic_lr) * self.error(learnt, percept) * place
        change = self.credit(learnt, percept) * learnt.rates
        actor = learnt.actor.at[learnt.chosen].add(
            change, mode="drop"
        )  # a ninth action is the affair of its agent
        return eqx.tree_at(lambda it: (it.critic, it.actor), learnt, (critic, actor))

    def error(self, learnt: Learnt, percept: Percept) -> Float[Array, ""]:
        """How much better it is than expected. The platform is worth 1, swum to or not."""
        value, next_value = learnt.critic @ learnt.rates, learnt.critic @ self.rates(percept)
        beyond = jnp.where(
            percept.feedback.terminated, 0, self.gamma ** (self.pool.interval / TICK) * next_value
        )
        error = jnp.where(
            self.carried(percept), 1 - next_value, percept.feedback.reward + beyond - value
        )
        return jnp.where(learnt.swam, error, 0)

    def credit(self, learnt: Learnt, percept: Percept) -> Float[Array, ""]:
        """By how much the preference for the last action changes, for each cell that was active."""
        return jnp.where(
            self.carried(percept), 0, self.scaled(self.actor_lr) * self.error(learnt, percept)
        )

    def carried(self, percept: Percept) -> Bool[Array, ""]:
        """Whether time ran out and it was put on the platform. There it is at rest, if it senses its heading: at the end
        of a probe trial it is not."""
        heading = percept.observation[self.pool.cells :][:2]
        rests = ~heading.any() if self.pool.heading else True
        return percept.feedback.truncated & self.pool.guided & rests

    def swim(self, direction: Float[Array, "2"]) -> Array:
        """The action of the pool that is this direction, or the nearest one of eight."""
        return (
            direction
            if self.pool.continuous
            else jnp.argmax(jnp.asarray(COMPASS, direction.dtype) @ direction)
        )

    def note(self, learnt: Learnt, percept: Percept, chosen: Int[Array, ""]) -> Learnt:
        """What was learnt, with what is done now."""
        return Learnt(
            learnt.critic, learnt.actor, self.rates(percept), chosen, ~percept.feedback.over
        )

    def scaled(self, lr: float) -> float:
        """The learning rate for these place cells, whose squared rates add up to their number times their area."""
        return (
            lr
            * (493 * 0.16**2)
            / (self.pool.cells * (self.pool.cell_width / self.pool.radius) ** 2)
        )
