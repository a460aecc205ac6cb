"""Bernoulli bandits: RL² and known rules, table 1 of Duan et al. 2016."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Key

from learnset.comparison import (
    ByGradient,
    Comparison,
    Experience,
    learn,
    Lives,
    NothingLearnt,
    Outcome,
    Recipe,
    Rule,
    Setting,
    TotalReward,
)
from learnset.core import InputError, interval, Split
from learnset.envs import AbstractAgent, AbstractEnvs, Bandits
from learnset.rl import (
    A2C,
    AtRandom,
    EpsilonGreedy,
    Gittins,
    Greedy,
    Objective,
    OptimisticThompsonSampling,
    RecurrentAgent,
    ThompsonSampling,
    UCB1,
)

from . import _bandits_page
from ._agents import (
    answered,
    ExpectedRegret,
    seconds_of,
    store,
    store_result,
    stored,
    stored_result,
    TRAINING_OPTIONS,
)
from ._bandits_page import COLUMNS, PUBLISHED, SOURCE
from ._pages import significant

RL2 = "RL²"
CELLS = tuple(PUBLISHED)
PICTURED = (100, 10)
LEARNT = ((10, 5), (10, 10), (100, 5), (100, 10))  # cells in which RL² is trained
CS = (0.1, 0.2, 0.3, 0.5, 0.8)  # of UCB1, to choose from
EPSILONS = (0.0, 0.01, 0.02, 0.05, 0.1)  # of ε-greedy, to choose from


@dataclasses.dataclass(frozen=True)
class BanditStudy:
    """The study's sizes."""

    reads: ClassVar[frozenset[str]] = TRAINING_OPTIONS | {"from_pretrained"}

    steps: int = 2000
    seeds: int = 2
    bandits: int = 10_000  # held-out bandits; fewer where there are many pulls and arms
    tasks_per_step: int = 256
    width: int = 64

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"bandits: `{name}={value}`, but it must be at least 1.")

    def quick(self) -> "BanditStudy":
        """A fast run of all parts, whose agents learn little."""
        return BanditStudy(40, 2, 300, 64, 32)

    def with_steps(self, steps: int) -> "BanditStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(
        self, folder: Path, key: Key[Array, ""], from_pretrained: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Trains and scores. `options` go to `learn`."""
        if from_pretrained:
            return self._with_stored_agents(key)
        rows, regrets, seconds = [], {}, {}
        for number, (pulls, arms) in enumerate(CELLS):
            learns = (pulls, arms) in LEARNT
            question = self._question(pulls, arms, self.seeds if learns else 1)
            experience = learn(
                self._network(question.envs),
                question,
                key=jr.fold_in(key, number),
                out=folder / "checkpoints" / f"{pulls}-{arms}" if learns else None,
                **options if learns else {},
            )
            recipes = [*rules(pulls, arms), *([self._learnt(pulls)] if learns else [])]
            result = answered(experience.ask(question, recipes))
            rows += [cell_row(outcome, pulls, arms) for outcome in result]
            if (pulls, arms) == PICTURED:
                regrets = _regrets(experience, result)
            if learns:
                learnt = result[RL2]
                store(learnt.models, folder / "trained" / f"bandits-{pulls}-{arms}.npz")
                seconds[f"{pulls}, {arms}"] = seconds_of(learnt.cost)
        store_result(of_rules(rows, regrets), folder / "trained" / "bandits.json")
        return self._result(rows, regrets, seconds)

    def _with_stored_agents(self, key: Key[Array, ""]) -> dict[str, Any]:
        """The result of stored agents, next to that of the rules in the kept run."""
        few = dataclasses.replace(self, bandits=min(self.bandits, 1000))
        kept, learnt = stored_result("bandits"), Recipe(RL2, Setting.META)
        rows, regrets = kept["rows"], kept["regret"]
        for pulls, arms in LEARNT:
            question = few._question(pulls, arms, few.seeds)
            agents = stored(f"bandits-{pulls}-{arms}", few._network(question.envs), few.seeds)
            experience = learn(
                lambda key, arms=arms: AtRandom(arms),
                question,
                key=jr.fold_in(key, CELLS.index((pulls, arms))),
            )
            result = answered(experience.ask(question, [learnt], models={RL2: agents}))
            rows.append(cell_row(result[RL2], pulls, arms))
            if (pulls, arms) == PICTURED:
                regrets |= _regrets(experience, result)
        return few._result(rows, regrets, {})

    def _result(
        self, rows: list[dict[str, Any]], regrets: dict[str, Any], seconds: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "rows": rows,
            "training": seconds,
            "figures": {"regret": regrets},
            "sizes": dataclasses.asdict(self),
        }

    draw = staticmethod(_bandits_page.draw)
    page = staticmethod(_bandits_page.page)

    def _question(self, pulls: int, arms: int, seeds: int) -> Lives:
        few_arms = arms <= 10
        return Lives(
            # Of few pulls, none pays off by its information alone.
            Bandits(arms, pulls, moments=1 if pulls <= 10 else 2),
            TotalReward(),
            seeds=seeds,
            validation_tasks=1000 if few_arms else 300,
            test_tasks=max(1, min(self.bandits, 2_000_000 // pulls // (1 if few_arms else 4))),
            length=pulls,
        )

    def _network(self, envs: AbstractEnvs) -> Callable[[Key[Array, ""]], RecurrentAgent]:
        def network(key: Key[Array, ""]) -> RecurrentAgent:
            env = envs.sample(Split.TRAIN, key=key)
            return RecurrentAgent(env, width=self.width, key=key)

        return network

    def _learnt(self, pulls: int) -> Recipe:
        # With few pulls, most of the best strategy is to repeat what paid; distant returns would
        # only add noise to that.
        few = pulls <= 10
        steps = self.steps if few else 2 * self.steps
        optimiser = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adam(optax.linear_schedule(2e-3, 1e-5, steps))
        )
        discount, decay, entropy = (0.8, 0.5, 0.05) if few else (0.985, 0.9, 0.03)
        objective = Objective(discount, decay, entropy, anneal=steps, guess_cost=1.0)
        learner = ByGradient(
            A2C(pulls, objective),
            optimiser=optimiser,
            steps=steps,
            tasks_per_step=self.tasks_per_step,
        )
        return Recipe(RL2, Setting.META, (learner,))


def rules(pulls: int, arms: int) -> list[Recipe]:
    """The known rules; those with a setting have candidates to choose from."""
    candidates: dict[str, list[AbstractAgent]] = {
        "random": [AtRandom(arms)],
        "Gittins": [Gittins(arms, pulls, 1 - 1 / pulls)],
        "Thompson": [ThompsonSampling(arms)],
        "optimistic Thompson": [OptimisticThompsonSampling(arms)],
        "UCB1": [UCB1(arms, c) for c in CS],
        "ε-greedy": [EpsilonGreedy(arms, epsilon) for epsilon in EPSILONS],
        "greedy": [Greedy(arms)],
    }
    return [
        Recipe(
            name,
            Setting.BOUND if name == "random" else Setting.SCRATCH,
            tuple(NothingLearnt(Rule(agent)) for agent in agents),
        )
        for name, agents in candidates.items()
    ]


def of_rules(rows: list[dict[str, Any]], regrets: dict[str, Any]) -> dict[str, Any]:
    """The part of a result that needs no training, which comes with stored agents."""
    return {
        "rows": [row for row in rows if row["recipe"] != RL2],
        "regret": {name: regret for name, regret in regrets.items() if name != RL2},
    }


def _regrets(experience: Experience, result: Comparison) -> dict[str, Any]:
    """The mean regret after each pull of what was chosen, by recipe."""
    question = dataclasses.replace(result.question, measure=ExpectedRegret())
    recipes = [Recipe(outcome.name, outcome.recipe.setting) for outcome in result]
    models = {outcome.name: outcome.models for outcome in result}
    regrets = answered(experience.ask(question, recipes, models=models))
    return {outcome.name: significant(outcome.curve(None)) for outcome in regrets}


def cell_row(outcome: Outcome, pulls: int, arms: int) -> dict[str, Any]:
    """One row of the result. `agrees`: the two differ by less than 1.96 standard errors, theirs
    over 1,000 bandits. All seeds met the same bandits, so that the interval is over the mean of the
    seeds on each."""
    reward = outcome.at(None)
    published = PUBLISHED[pulls, arms][COLUMNS.index(outcome.name)]
    mean, half = interval(reward.mean(axis=0, keepdims=True))
    theirs = 1.96 * float(reward.std()) / np.sqrt(1000)
    rounding = 0.05  # one decimal is published
    agrees = abs(mean - published) <= np.hypot(half, theirs) + rounding
    about = {"part": "table 1", "recipe": outcome.name, "setting": outcome.recipe.setting.value}
    return (
        about
        | {"tasks": "new", "pulls": pulls, "arms": arms, "quantity": "total reward"}
        | {"value": mean, "ci95": half, "num_tasks": int(reward.size)}
        | {"by_seed": [round(float(seed), 3) for seed in reward.mean(axis=1)]}
        | {"published": published, "source": SOURCE, "agrees": bool(agrees)}
    )
