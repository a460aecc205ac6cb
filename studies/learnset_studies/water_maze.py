"""The Morris water maze: one place for many days, and a new place every day."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import seed_keys, Setting
from learnset.core import InputError, Split
from learnset.envs import (
    AbstractEnv,
    AbstractEnvs,
    AbstractWrapper,
    Life,
    MatchingToPlace,
    ReferenceMemory,
    SITES,
)
from learnset.rl import (
    A2C,
    CoordinateActorCritic,
    MatchingToPlaceDays,
    Objective,
    PlaceActorCritic,
    ReactiveAgent,
    RecurrentAgent,
)
from learnset.training import write_npz

from . import _water_maze_figures, _water_maze_page
from ._agents import (
    drawn,
    life_of,
    lives,
    store,
    stored,
    summary,
    Training,
    TRAINING_OPTIONS,
    without,
)
from ._water_maze_lives import (
    arrays,
    compared_with_rats,
    first_success,
    latencies,
    POOL,
    preferences,
    probes,
    TRIALS,
)
from ._water_maze_weights import best_lrs, by_step, by_trial, maml, maml_steps

EASIER = MatchingToPlace(POOL, largest=0.2)  # of training
ACTOR_CRITIC_POOL = dataclasses.replace(POOL, cells=97, cell_width=0.16)
FORGETFUL = "RL² without memory across trials"
BOUND = "policy that observes the platform"
AGENTS = {"RL2": "RL²", "told the place": BOUND}  # files of agents, and their names
POLICIES = {
    "scratch": ("new policy", Setting.SCRATCH),
    "transfer": ("pretrained policy", Setting.TRANSFER),
    "MAML": ("MAML policy", Setting.META),
}
Seconds = dict[tuple[str, Setting], Float[np.ndarray, "seeds days trials"]]  # by learner


class Told(AbstractWrapper):
    """The same maze with the platform observed: the bound."""

    env: AbstractEnv

    def observe(self, state: Any) -> Float[Array, "observation"]:
        return jnp.concatenate([self.env.observe(state), self.env.secret(state)])


class ToldDays(AbstractEnvs):
    """Days with the platform observed."""

    days: MatchingToPlace

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Told:
        return Told(self.days.sample(split, key=key))


@dataclasses.dataclass(frozen=True)
class WaterMazeStudy:
    """The study's sizes."""

    reads: ClassVar[frozenset[str]] = TRAINING_OPTIONS | {"from_pretrained"}

    steps: int = 1200
    seeds: int = 5
    days: int = 200  # held-out days, the same for all
    animals: int = 64  # held-out days, or whole lives, of the slower learners by weights
    tasks_per_step: int = 32
    width: int = 64
    horizon: int = 300  # environment steps of a training day

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"water-maze: `{name}={value}`, but it must be at least 1.")

    def quick(self) -> "WaterMazeStudy":
        """A fast run of all parts, whose agents learn little."""
        return WaterMazeStudy(40, 2, 40, 8, 16, 32)

    def with_steps(self, steps: int) -> "WaterMazeStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(
        self, folder: Path, key: Key[Array, ""], from_pretrained: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Trains and scores. `options` go to `train`. Probe trials go to `drawings.npz`."""
        if from_pretrained:  # nothing is trained, so nothing else should take long
            self = dataclasses.replace(self, days=min(self.days, 40), animals=min(self.animals, 8))
        test = drawn(MatchingToPlace(POOL), self.days, Split.TEST, jr.fold_in(key, 20))
        agents, stages, seconds = self._agents(test, folder, key, from_pretrained, options)
        policies, lrs, more = self._policies(test, folder, key, from_pretrained, options)
        days, life = self._matching_to_place(agents, policies, lrs, test, key)
        swims = self._many_swims(policies, lrs, key)
        reference = self._reference_memory(agents["RL2"], key)
        preference = self._preference(agents["RL2"], folder, key)
        rows = _rows("matching to place", days, "trial")
        rows += _rows("reference memory", reference, "trial")
        rows += _rows("many swims", swims, "step", first=0)
        rows += preference + _stage_rows(stages)
        rl2, actor_critic = days["RL²", Setting.META], reference["actor-critic", Setting.SCRATCH]
        platforms = np.asarray(test.platforms[:, 0])
        return {
            "rows": rows,
            "training": seconds | more,
            "real": compared_with_rats(rl2.mean(axis=(0, 1)), actor_critic.mean(axis=(0, 1))),
            "step_sizes": {
                POLICIES[name][0]: [round(float(lr), 3) for lr in lrs[name]] for name in POLICIES
            },
            "figures": {"swims": first_success(life, platforms), "search": "drawings.npz"},
            "sizes": dataclasses.asdict(self),
        }

    draw = staticmethod(_water_maze_figures.draw)
    page = staticmethod(_water_maze_page.page)

    def _agents(
        self, test: Any, folder: Path, key: Key[Array, ""], from_pretrained: bool, options: Any
    ) -> tuple[dict[str, RecurrentAgent], dict[str, dict], dict[str, dict]]:
        """Recurrent agents, their latencies in the course of training, and its seconds."""
        agents, stages, seconds = {}, {}, {}
        for number, name, envs, at_the_end, options_of_agent in (
            (0, "RL2", EASIER, test, {"critic_shapes_memory": True}),
            (4, "told the place", ToldDays(EASIER), Told(test), {"keeps_memory": False}),
        ):
            training = self._training(short=name != "RL2", guesses=name == "RL2")
            seeds = self.seeds if name == "RL2" else min(self.seeds, 2)
            start = training.new(envs, seed_keys(key, number, seeds), **options_of_agent)
            if from_pretrained:
                agents[name] = stored(_file(name), start)
                continue
            agents[name], stages[AGENTS[name]], seconds[AGENTS[name]] = training.run(
                name,
                start,
                envs,
                folder,
                seed_keys(key, number + 1, seeds),
                _score(at_the_end, key),
                options,
            )
            store(agents[name], folder / "trained" / f"{_file(name)}.npz")
        return agents, stages, seconds

    def _policies(
        self, test: Any, folder: Path, key: Key[Array, ""], from_pretrained: bool, options: Any
    ) -> tuple[dict[str, ReactiveAgent], dict[str, Array], dict[str, dict]]:
        """Policies without memory, which learn a new place by their weights; their step sizes,
        chosen on validation days; and the seconds of training."""
        env = EASIER.sample(Split.TRAIN, key=jr.key(0))
        training = self._training(short=True, guesses=False)
        new = eqx.filter_vmap(lambda k: ReactiveAgent(env, width=self.width, key=k))(
            seed_keys(key, 6, self.seeds)
        )
        if from_pretrained:
            policies = {
                name: new if name == "scratch" else stored(_file(name), new) for name in POLICIES
            }
            return policies, stored(_file("step sizes"), dict.fromkeys(POLICIES, jnp.zeros(2))), {}
        validation = drawn(
            MatchingToPlace(POOL), min(self.days, 24), Split.VALIDATION, jr.fold_in(key, 28)
        )
        lr_key, policies, lrs, seconds = jr.fold_in(key, 29), {"scratch": new}, {}, {}
        policies["transfer"], _, seconds["pretrained policy"] = training.run(
            "reactive policy",
            new,
            EASIER,
            folder,
            seed_keys(key, 7, self.seeds),
            _score(test, key),
            options,
        )
        lrs["transfer"] = best_lrs(policies["transfer"], validation, lr_key)
        policies["MAML"], seconds["MAML policy"] = maml(
            policies["transfer"],
            EASIER,
            float(lrs["transfer"][1]),
            steps=maml_steps(self.steps),
            folder=folder,
            key=key,
            **options,
        )
        lrs |= {name: best_lrs(policies[name], validation, lr_key) for name in ("scratch", "MAML")}
        for name in ("transfer", "MAML"):
            store(policies[name], folder / "trained" / f"{_file(name)}.npz")
        store(lrs, folder / "trained" / f"{_file('step sizes')}.npz")
        return policies, lrs, seconds

    def _matching_to_place(
        self, agents: dict, policies: dict, lrs: dict, test: Any, key: Key[Array, ""]
    ) -> tuple[Seconds, Life]:
        """Latencies of new days, and the lives of RL²."""
        score_key = jr.fold_in(key, 21)
        life = jax.tree.map(np.asarray, lives(agents["RL2"], test, score_key))
        forgetful = lives(without(agents["RL2"], keeps_memory=False), test, score_key)
        seconds = {
            ("RL²", Setting.META): latencies(life),
            (FORGETFUL, Setting.META): latencies(forgetful),
        }
        for name, learner in POLICIES.items():
            swum = by_trial(policies[name], test, lrs[name][0], score_key)
            seconds[learner] = np.asarray(swum)
        averaged = lives(policies["transfer"], test, score_key)
        bound = lives(agents["told the place"], Told(test), score_key)
        seconds["averaged policy", Setting.POOLED] = latencies(averaged)
        seconds[BOUND, Setting.BOUND] = latencies(bound)
        return seconds | self._actor_critics(key), life

    def _many_swims(self, policies: dict, lrs: dict, key: Key[Array, ""]) -> Seconds:
        """Latencies before and after steps of descent, each along a gradient of many swims."""
        mazes = drawn(MatchingToPlace(POOL), self.animals, Split.TEST, jr.fold_in(key, 20))
        return {
            learner: np.asarray(by_step(policies[name], mazes, lrs[name][1], jr.fold_in(key, 30)))
            for name, learner in POLICIES.items()
        }

    def _training(self, short: bool, guesses: bool) -> Training:
        steps = max(1, self.steps // 3) if short else self.steps
        parts = (0.0, 1.0) if short else (0.0, 0.15, 0.3, 0.5, 0.75, 1.0)
        stages = tuple(sorted({max(1, round(steps * part)) for part in parts}))
        rate = optax.linear_schedule(1e-3, 1e-4, steps)
        optimiser = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(rate))
        objective = Objective(
            discount=0.98,
            entropy=0.02,
            entropy_end=0.002,
            anneal=steps,
            value_cost=0.1,
            guess_cost=float(guesses),
        )
        method = A2C(self.horizon, objective, endless=True)
        return Training(method, optimiser, stages, self.tasks_per_step, self.width)

    def _actor_critics(self, key: Key[Array, ""]) -> Seconds:
        """Latencies of new days of actor-critics on place cells: new every day, or on day 9."""
        days = drawn(
            MatchingToPlaceDays(ACTOR_CRITIC_POOL), self.animals, Split.TEST, jr.fold_in(key, 22)
        )
        one_day = drawn(
            MatchingToPlace(ACTOR_CRITIC_POOL), self.animals, Split.TEST, jr.fold_in(key, 23)
        )
        habits, key = PlaceActorCritic(ACTOR_CRITIC_POOL), jr.fold_in(key, 24)
        new = latencies(life_of(habits, one_day, key))
        seconds: Seconds = {("new actor-critic each day", Setting.SCRATCH): new}
        for name, agent in (
            ("actor-critic after eight days", habits),
            ("actor-critic with coordinates after eight days", CoordinateActorCritic(habits)),
        ):
            whole = latencies(life_of(agent, days, key), days.trials)
            seconds[name, Setting.TRANSFER] = whole[..., -TRIALS:]
        return seconds

    def _reference_memory(self, agents: RecurrentAgent, key: Key[Array, ""]) -> Seconds:
        """Latencies of nine days of four trials; the platform moves after the seventh."""
        key = jr.fold_in(key, 25)
        fine = drawn(ReferenceMemory(ACTOR_CRITIC_POOL), self.animals, Split.TEST, key)
        coarse = drawn(ReferenceMemory(POOL), self.animals, Split.TEST, key)
        habits = PlaceActorCritic(ACTOR_CRITIC_POOL)
        by_coordinates = life_of(CoordinateActorCritic(habits), fine, key)
        return {
            ("actor-critic", Setting.SCRATCH): latencies(life_of(habits, fine, key), 36),
            ("actor-critic with coordinates", Setting.SCRATCH): latencies(by_coordinates, 36),
            ("RL²", Setting.META): latencies(lives(agents, coarse, key), 36),
        }

    def _preference(
        self, agents: RecurrentAgent, folder: Path, key: Key[Array, ""]
    ) -> list[dict[str, Any]]:
        """Search in the first minute of a probe trial, after one trial at one of eight places."""
        # As many trials as days have, though two would do: the program is compiled already.
        days = drawn(
            MatchingToPlace(POOL, sites=SITES, probe=1), self.days, Split.TEST, jr.fold_in(key, 26)
        )
        platforms, rows = np.asarray(days.platforms[:, 0]), []
        for name, model in (("RL²", agents), (FORGETFUL, without(agents, keeps_memory=False))):
            # On the host at once: thousands of paths are read from it, one by one.
            life = jax.tree.map(np.asarray, lives(model, days, jr.fold_in(key, 27)))
            swims = probes(life)
            if model is agents:
                write_npz(folder / "drawings.npz", **arrays(swims, platforms))
            shares = preferences(swims, platforms)
            row = {"part": "probe", "recipe": name, "setting": Setting.META.value, "tasks": "new"}
            row |= {"quantity": "search preference, %", "chance": 12.5}
            rows.append(row | {"undefined": int(np.isnan(shares).sum())} | _filled(100 * shares))
        return rows


def _file(name: str) -> str:
    """The name of stored agents."""
    return f"water-maze-{name.lower().replace(' ', '-')}"


def _score(mazes: Any, key: Key[Array, ""]) -> Any:
    """Scores of agents in the course of training: mean latencies, by seed and trial."""
    return lambda model: latencies(lives(model, mazes, jr.fold_in(key, 21))).mean(axis=1)


def _rows(part: str, seconds: Seconds, axis: str, first: int = 1) -> list[dict[str, Any]]:
    """A row for each learner and each place of the last axis, counted from `first`."""
    return [
        {"part": part, "recipe": name, "setting": setting.value, "tasks": "new", axis: i + first}
        | {"quantity": "latency, s"}
        | summary(values[..., i])
        for (name, setting), values in seconds.items()
        for i in range(values.shape[-1])
    ]


def _stage_rows(stages: dict[str, dict[int, list]]) -> list[dict[str, Any]]:
    """A row for each stage of training and trial."""
    settings = {"RL²": Setting.META, BOUND: Setting.BOUND}
    return [
        {"part": "stages", "recipe": name, "setting": settings[name].value, "tasks": "new"}
        | {"steps": stage, "trial": trial + 1, "quantity": "latency, s"}
        | {"value": float(np.mean(values, axis=0)[trial])}
        | {"by_seed": [round(seed[trial], 2) for seed in values]}
        for name, by_stage in stages.items()
        for stage, values in by_stage.items()
        for trial in range(TRIALS)
    ]


def _filled(values: Float[np.ndarray, "seeds days"]) -> dict[str, Any]:
    """The summary of means over days, days without a value left out."""
    means = np.nanmean(values, axis=1, keepdims=True)
    return summary(np.where(np.isnan(values), means, values))
