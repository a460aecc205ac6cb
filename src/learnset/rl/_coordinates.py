"""An actor-critic that also learns coordinates, by which it finds back to where the platform was last."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..core import check_not_negative, InputError, Split
from ..envs import AbstractAgent, AbstractEnvs, MatchingToPlace, Percept, Pool, WaterMaze
from ._place_actor_critic import COMPASS, Learnt, PlaceActorCritic, TICK

TOWARDS = len(COMPASS)  # the ninth action: towards the remembered goal


class Chart(eqx.Module):
    """Coordinates of all places, and those of the goal."""

    weights: Float[
        Array, "2 cells"
    ]  # coordinates are these times the rates of the place cells: metres
    trace: Float[Array, "cells"]  # how active cells have been of late
    goal: Float[Array, "2"]  # metres, in these coordinates
    known: Bool[Array, ""]  # whether there is a goal


class Navigation(eqx.Module):
    """What is remembered: habits, the chart, and how much the chart is preferred to habits."""

    learnt: Learnt
    chart: Chart
    preference: Float[Array, ""]


class CoordinateActorCritic(AbstractAgent):
    """An actor-critic with one more action: to swim towards where the platform was found last.

    For this it learns coordinates of places, linear in the rates of the place cells, by temporal differences: those of
    two places have to differ by the way swum between them, as the animal senses it (its heading, times speed and time).
    They say nothing of any platform, so that they are as good on a new day as on the old one. Of a step that the wall has
    bent only the direction behind it is sensed; with decisions every half second this stretches them in the long run.

    The actor chooses the ninth action like the others, and errors of the critic reinforce it by as much. But it has one
    preference for all places: coordinates lead to the goal from everywhere, and reinforced place by place the action
    hardly came to be chosen at ten decisions a second. In a pool whose actions are eight directions, the nearest is taken.

    The goal is where the animal was on the platform last. It is forgotten when the animal comes there, as near as the
    radius of a platform in its own coordinates, and finds none; without a goal the ninth action is a random direction,
    and reinforced as that direction. So the agent needs no word of the day's beginning.

    On delayed matching-to-place one-trial learning comes about within days, as coordinates get better and the preference
    for them grows.

    Source: Foster, Morris & Dayan 2000, *A model of hippocampally dependent navigation, using the temporal difference
    learning rule*; learning rate and trace of coordinates from the code of the authors of Tessereau et al. 2021, as for
    `PlaceActorCritic`. What ends a goal, and the one preference, are our choice: we had no copy of the paper's text.

    **Arguments:**

    - `habits`: the actor-critic, with its pool. Heading must be sensed in it.
    - `trace`: what is left after 0.1 s of the trace of a cell's rate: the lambda of TD(lambda).

    >>> import equinox as eqx, jax.random as jr, learnset as ls
    >>> days = ls.rl.MatchingToPlaceDays(days=2).sample(ls.Split.TEST, key=jr.key(0))
    >>> agent = ls.rl.CoordinateActorCritic(ls.rl.PlaceActorCritic(days.pool))
    >>> int(eqx.filter_jit(ls.envs.live)(agent, days, key=jr.key(1)).over.sum())  # trials
    8
    """

    habits: PlaceActorCritic
    coordinate_lr: float = 0.02  # with 493 cells of 0.16 m in a pool of 1 m
    trace: float = 0.8

    def __check_init__(self):
        check_not_negative(
            "CoordinateActorCritic", coordinate_lr=self.coordinate_lr, trace=self.trace
        )
        if not self.habits.pool.heading:
            raise InputError(
                "CoordinateActorCritic: the pool has `heading=False`, but the way swum is sensed by heading."
            )

    def begin(self) -> Navigation:
        learnt = self.habits.begin()
        nothing, zero = jnp.zeros_like(learnt.critic), jnp.zeros(())
        chart = Chart(jnp.stack([nothing, nothing]), nothing, jnp.zeros(2), jnp.asarray(False))
        return Navigation(learnt, chart, zero)

    def act(
        self, memory: Navigation, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Array, Navigation]:
        rates = self.habits.rates(percept)
        memory = self._learn(memory, percept)
        choice_key, random_key = jr.split(key)
        preferences = jnp.append(memory.learnt.actor @ rates, memory.preference)
        chosen = jr.categorical(choice_key, self.habits.beta * preferences)
        lost = (chosen == TOWARDS) & ~memory.chart.known
        chosen = jnp.where(lost, jr.randint(random_key, (), 0, TOWARDS), chosen)

        way = memory.chart.goal - memory.chart.weights @ rates
        way = way / jnp.maximum(jnp.sqrt((way**2).sum()), 1e-6)
        direction = jnp.where(
            chosen == TOWARDS, way, jnp.asarray(COMPASS, rates.dtype)[chosen % TOWARDS]
        )
        learnt = self.habits.note(memory.learnt, percept, chosen)
        return self.habits.swim(direction), Navigation(learnt, memory.chart, memory.preference)

    def _learn(self, memory: Navigation, percept: Percept) -> Navigation:
        last = memory.learnt
        credit = self.habits.credit(last, percept) * (
            last.rates @ last.rates
        )  # as a preference changes at its place
        preference = memory.preference + jnp.where(last.chosen == TOWARDS, credit, 0)
        chart = self._remember(self._survey(memory.chart, last, percept), percept)
        return Navigation(self.habits.learn(last, percept), chart, preference)

    def _survey(self, chart: Chart, last: Learnt, percept: Percept) -> Chart:
        """Coordinates, better by the step just swum. Not by a trial's last one, which may end in being carried."""
        pool, rates = self.habits.pool, self.habits.rates(percept)
        swam = (last.swam & ~percept.feedback.over).astype(rates.dtype)
        trace = swam * (self.trace ** (pool.interval / TICK) * chart.trace + last.rates)
        way = pool.speed * pool.interval * percept.observation[pool.cells : pool.cells + 2]
        error = chart.weights @ (rates - last.rates) - way
        weights = (
            chart.weights
            + self.habits.scaled(self.coordinate_lr) * swam * error[:, None] * trace[None]
        )
        return Chart(weights, trace, chart.goal, chart.known)

    def _remember(self, chart: Chart, percept: Percept) -> Chart:
        """The goal: here, if here is the platform, and none, if it should be here and is not."""
        on_platform = percept.feedback.terminated | self.habits.carried(percept)
        here = chart.weights @ self.habits.rates(percept)
        away = ((here - chart.goal) ** 2).sum()
        missed = chart.known & (away < self.habits.pool.platform_radius**2)
        goal = jnp.where(on_platform, here, chart.goal)
        return Chart(chart.weights, chart.trace, goal, on_platform | (chart.known & ~missed))


