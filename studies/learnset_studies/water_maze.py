"""The Morris water maze: one place for many days, and a new place every day."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import (
    ByGradient,
    Experience,
    learn,
    Lives,
    NothingLearnt,
    Outcome,
    Recipe,
    Rule,
    Setting,
)
from learnset.core import InputError, Split
from learnset.envs import (
    AbstractAgent,
    AbstractEnv,
    AbstractEnvs,
    Life,
    MatchingToPlace,
    ReferenceMemory,
    RevealedEnvs,
    SITES,
)
from learnset.rl import (
    A2C,
    AtRandom,
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
    answered,
    seconds_of,
    store,
    store_result,
    stored,
    stored_result,
    summary,
    TRAINING_OPTIONS,
    without,
)
from ._pages import select
from ._water_maze_lives import (
    arrays,
    compared_with_rats,
    first_success,
    Latency,
    POOL,
    preferences,
    probes,
    TRIALS,
)
from ._water_maze_weights import (
    from_many_swims,
    from_one_swim,
    maml,
    maml_steps,
    step_sizes,
    SWIMS,
    Swims,
)

EASIER = MatchingToPlace(POOL, largest=0.2)  # of training
ACTOR_CRITIC_POOL = dataclasses.replace(POOL, cells=97, cell_width=0.16)
VALIDATION = 24  # days, at most
RL2 = "RL²"
FORGETFUL = "RL² without memory across trials"
BOUND = "policy that observes the platform"
AVERAGED = "averaged policy"
RECURRENT = partial(RecurrentAgent, critic_shapes_memory=True)
STORED_DAYS = 80  # on which stored agents swim


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
        """Trains and scores. `options` go to `learn`. Probe trials go to `drawings.npz`."""
        if from_pretrained:  # fewer days, and all other learners as in the kept run
            self = dataclasses.replace(self, days=min(self.days, STORED_DAYS))
            agents, seconds = stored("water-maze-rl2", self._recurrent, self.seeds), {}
            kept = stored_result("water-maze")
        else:
            agents, kept, seconds = self._trained(folder, key, options)
            store(agents, folder / "trained" / "water-maze-rl2.npz")
            store_result(kept, folder / "trained" / "water-maze.json")
        days = self._question(MatchingToPlace(POOL))
        models = {RL2: without(agents), FORGETFUL: without(agents, keeps_memory=False)}
        lived = {name: days.lives(agent, key=key) for name, agent in models.items()}
        rows = [row for name, both in lived.items() for row in _trial_rows(name, *both)]
        envs, life = lived[RL2]
        swum = first_success(jax.tree.map(np.asarray, life), np.asarray(envs.platforms[:, 0]))
        rows += [*kept["rows"], *self._preference(models, folder, key)]
        moved, fixed = (
            np.array([r["value"] for r in select(rows, part=part, recipe=name)])
            for part, name in (("matching to place", RL2), ("reference memory", "actor-critic"))
        )
        return {
            "rows": rows,
            "training": seconds,
            "real": compared_with_rats(moved, fixed),
            "step_sizes": kept["step_sizes"],
            "figures": {"swims": swum, "search": "drawings.npz"},
            "sizes": dataclasses.asdict(self),
        }

    def _trained(
        self, folder: Path, key: Key[Array, ""], options: Any
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Agents with a memory, what comes with them when they are stored, and the seconds of
        trainings: all other learners, and the agents in training and at one place for days."""
        days = self._question(MatchingToPlace(POOL))
        rl2, told, policies = self._experiences(key, options | {"out": folder / "checkpoints"})
        pretrained = self._recipe(AVERAGED, Setting.POOLED)
        further = maml(pretrained, maml_steps(self.steps))
        models, seconds, stages = {}, {}, {}
        for recipe, experience in (
            (self._recipe(RL2, Setting.META, partial(days.mean_of, key=key)), rl2),
            (self._recipe(BOUND, Setting.BOUND), told),
            (pretrained, policies),
            (further, policies),
        ):
            learnt = experience.learnt(recipe)
            models[recipe.name], seconds[recipe.name] = learnt.of_one, seconds_of(learnt)
            stages |= learnt.scores

        def ask(experience: Experience, question: Lives, *recipes: Recipe) -> list[Outcome]:
            return list(answered(experience.ask(question, recipes, models=models)))

        starts = (None, pretrained, further)
        one = ask(policies, days, *from_one_swim(starts), pretrained)
        swims = self._question(Swims(MatchingToPlace(POOL)), days=self.animals)
        swims = dataclasses.replace(swims, repeats=SWIMS, at_once=8)
        many = ask(policies, swims, *from_many_swims(starts))
        seeing = self._question(RevealedEnvs(MatchingToPlace(POOL)), seeds=told.seeds)
        new = [*one, *ask(told, seeing, Recipe(BOUND, Setting.BOUND)), *self._actor_critics(key)]
        remembered = self._question(ReferenceMemory(POOL), days=self.animals)
        same = [*self._one_place(key), *ask(rl2, remembered, Recipe(RL2, Setting.META))]
        rows = _rows("matching to place", new, "trial", last=TRIALS)
        rows += _rows("reference memory", same, "trial")
        rows += _rows("many swims", many, "step", first=0) + _stage_rows(stages)
        chosen = {each[0].name: step_sizes(*each) for each in zip(one, many, strict=False)}
        return models[RL2], {"rows": rows, "step_sizes": chosen}, seconds

    draw = staticmethod(_water_maze_figures.draw)
    page = staticmethod(_water_maze_page.page)

    def _question(
        self, envs: AbstractEnvs, *, seeds: int | None = None, days: int | None = None
    ) -> Lives:
        """Held-out days, with the study's numbers of seeds and days or others."""
        validation = min(VALIDATION, self.animals)
        return Lives(envs, Latency(), seeds or self.seeds, validation, days or self.days)

    def _experiences(self, key: Key[Array, ""], options: Any) -> list[Experience]:
        """Of recurrent agents, of policies that observe the platform, and of policies without
        memory, which learn a new place by their weights."""
        out = options.pop("out")

        def experience(
            name: str, envs: AbstractEnvs, agent: Callable[..., AbstractAgent], seeds: int
        ) -> Experience:
            return learn(
                lambda key: agent(envs.sample(Split.TRAIN, key=key), width=self.width, key=key),
                self._question(envs, seeds=seeds),
                key=key,
                out=out / name,
                **options,
            )

        seeing = partial(RecurrentAgent, keeps_memory=False)
        return [
            experience("recurrent", EASIER, RECURRENT, self.seeds),
            experience("told", RevealedEnvs(EASIER), seeing, min(self.seeds, 2)),
            experience("policies", EASIER, ReactiveAgent, self.seeds),
        ]

    def _recurrent(self, key: Key[Array, ""]) -> RecurrentAgent:
        return RECURRENT(EASIER.sample(Split.TRAIN, key=key), width=self.width, key=key)

    def _recipe(
        self, name: str, setting: Setting, score: Callable[[Any], Any] | None = None
    ) -> Recipe:
        """Training over days; RL², which is scored on the way, longer and with guesses."""
        steps = max(1, self.steps // 3) if score is None else self.steps
        parts = () if score is None else (0.0, 0.15, 0.3, 0.5, 0.75, 1.0)
        objective = Objective(
            discount=0.98,
            entropy=0.02,
            entropy_end=0.002,
            anneal=steps,
            value_cost=0.1,
            guess_cost=0.0 if score is None else 1.0,
        )
        rate = optax.linear_schedule(1e-3, 1e-4, steps)
        learner = ByGradient(
            A2C(self.horizon, objective, endless=True),
            steps=steps,
            tasks_per_step=self.tasks_per_step,
            optimiser=optax.chain(optax.clip_by_global_norm(0.5), optax.adam(rate)),
            score=score,
            score_at=tuple(sorted({round(steps * part) for part in parts})),
        )
        return Recipe(name, setting, (learner,))

    def _actor_critics(self, key: Key[Array, ""]) -> list[Outcome]:
        """Latencies of new days of actor-critics on place cells: new every day, or on day 9."""
        habits = PlaceActorCritic(ACTOR_CRITIC_POOL)
        each_day = {"new actor-critic each day": habits}
        later = {
            "actor-critic after eight days": habits,
            "actor-critic with coordinates after eight days": CoordinateActorCritic(habits),
        }
        return [
            *self._lived(MatchingToPlace(ACTOR_CRITIC_POOL), each_day, Setting.SCRATCH, key),
            *self._lived(MatchingToPlaceDays(ACTOR_CRITIC_POOL), later, Setting.TRANSFER, key),
        ]

    def _one_place(self, key: Key[Array, ""]) -> list[Outcome]:
        """Latencies of nine days of four trials; the platform moves after the seventh."""
        habits = PlaceActorCritic(ACTOR_CRITIC_POOL)
        coordinates = CoordinateActorCritic(habits)
        agents = {"actor-critic": habits, "actor-critic with coordinates": coordinates}
        return self._lived(ReferenceMemory(ACTOR_CRITIC_POOL), agents, Setting.SCRATCH, key)

    def _lived(
        self,
        envs: AbstractEnvs,
        agents: Mapping[str, AbstractAgent],
        setting: Setting,
        key: Key[Array, ""],
    ) -> list[Outcome]:
        """Agents without training, all animals of one seed."""
        question = self._question(envs, seeds=1, days=self.animals)
        recipes = [
            Recipe(name, setting, (NothingLearnt(Rule(agent)),)) for name, agent in agents.items()
        ]
        experience = learn(lambda key: AtRandom(len(agents)), question, key=key)
        return list(answered(experience.ask(question, recipes)))

    def _preference(
        self, models: Mapping[str, Any], folder: Path, key: Key[Array, ""]
    ) -> list[dict[str, Any]]:
        """Search in the first minute of a probe trial, after one trial at one of eight places."""
        # As many trials as days have, though two would do: the program is compiled already.
        question, rows = self._question(MatchingToPlace(POOL, sites=SITES, probe=1)), []
        for name in (RL2, FORGETFUL):
            envs, life = question.lives(models[name], key=key)
            platforms = np.asarray(envs.platforms[:, 0])
            # On the host at once: thousands of paths are read from it, one by one.
            swims = probes(jax.tree.map(np.asarray, life))
            if name == RL2:
                write_npz(folder / "drawings.npz", **arrays(swims, platforms))
            shares = preferences(swims, platforms)
            row = {"part": "probe", "recipe": name, "setting": Setting.META.value, "tasks": "new"}
            row |= {"quantity": "search preference, %", "chance": 12.5}
            rows.append(row | {"undefined": int(np.isnan(shares).sum())} | _filled(100 * shares))
        return rows


def _rows(
    part: str, outcomes: list[Outcome], axis: str, *, first: int = 1, last: int = 0
) -> list[dict[str, Any]]:
    """A row for each recipe and each of its watched places (or the `last` ones), counted from
    `first`."""
    return [
        {"part": part, "recipe": outcome.name, "setting": outcome.recipe.setting.value}
        | {"tasks": "new", axis: i + first, "quantity": "latency, s"}
        | summary(outcome.of_tasks[0, ..., place])
        for outcome in outcomes
        for i, place in enumerate(outcome.watched[-last:])
    ]


@eqx.filter_jit
def _latencies(envs: AbstractEnv, life: Life) -> Float[Array, "seeds days trials"]:
    """Latencies in all lives."""
    return eqx.filter_vmap(jax.vmap(Latency().of_life), in_axes=(None, 0))(envs, life)


def _trial_rows(name: str, envs: AbstractEnv, life: Life) -> list[dict[str, Any]]:
    """A row for each trial at a new place of agents with a memory, or without it."""
    latencies = np.asarray(_latencies(envs, life))
    common = {"part": "matching to place", "recipe": name, "setting": Setting.META.value}
    return [
        common
        | {"tasks": "new", "trial": trial + 1, "quantity": "latency, s"}
        | summary(latencies[..., trial])
        for trial in range(TRIALS)
    ]


def _stage_rows(stages: Mapping[int, Float[np.ndarray, "seeds trials"]]) -> list[dict[str, Any]]:
    """A row for each stage of training and trial."""
    return [
        {"part": "stages", "recipe": RL2, "setting": Setting.META.value, "tasks": "new"}
        | {"steps": stage, "trial": trial + 1, "quantity": "latency, s"}
        | {"value": float(np.mean(values, axis=0)[trial])}
        | {"by_seed": [round(float(seed[trial]), 2) for seed in values]}
        for stage, values in stages.items()
        for trial in range(TRIALS)
    ]


def _filled(values: Float[np.ndarray, "seeds days"]) -> dict[str, Any]:
    """The summary of means over days, days without a value left out."""
    means = np.nanmean(values, axis=1, keepdims=True)
    return summary(np.where(np.isnan(values), means, values))
