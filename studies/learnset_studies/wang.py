"""Wang et al. 2016: bandits with dependent arms, an informative arm, and the two-step task."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from learnset.comparison import (
    AbstractLifeMeasure,
    ByGradient,
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
from learnset.envs import (
    AbstractAgent,
    AbstractEnv,
    AbstractEnvs,
    Bandits,
    InformativeBandits,
    Life,
    Percept,
    stay_probabilities,
    TwoStep,
)
from learnset.rl import A2C, AtRandom, Gittins, Objective, RecurrentAgent, ThompsonSampling, UCB1

from . import _wang_page
from ._agents import answered, ExpectedRegret, seconds_of, summary, TRAINING_OPTIONS, without
from ._pages import select, significant
from ._two_step_learners import TwoStepLearner
from ._wang_page import MODEL_BASED, MODEL_FREE, trained_on

SOURCE = "Wang et al. 2016, Learning to reinforcement learn"
PULLS = 100
CS = (0.1, 0.2, 0.3, 0.5, 1.0)  # of UCB1, to choose from
# Known rewards of pulling the informative arm first, and of searching without it.
INFORMED, SEARCHED = 20.55, 11.0


FAMILIES = {
    "independent": Bandits(2, PULLS),
    "uniform": Bandits(2, PULLS, correlated=True),
    "easy": Bandits(2, PULLS, correlated=True, low=0.1),
    "medium": Bandits(2, PULLS, correlated=True, low=0.25),
    "hard": Bandits(2, PULLS, correlated=True, low=0.4),
}
Seconds = dict[str, dict[str, float]]  # of training, by part


@dataclasses.dataclass(frozen=True)
class WangStudy:
    """The study's sizes.

    **Arguments:**

    - `steps`: training steps on bandits, as many on the two-step task, and ten times as many on
      the informative arm, whose bandits are short.
    - `bandits`: held-out tasks, of each family.
    - `trials`: of the two-step task; agents are trained on half as many, and on half as many tasks
      a step.
    """

    reads: ClassVar[frozenset[str]] = TRAINING_OPTIONS

    steps: int = 400
    seeds: int = 3
    bandits: int = 1000
    trials: int = 100
    tasks_per_step: int = 96
    width: int = 48

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < (2 if name in ("trials", "tasks_per_step") else 1):
                raise InputError(
                    f"wang: `{name}={value}`, but it must be at least 1 (trials and tasks: 2)."
                )

    def quick(self) -> "WangStudy":
        """A fast run of all parts, whose agents learn little."""
        return WangStudy(10, 2, 50, 30, 8, 16)

    def with_steps(self, steps: int) -> "WangStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `learn`."""
        rows, curves, seconds = self._two_arms(folder, key, options)
        informative, more = self._informative(folder, key, options)
        two_step, most = self._two_step(folder, key, options)
        rows = rows + informative + two_step
        return {
            "rows": rows + orderings(rows),
            "training": seconds | more | most,
            "figures": {"regret": curves},
        }

    draw = staticmethod(_wang_page.draw)
    page = staticmethod(_wang_page.page)

    def _two_arms(
        self, folder: Path, key: Key[Array, ""], options: Any
    ) -> tuple[list[dict[str, Any]], dict[str, Any], Seconds]:
        """Rows for every agent and rule on every family, curves of regret, and the seconds of
        training."""
        # Most of the strategy is to repeat what paid; distant returns would only add noise to that.
        objective = Objective(0.95, decay=0.5, entropy=0.1, anneal=self.steps, guess_cost=1.0)
        recipe = self._recipe(A2C(PULLS, objective), self.tasks_per_step)
        experiences, agents, costs = {}, {}, []
        for number, (name, envs) in enumerate(FAMILIES.items()):
            question = self._question(envs, ExpectedRegret(), length=PULLS)
            experience = self._learn(f"two-arms-{name}", question, folder, key, number, options)
            outcome = answered(experience.ask(question, [recipe]))["RL²"]
            experiences[name], agents[name] = (question, experience), outcome.models
            costs.append(outcome.cost)
        rows, curves = [], {}
        for tested, (question, experience) in experiences.items():
            models = {trained_on(name): learnt for name, learnt in agents.items()}
            models["RL² without reward input"] = without(agents[tested], senses_reward=False)
            recipes = _rules(paired=tested != "independent")
            recipes += [Recipe(name, Setting.META) for name in models]
            result = answered(experience.ask(question, recipes, models=models))
            curves[tested] = {outcome.name: significant(outcome.curve(None)) for outcome in result}
            rows += [_regret_row(outcome, tested) for outcome in result]
        return rows, curves, {"two arms": seconds_of(*costs)}

    def _informative(
        self, folder: Path, key: Key[Array, ""], options: Any
    ) -> tuple[list[dict[str, Any]], Seconds]:
        """§3.1.3: does it pay to learn where to go?"""
        envs, steps = InformativeBandits(), 10 * self.steps
        objective = Objective(1.0, decay=1.0, entropy=0.3, anneal=steps, guess_cost=1.0)
        question = self._question(envs, TotalReward())
        experience = self._learn("informative", question, folder, key, 10, options)
        recipe = self._recipe(A2C(envs.pulls, objective), self.tasks_per_step)
        learnt = answered(experience.ask(question, [recipe]))["RL²"]
        first = dataclasses.replace(question, measure=InformedFirst())
        again = answered(experience.ask(first, [recipe], models={"RL²": learnt.models}))["RL²"]
        common = {"part": "informative arm", "recipe": "RL²", "setting": Setting.META.value}
        common |= {"tasks": "informative"}
        known = {"known_best": INFORMED, "known_search": SEARCHED}
        return [
            common
            | {"quantity": "total reward of 5 pulls"}
            | known
            | summary(learnt.of_tasks[0, ..., -1]),
            common
            | {"quantity": "% informative arm first"}
            | summary(100.0 * again.of_tasks[0, ..., -1]),
        ], {"informative": seconds_of(learnt.cost)}

    def _two_step(
        self, folder: Path, key: Key[Array, ""], options: Any
    ) -> tuple[list[dict[str, Any]], Seconds]:
        """§3.2.1: stay probabilities of RL², and of a model-free and a model-based learner."""
        envs = TwoStep(trials=max(2, self.trials // 2))
        objective = Objective(0.9, decay=0.8, entropy=0.05, anneal=self.steps, guess_cost=1.0)
        past = self._question(envs, TotalReward())
        experience = self._learn("two-step", past, folder, key, 11, options)
        recipes = [
            self._recipe(A2C(3 * envs.trials, objective), self.tasks_per_step // 2),
            _rule(MODEL_FREE, TwoStepLearner(model=False)),
            _rule(MODEL_BASED, TwoStepLearner(model=True)),
        ]
        longer = TwoStep(trials=self.trials)
        question = Lives(longer, Staying(), self.seeds, test_tasks=self.bandits // 2 + 1)
        result = answered(experience.ask(question, recipes))
        rows = [row for outcome in result for row in _two_step_rows(outcome, self.trials)]
        return rows, {"two-step": seconds_of(result["RL²"].cost)}

    def _question(self, envs: AbstractEnvs, measure: AbstractLifeMeasure, **options: Any) -> Lives:
        return Lives(envs, measure, self.seeds, test_tasks=self.bandits, **options)

    def _learn(
        self,
        name: str,
        past: Lives,
        folder: Path,
        key: Key[Array, ""],
        number: int,
        options: Any,
    ) -> Experience:
        env = past.envs.sample(Split.TRAIN, key=jr.key(0))
        return learn(
            lambda key: RecurrentAgent(env, width=self.width, key=key),
            past,
            key=jr.fold_in(key, number),
            out=folder / "checkpoints" / name,
            **options,
        )

    def _recipe(self, method: A2C, tasks_per_step: int) -> Recipe:
        steps = method.objective.anneal
        optimiser = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adam(optax.linear_schedule(2e-3, 1e-4, steps))
        )
        learner = ByGradient(
            method, steps=steps, tasks_per_step=tasks_per_step, optimiser=optimiser
        )
        return Recipe("RL²", Setting.META, (learner,))


class InformedFirst(AbstractLifeMeasure):
    """Whether the informative arm is pulled first."""

    name = "informative arm first"
    percent = True

    def of_life(self, env: AbstractEnv, life: Life) -> Float[Array, "1"]:
        return (life.action[:1] == 10).astype(life.reward.dtype)


class Staying(AbstractLifeMeasure):
    """How often the first choice is repeated, without and with a reward, after common and after
    rare transitions; and last the reward of a trial."""

    name = "first choice repeated"
    percent = True

    def of_life(self, env: AbstractEnv, life: Life) -> Float[Array, "5"]:
        reward = life.reward.sum(keepdims=True) / env.trials
        return jnp.concatenate([stay_probabilities(life).ravel(), reward])

    def for_choice(self, scores: Float[np.ndarray, "... 5"]) -> Float[np.ndarray, "..."]:
        return scores[..., -1]


def _regret_row(outcome: Outcome, tested: str) -> dict[str, Any]:
    learnt = outcome.recipe.setting is Setting.META
    regret = outcome.of_tasks[0, ..., -1]
    row = {"part": "bandits", "recipe": outcome.name, "setting": outcome.recipe.setting.value}
    row |= {"tasks": tested, "pulls": PULLS, "quantity": "expected regret"}
    return row | summary(regret if learnt else regret[:1])  # rules are the same in all seeds


def _two_step_rows(outcome: Outcome, trials: int) -> list[dict[str, Any]]:
    """Rows of stay probabilities, and of the two effects on them: Daw et al. 2011, figure 2."""
    common = {"part": "two-step", "recipe": outcome.name}
    common |= {"setting": outcome.recipe.setting.value, "tasks": "two-step", "trials": trials}
    values = 100 * np.asarray(outcome.of_tasks[0], np.float64)
    if outcome.recipe.setting is not Setting.META:  # rules are the same in all seeds
        values = values[:1]
    stay, paid = values[..., :4].reshape(*values.shape[:2], 2, 2), values[..., 4]
    rows = []
    for rewarded, rare in np.ndindex(2, 2):
        case = {"rewarded": bool(rewarded), "transition": ("common", "rare")[rare]}
        rows.append(common | case | {"quantity": "% stay"} | summary(stay[..., rewarded, rare]))
    reward = (stay[..., 1, :] - stay[..., 0, :]).mean(axis=-1)
    both = (stay[..., 1, 0] - stay[..., 1, 1] - stay[..., 0, 0] + stay[..., 0, 1]) / 2
    for quantity, effect in (
        ("effect of reward", reward),
        ("effect of reward × transition", both),
        ("% rewarded", paid),
    ):
        rows.append(common | {"quantity": quantity} | summary(effect))
    return rows


class Paired(AbstractAgent):
    """The optimal agent where one of two arms pays with p and the other with 1 - p. The rewards of
    one arm are just as informative about the other, so that there is nothing to explore, and the
    best arm is the one that more rewards speak for."""

    def begin(self) -> Int[Array, ""]:
        return jnp.asarray(0)

    def act(self, memory: Array, percept: Percept, *, key: Key[Array, ""]) -> tuple[Array, Array]:
        del key
        paid = percept.feedback.reward > 0
        second = jnp.where((percept.action == 1) == paid, 1, -1)
        memory = memory + jnp.where(percept.first, 0, second)
        return (memory > 0).astype(int), memory


def _rules(paired: bool) -> list[Recipe]:
    """Rules for independent arms; UCB1 as published, and with the c that is best on validation
    bandits. The best possible one where the arms are `paired`."""
    rules = [
        _rule("Gittins", Gittins(2, PULLS, 1 - 1 / PULLS)),
        _rule("Thompson", ThompsonSampling(2)),
        _rule("UCB1", UCB1(2)),
        _rule("tuned UCB1", *(UCB1(2, jnp.asarray(c)) for c in CS)),
        _rule("random", AtRandom(2)),
    ]
    return [*rules, _rule("best possible", Paired())] if paired else rules


def _rule(name: str, *agents: AbstractAgent) -> Recipe:
    bound = name in ("random", "best possible")
    setting = Setting.BOUND if bound else Setting.SCRATCH
    return Recipe(name, setting, tuple(NothingLearnt(Rule(agent)) for agent in agents))


def orderings(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The published orderings, as differences that should be above zero; they agree where the 95 %
    interval is."""

    def by_seed(recipe: str, tested: str) -> np.ndarray:
        (row,) = select(rows, part="bandits", recipe=recipe, tasks=tested)
        return np.array(row["by_seed"])

    own = {name: by_seed(trained_on(name), name) for name in FAMILIES}
    ours, gittins = own["independent"], by_seed("Gittins", "independent")
    regret = [
        (
            f"independent arms: RL² loses less than {rule}",
            "§3.1.1",
            by_seed(rule, "independent"),
            ours,
        )
        for rule in ("Thompson", "UCB1")
    ]
    regret.append(("independent arms: Gittins loses less than RL²", "§3.1.1", ours, gittins))
    for name in list(FAMILIES)[1:]:
        arms = f"dependent arms, {name}"
        for rule in ("Gittins", "Thompson", "UCB1"):
            claim = f"{arms}: RL² loses less than {rule}"
            regret.append((claim, "§3.1.2", by_seed(rule, name), own[name]))
        claim = f"{arms}: agents trained on them lose less than agents trained on independent arms"
        regret.append((claim, "§3.1.2", by_seed(trained_on("independent"), name), own[name]))
    both, reward = (
        np.array(select(rows, part="two-step", recipe="RL²", quantity=effect)[0]["by_seed"])
        for effect in ("effect of reward × transition", "effect of reward")
    )
    task = "two-step task"
    stay = [
        (f"{task}: RL² repeats choices as a model-based learner does", "§3.2.1", both, 0 * both),
        (f"{task}: the model-based effect is the larger one", "§3.2.1", both, abs(reward)),
    ]
    quantities = ["expected regret"] * len(regret) + ["% stay"] * len(stay)
    return [
        _claim_row(*claim, quantity)
        for claim, quantity in zip(regret + stay, quantities, strict=True)
    ]


def _claim_row(
    claim: str, section: str, more: np.ndarray, less: np.ndarray, quantity: str
) -> dict[str, Any]:
    difference = np.atleast_1d(more - less)[:, None]
    half = interval(difference)[1] if len(difference) > 1 else 0.0
    return (
        {"part": "orderings", "claim": claim, "quantity": quantity}
        | {"source": f"{SOURCE}, {section}"}
        | summary(difference)
        | {"agrees": bool(difference.mean() > half)}
    )