class MatchingToPlaceDays(AbstractEnvs):
    """Many days of delayed matching-to-place as one task, for those who learn from day to day: the platform is somewhere
    else every day. Places and starts are drawn as for `MatchingToPlace`.

    Source: Steele & Morris 1999; nine days of four trials as in Foster, Morris & Dayan 2000.

    >>> import jax.random as jr, learnset as ls
    >>> ls.rl.MatchingToPlaceDays().sample(ls.Split.TEST, key=jr.key(0)).trials
    36
    """

    pool: Pool = eqx.field(static=True, default=Pool())
    days: int = eqx.field(static=True, default=9)
    trials_a_day: int = eqx.field(static=True, default=4)
    reach: float = eqx.field(static=True, default=0.85)  # metres
    sites: tuple[tuple[float, float], ...] = eqx.field(static=True, default=())  # metres

    def __check_init__(self):
        if self.days < 1:
            raise InputError(f"MatchingToPlaceDays: `days={self.days}`, but it must be at least 1.")

    @property
    def trials(self) -> int:
        return self.days * self.trials_a_day

    def sample(self, split: Split, *, key: Key[Array, ""]) -> WaterMaze:
        day = MatchingToPlace(self.pool, self.trials_a_day, self.reach, self.sites)
        mazes = day.draw(self.days, split, key=key)
        return WaterMaze(
            mazes.platforms.reshape(-1, 2),
            mazes.starts.reshape(-1, 2),
            mazes.probe.reshape(-1),
            self.pool,
        )
