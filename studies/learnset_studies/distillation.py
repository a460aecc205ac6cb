"""Algorithm distillation on bandits: can a network learn to learn by watching a learner?"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import (
    ByGradient,
    learn,
    Lives,
    NothingLearnt,
    Outcome,
    Recipe,
    Rule,
    Setting,
)
from learnset.core import InputError, interval, Split
from learnset.envs import AbstractAgent, Bandits
from learnset.rl import AlgorithmDistillation, AtRandom, RecurrentAgent, ThompsonSampling, UCB1

from . import _distillation_page
from ._agents import answered, ExpectedRegret, seconds_of, stored, TRAINING_OPTIONS, without
from ._distillation_page import BLIND, PULLS, RL2, STUDENT, TEACHER
from ._pages import significant
from .bandits import BanditStudy, CS

ARMS = 10
BANDITS = Bandits(ARMS, PULLS, moments=2)  # as the stored agents were trained on
WATCHED = tuple(round(0.01 * percent, 2) for percent in (0, 3, 10, 20, 35, 50, 75, 100))


@dataclasses.dataclass(frozen=True)
class DistillationStudy:
    """The study's sizes."""

    reads: ClassVar[frozenset[str]] = TRAINING_OPTIONS

    steps: int = 1000
    bandits: int = 2000  # held-out bandits, the same for all
    tasks_per_step: int = 64
    width: int = 64

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"distillation: `{name}={value}`, but it must be at least 1.")

    def quick(self) -> "DistillationStudy":
        """A fast run of all parts, whose student learns little."""
        return DistillationStudy(40, 200, 32, 32)

    def with_steps(self, steps: int) -> "DistillationStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains the student and scores it. `options` go to `learn`."""
        trained = BanditStudy()  # whose agents come with the studies
        question = Lives(
            BANDITS,
            ExpectedRegret(),
            seeds=trained.seeds,
            test_tasks=self.bandits,
            length=PULLS,
        )
        out = folder / "checkpoints"
        experience = learn(_network(self.width), question, key=key, out=out, **options)
        known = answered(experience.ask(question, _rules()))
        c = CS[known[TEACHER].chosen[0][0].learner]
        learnt = experience.learnt(self._watching(UCB1(ARMS, c), question, key))
        models = {
            STUDENT: without(learnt.of_one),
            BLIND: without(learnt.of_one, senses_reward=False),
        }
        agents = stored(f"bandits-{PULLS}-{ARMS}", _network(trained.width), trained.seeds)
        models[RL2] = without(agents)
        recipes = [Recipe(name, Setting.META) for name in models]
        outcomes = [*known, *answered(experience.ask(question, recipes, models=models))]
        return {
            "rows": [row for outcome in outcomes for row in _rows(outcome)],
            "training": {STUDENT: seconds_of(learnt)},
            "c": c,
            "lived": 2 * trained.steps * trained.tasks_per_step,  # bandits, by each agent of RL²
            "figures": {
                "regret": {
                    "by_pull": {each.name: significant(each.curve(None)) for each in outcomes},
                    "by_bandits": _course(learnt.scores, self.tasks_per_step),
                }
            },
        }

    draw = staticmethod(_distillation_page.draw)
    page = staticmethod(_distillation_page.page)

    def _watching(self, teacher: AbstractAgent, question: Lives, key: Key[Array, ""]) -> Recipe:
        """Students of a teacher, scored in the course of training."""
        rate = optax.linear_schedule(3e-3, 1e-4, self.steps)
        learner = ByGradient(
            AlgorithmDistillation(teacher, PULLS),
            steps=self.steps,
            tasks_per_step=self.tasks_per_step,
            optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate)),
            score=lambda models: question.mean_of(models, key=key),
            score_at=tuple(sorted({round(self.steps * part) for part in WATCHED})),
        )
        return Recipe(STUDENT, Setting.META, (learner,))


def _network(width: int) -> Any:
    def network(key: Key[Array, ""]) -> RecurrentAgent:
        return RecurrentAgent(BANDITS.sample(Split.TRAIN, key=key), width=width, key=key)

    return network


def _rules() -> list[Recipe]:
    """The teacher, with candidates to choose from, another rule, and chance."""
    agents = {
        "random": [AtRandom(ARMS)],
        TEACHER: [UCB1(ARMS, c) for c in CS],
        "Thompson": [ThompsonSampling(ARMS)],
    }
    return [
        Recipe(
            name,
            Setting.BOUND if name == "random" else Setting.SCRATCH,
            tuple(NothingLearnt(Rule(agent)) for agent in some),
        )
        for name, some in agents.items()
    ]


def _course(
    scores: Mapping[int, Float[np.ndarray, "seeds pulls"]], bandits: int
) -> list[dict[str, Any]]:
    """The regret after the last pull, by seed, after a number of watched bandits."""
    return [
        {"bandits": step * bandits, "by_seed": [round(float(seed[-1]), 3) for seed in regret]}
        for step, regret in scores.items()
    ]


def _rows(outcome: Outcome) -> list[dict[str, Any]]:
    """Rows after some pulls. All seeds met the same bandits, so that the interval is over the mean
    of the seeds on each."""
    rows = []
    for pulls in (10, 30, PULLS):
        regret = outcome.of_tasks[0, ..., pulls - 1]
        mean, half = interval(regret.mean(axis=0, keepdims=True))
        about = {"part": "bandits", "recipe": outcome.name}
        about |= {"setting": outcome.recipe.setting.value, "tasks": "new", "pulls": pulls}
        about |= {"quantity": "expected regret", "value": mean, "ci95": half}
        about |= {"num_tasks": int(regret.size)}
        by_seed = [round(float(seed), 3) for seed in regret.mean(axis=1)]
        rows.append(about | {"by_seed": by_seed})
    return rows
