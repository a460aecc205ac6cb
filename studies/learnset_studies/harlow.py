"""The formation of learning sets: Harlow 1949, Wang et al. 2016."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.behaviour import compare_curves, percent_correct, read_stimulus_action
from learnset.comparison import (
    AbstractLearner,
    AbstractLifeMeasure,
    Budget,
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
from learnset.core import InputError, Model, Split
from learnset.envs import AbstractEnv, Harlow, Life, live_on
from learnset.rl import A2C, Objective, OnlineReinforce, RecurrentAgent, WinStayLoseShift

from . import _harlow_page
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
from ._harlow_pictures import banks, CENTRED, centred, examples, RAW, seeing
from ._pages import select

TRIALS = 6
RL2 = "RL²"
ABLATIONS = {
    "RL² without memory across trials": {"keeps_memory": False},
    "RL² without reward input": {"senses_reward": False},
    "RL² without action input": {"senses_action": False},
}
LRS = (0.03, 0.1, 0.3, 1.0, 3.0)


@dataclasses.dataclass(frozen=True)
class HarlowStudy:
    """The study's sizes."""

    reads: ClassVar[frozenset[str]] = TRAINING_OPTIONS | {"from_pretrained"}

    steps: int = 1600
    seeds: int = 5
    problems: int = 1000  # held-out problems, the same for all
    earlier_problems: int = 3000  # that REINFORCE goes through before
    tasks_per_step: int = 128
    width: int = 96

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"harlow: `{name}={value}`, but it must be at least 1.")

    def quick(self) -> "HarlowStudy":
        """A fast run of all parts, whose agents learn little."""
        return HarlowStudy(160, 2, 200, 200, 64, 32)

    def with_steps(self, steps: int) -> "HarlowStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(
        self, folder: Path, key: Key[Array, ""], from_pretrained: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Trains and scores. `options` go to `learn`."""
        problems = Harlow()
        question = Lives(problems, Correct(), seeds=self.seeds, test_tasks=self.problems)

        def network(key: Key[Array, ""]) -> RecurrentAgent:
            env = problems.sample(Split.TRAIN, key=key)
            return RecurrentAgent(env, width=self.width, key=key)

        experience = learn(network, question, key=key)
        if from_pretrained:
            agents, stages, seconds = stored("harlow", network, self.seeds), {}, {}
            came = stored_result("harlow")
            kept, pictures = came["rows"], came["pictures"]
            seen = [row for row in kept if "pictures" in row["part"]]
        else:
            out = folder / "checkpoints"
            past = dataclasses.replace(question, envs=Harlow(counterbalanced=False))
            training = learn(network, past, key=key, out=out, **options)
            agents, stages, seconds = self._trained(training, question)
            store(agents, folder / "trained" / "harlow.npz")
            kept = []
            seen, pictures = self._with_pictures(folder, key, options)
        learnt = [Recipe(name, Setting.META) for name in (RL2, *ABLATIONS)]
        models = {name: without(agents, **a) for name, a in ({RL2: {}} | ABLATIONS).items()}
        recipes = [*learnt, *([] if kept else self._others(problems))]
        outcomes = answered(experience.ask(question, recipes, models=models))
        reversed_problems = dataclasses.replace(question, envs=Harlow(reversed_at=3))
        reversal = answered(experience.ask(reversed_problems, learnt[:1], models=models))
        by_trial = [row for outcome in outcomes for row in _rows("trials", outcome)]
        by_stage = select(kept, part="stages") or _stage_rows(stages)
        if not kept:
            others = [row for row in by_trial if row["recipe"] not in models]
            part = {"rows": others + by_stage + seen, "pictures": pictures}
            store_result(part, folder / "trained" / "harlow.json")
        rows = by_trial + select(kept, part="trials")
        rows += _rows("reversal after trial 3", reversal[RL2])
        correct = outcomes[RL2].of_tasks[0]
        return {
            "rows": rows + by_stage + seen,
            "training": seconds,
            "seeds_at_97": _seeds_at_97(correct),
            "pictures": pictures,
            "people": _people(100 * correct.mean(axis=(0, 1))),
        }

    def _with_pictures(
        self, folder: Path, key: Key[Array, ""], options: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Agents that see characters instead: rows, and what the page says about them."""
        raw, rows, about = banks(), [], {}
        for name, bank in {CENTRED: centred(raw), RAW: raw}.items():
            problems = Harlow(bank=bank)
            question = Lives(problems, Correct(), seeds=self.seeds, test_tasks=self.problems)
            example = problems.sample(Split.TRAIN, key=key)
            past = dataclasses.replace(question, envs=Harlow(bank=bank, counterbalanced=False))
            network = functools.partial(seeing, example, self.width)
            out = folder / "checkpoints" / name.replace(" ", "-")
            experience = learn(network, past, key=key, out=out, **options)
            agents, stages, seconds = self._trained(experience, question)
            models = {f"RL² on {name}": agents}
            others = []
            if name == CENTRED:
                forgets = without(agents, keeps_memory=False)
                models[f"RL² on {name}, without memory across trials"] = forgets
                rule = NothingLearnt(Rule(WinStayLoseShift(bank[0].shape[1])))
                others = [Recipe(f"win-stay, lose-shift on {name}", Setting.BOUND, (rule,))]
            recipes = [Recipe(each, Setting.META) for each in models] + others
            outcomes = answered(experience.ask(question, recipes, models=models))
            rows += [row for outcome in outcomes for row in _rows("pictures", outcome)]
            rows += _stage_rows(stages, f"stages with {name}")
            correct = outcomes[f"RL² on {name}"].of_tasks[0]
            about[name] = {"training": seconds, "seeds_at_97": _seeds_at_97(correct)}
        numbers = [len(part) for part in raw]
        return rows, about | {"numbers": numbers, "examples": examples(raw[2])}

    draw = staticmethod(_harlow_page.draw)
    page = staticmethod(_harlow_page.page)

    def _trained(
        self, experience: Experience, question: Lives
    ) -> tuple[Any, Mapping[int, np.ndarray], dict[str, float]]:
        """Recurrent agents, their scores in the course of training, and its seconds."""
        parts = (0.0, 0.06, 0.12, 0.18, 0.25, 0.37, 0.5, 1.0)
        learner = ByGradient(
            A2C(2 * TRIALS, Objective(discount=0.9, entropy=0.05, anneal=self.steps)),
            steps=self.steps,
            tasks_per_step=self.tasks_per_step,
            optimiser=optax.chain(
                optax.clip_by_global_norm(1.0),
                optax.adam(optax.linear_schedule(3e-3, 1e-4, self.steps)),
            ),
            score=functools.partial(question.mean_of, key=experience.key),
            score_at=tuple(sorted({round(self.steps * part) for part in parts})),
        )
        learnt = experience.learnt(Recipe(RL2, Setting.META, (learner,)))
        return learnt.of_one, learnt.scores, seconds_of(learnt)

    def _others(self, problems: Harlow) -> list[Recipe]:
        """Agents that learn by their weights, with step sizes to choose from, and the rule."""
        new = [NewReinforce(problems.features, lr) for lr in LRS]
        scratch = tuple(NothingLearnt(agent) for agent in new)
        earlier = tuple(EarlierProblems(agent, self.earlier_problems) for agent in new)
        rule = (NothingLearnt(Rule(WinStayLoseShift(problems.features))),)
        return [
            Recipe("REINFORCE from scratch", Setting.SCRATCH, scratch),
            Recipe("REINFORCE after earlier problems", Setting.TRANSFER, earlier),
            Recipe("win-stay, lose-shift", Setting.BOUND, rule),
        ]


