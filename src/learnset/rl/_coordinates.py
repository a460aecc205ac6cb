"""An actor-critic that also learns coordinates, with which it returns to the last place of the
platform."""

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

    weights: Float[Array, "2 cells"]  # times the rates of the place cells: coordinates in metres
    trace: Float[Array, "cells"]  # the recent activity of the cells
    goal: Float[Array, "2"]  # metres, in these coordinates
    known: Bool[Array, ""]  # whether there is a goal


class Navigation(eqx.Module):
    """The memory: habits, the chart, and the preference for the chart."""

    learnt: Learnt
    chart: Chart
    preference: Float[Array, ""]


class CoordinateActorCritic(AbstractAgent):
    """An actor-critic with a ninth action: to swim towards the place where the platform was found
    last.

    For this it learns coordinates of places, linear in the rates of the place cells, by temporal
    differences: the coordinates of two places must differ by the path between them as the animal
    senses it (heading times speed and time). They do not depend on any platform, so that they are
    as good on a new day as on the old one. Of a step that the wall has bent, only the direction
    after the wall is sensed; with decisions every half second this stretches them in the long run.

    The actor chooses the ninth action like the others, and errors of the critic reinforce it by the
    same amount. But it has one preference for all places: coordinates lead to the goal from
    everywhere, and when the action was reinforced for each place separately, it was hardly ever
    chosen at ten decisions per second. In a pool whose actions are eight directions, the nearest
    one is taken.

    The goal is the last place where the animal was on the platform. It is forgotten when the animal
    comes within the radius of a platform of it, in its own coordinates, and finds none. Without a
    goal the ninth action is a random direction, and is reinforced as that direction. The agent
    therefore need not know when a day begins.

    On delayed matching-to-place, one-trial learning appears within days, as coordinates get better
    and the preference for them grows.

    Source: Foster, Morris & Dayan 2000, *A model of hippocampally dependent navigation, using the
    temporal difference learning rule*; learning rate and trace of coordinates from the code of the
    authors of Tessereau et al. 2021, as for `PlaceActorCritic`. The end of a goal and the single
    preference are our choice: we had no copy of the paper's text.

    **Arguments:**

    - `habits`: the actor-critic, with its pool, in which heading must be sensed.
    - `trace`: the remainder after 0.1 s of the trace of a cell's rate: the lambda of TD(lambda).

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
        rates = {"coordinate_lr": self.coordinate_lr, "trace": self.trace}
        check_not_negative("CoordinateActorCritic", **rates)
        if not self.habits.pool.heading:
            raise InputError(
                "CoordinateActorCritic: the pool has `heading=False`, but this agent senses its"
                " path by its heading. Use a pool with `heading=True`."
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

        towards = memory.chart.goal - memory.chart.weights @ rates
        towards = towards / jnp.maximum(jnp.sqrt((towards**2).sum()), 1e-6)
        compass = jnp.asarray(COMPASS, rates.dtype)[chosen % TOWARDS]
        direction = jnp.where(chosen == TOWARDS, towards, compass)
        learnt = self.habits.note(memory.learnt, percept, chosen)
        return self.habits.swim(direction), Navigation(learnt, memory.chart, memory.preference)

    def _learn(self, memory: Navigation, percept: Percept) -> Navigation:
        last = memory.learnt
        # As much as the preference for another action changes at its place.
        credit = self.habits.credit(last, percept) * (last.rates @ last.rates)
        preference = memory.preference + jnp.where(last.chosen == TOWARDS, credit, 0)
        chart = self._remember(self._survey(memory.chart, last, percept), percept)
        return Navigation(self.habits.learn(last, percept), chart, preference)

    def _survey(self, chart: Chart, last: Learnt, percept: Percept) -> Chart:
        """Coordinates improved by the last step, except the last one of a trial, after which the
        animal may have been carried."""
        pool, rates = self.habits.pool, self.habits.rates(percept)
        swam = (last.swam & ~percept.feedback.over).astype(rates.dtype)
        trace = swam * (self.trace ** (pool.interval / TICK) * chart.trace + last.rates)
        path = pool.speed * pool.interval * percept.observation[pool.cells : pool.cells + 2]
        error = chart.weights @ (rates - last.rates) - path
        change = self.habits.scaled(self.coordinate_lr) * swam * error[:, None] * trace[None]
        return Chart(chart.weights + change, trace, chart.goal, chart.known)

    def _remember(self, chart: Chart, percept: Percept) -> Chart:
        """The goal: this place if the animal is on the platform, and none if it is at the goal but
        not on a platform."""
        on_platform = percept.feedback.terminated | self.habits.carried(percept)
        place = chart.weights @ self.habits.rates(percept)
        squared = ((place - chart.goal) ** 2).sum()
        missed = chart.known & (squared < self.habits.pool.platform_radius**2)
        goal = jnp.where(on_platform, place, chart.goal)
        return Chart(chart.weights, chart.trace, goal, on_platform | (chart.known & ~missed))


class MatchingToPlaceDays(AbstractEnvs):
    """Many days of delayed matching-to-place as one task, for agents that learn from day to day:
    the platform is in another place every day. Places and starts are drawn as for
    `MatchingToPlace`.

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
        platforms, starts = mazes.platforms.reshape(-1, 2), mazes.starts.reshape(-1, 2)
        return WaterMaze(platforms, starts, mazes.probe.reshape(-1), self.pool)