class Correct(AbstractLifeMeasure):
    """Whether the rewarded object was chosen, in each trial. The first trial is a guess, and does
    not count when step sizes are chosen."""

    name = "correct"
    percent = True

    def of_life(self, env: AbstractEnv, life: Life) -> Float[Array, "trials"]:
        ends = life.over[:, None] & (life.trial[:, None] == jnp.arange(env.trials)[None])
        return ((life.reward[:, None] > 0) & ends).any(axis=0).astype(life.reward.dtype)

    def for_choice(self, scores: Float[np.ndarray, "... trials"]) -> Float[np.ndarray, "..."]:
        return scores[..., 1:].mean(axis=-1)


class NewReinforce(eqx.Module):
    """A new agent that learns by its weights, in place of the common initial model."""

    features: int = eqx.field(static=True)
    lr: float

    def __call__(self, model: Model, key: Key[Array, ""]) -> OnlineReinforce:
        del model
        network = eqx.nn.MLP(2 * self.features + 1, 2, 64, 1, key=key)
        return OnlineReinforce(network, jnp.asarray(self.lr))


class EarlierProblems(AbstractLearner):
    """Agents whose weights go through `number` problems, one after the other."""

    new: NewReinforce
    number: int = eqx.field(static=True)

    def learn(
        self, model: Model, past: Harlow, budget: Budget, *, key: Key[Array, ""]
    ) -> OnlineReinforce:
        new_key, draw_key, live_key = jr.split(key, 3)
        agent = self.new(model, new_key)
        problems = past.draw(self.number, Split.TRAIN, key=draw_key)

        def problem(memory: Any, both: Any) -> tuple[Any, None]:
            env, key = both
            memory = live_on(agent, memory, env, key=key)[1]
            still = jax.tree.map(jnp.zeros_like, memory.trace)
            return eqx.tree_at(lambda m: m.trace, memory, still), None

        keys = jr.split(live_key, self.number)
        memory, _ = jax.lax.scan(problem, agent.begin(), (problems, keys))
        fixed = eqx.filter(agent.network, eqx.is_inexact_array, inverse=True)
        return OnlineReinforce(eqx.combine(memory.network, fixed), agent.lr)


def _people(simulated: Float[np.ndarray, "trials"]) -> dict[str, Any] | None:
    """The curves of people on new stimulus-action problems and of agents, and how they differ;
    nothing without the data."""
    try:
        trials = read_stimulus_action(1).by_repetition(2)
    except InputError:
        return None
    real = percent_correct(trials)[0][:TRIALS]
    simulated, count = simulated[: len(real)], np.isfinite(trials).sum(axis=0)[: len(real)]
    error = np.sqrt(real * (100 - real) / np.maximum(count, 1))
    fit = compare_curves(real, simulated, unit="%", standard_error=error)
    return {"percent_correct": real.tolist(), "agents": simulated.tolist(), "fit": str(fit)}


def _seeds_at_97(correct: Float[np.ndarray, "seeds problems trials"]) -> int:
    """The seeds that reach 97 % on all trials but the first."""
    return sum(bool(100 * seed[:, 1:].mean() >= 97) for seed in correct)


def _rows(part: str, outcome: Outcome) -> list[dict[str, Any]]:
    """A row for each trial."""
    common = {"part": part, "recipe": outcome.name, "setting": outcome.recipe.setting.value}
    return [
        common
        | {"tasks": "new", "trial": trial + 1, "quantity": "percent correct"}
        | summary(100 * outcome.of_tasks[0, ..., trial])
        for trial in outcome.watched
    ]


def _stage_rows(stages: Mapping[int, np.ndarray], part: str = "stages") -> list[dict[str, Any]]:
    """A row for each stage of training and trial."""
    common = {"part": part, "recipe": RL2, "setting": Setting.META.value, "tasks": "new"}
    return [
        common
        | {"steps": stage, "trial": trial + 1, "quantity": "percent correct"}
        | {"value": float(100 * np.mean(values, axis=0)[trial])}
        | {"by_seed": [round(100 * float(seed[trial]), 2) for seed in values]}
        for stage, values in stages.items()
        for trial in range(TRIALS)
    ]
