"""Wang et al. 2016: bandits with dependent arms, an informative arm, and the two-step task."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from learnset.comparison import seed_keys, Setting
from learnset.core import InputError, interval, Split
from learnset.envs import (
    AbstractAgent,
    AbstractEnvs,
    Bandit,
    expected_regret,
    InformativeBandits,
    Percept,
    stay_probabilities,
    TwoStep,
)
from learnset.rl import A2C, AtRandom, Gittins, Objective, RecurrentAgent, ThompsonSampling, UCB1

from . import _wang_page
from ._agents import life_of, lives, summary, Training, TRAINING_OPTIONS, without
from ._pages import rounded, select
from ._two_step_learners import TwoStepLearner
from ._wang_page import MODEL_BASED, MODEL_FREE, trained_on

SOURCE = "Wang et al. 2016, Learning to reinforcement learn"
PULLS = 100
CS = (0.1, 0.2, 0.3, 0.5, 1.0)  # of UCB1, to choose from
# Known rewards of pulling the informative arm first, and of searching without it.
INFORMED, SEARCHED = 20.55, 11.0


class TwoArms(AbstractEnvs):
    """Bandits with two arms, as in `Bandits`. Their dependence is given by numbers here, so that
    agents for different families are trained together, by one program.

    **Arguments:**

    - `dependent`: whether the second arm pays with one minus the probability of the first;
      otherwise with a probability of its own.
    - `low`: the first arm's probability is this one or one minus it; below zero, it is drawn
      uniformly from 0 to 1.
    """

    dependent: Bool[Array, "*families"]
    low: Float[Array, "*families"]

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Bandit:
        first_key, which_key, second_key = jr.split(split.fold(key), 3)
        given = jnp.where(jr.bernoulli(which_key), self.low, 1 - self.low)
        first = jnp.where(self.low < 0, jr.uniform(first_key), given)
        second = jnp.where(self.dependent, 1 - first, jr.uniform(second_key))
        return Bandit(jnp.stack([first, second]), PULLS)


def family(low: float = -1.0, *, dependent: bool = True) -> TwoArms:
    """One family of bandits."""
    return TwoArms(jnp.asarray(dependent), jnp.asarray(low, jnp.result_type(float)))


FAMILIES = {
    "independent": family(dependent=False),
    "uniform": family(),
    "easy": family(0.1),
    "medium": family(0.25),
    "hard": family(0.4),
}


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
        """Trains and scores. `options` go to `train`."""
        seconds = {}
        agents, seconds["two arms"] = self._two_arms(folder, key, options)
        rows, curves = self._regrets(agents, key)
        informative, seconds["informative"] = self._informative(folder, key, options)
        two_step, seconds["two-step"] = self._two_step(folder, key, options)
        rows = rows + informative + two_step
        figures = {"regret": curves}
        return {"rows": rows + orderings(rows), "training": seconds, "figures": figures}

    draw = staticmethod(_wang_page.draw)
    page = staticmethod(_wang_page.page)

    # Training

    def _two_arms(
        self, folder: Path, key: Key[Array, ""], options: Any
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Agents for each family, all trained together."""
        # Most of the strategy is to repeat what paid; distant returns would only add noise to that.
        objective = Objective(0.95, decay=0.5, entropy=0.1, anneal=self.steps, guess_cost=1.0)
        method = A2C(PULLS, objective)
        families = jax.tree.map(
            lambda *each: jnp.repeat(jnp.stack(each), self.seeds), *FAMILIES.values()
        )
        all_of_them, seconds = self._trained("two arms", families, method, folder, key, 0, options)
        agents = {}
        for number, name in enumerate(FAMILIES):
            part = slice(number * self.seeds, (number + 1) * self.seeds)
            agents[name] = jax.tree.map(
                lambda leaf, part=part: leaf[part] if eqx.is_array(leaf) else leaf, all_of_them
            )
        return agents, seconds

    def _trained(
        self,
        name: str,
        envs: AbstractEnvs,
        method: A2C,
        folder: Path,
        key: Key[Array, ""],
        number: int,
        options: Any,
    ) -> tuple[RecurrentAgent, dict[str, float]]:
        """One agent for each seed; where families are stacked, for each seed of each."""
        stacked = [leaf.shape[0] for leaf in jax.tree.leaves(envs)]
        keys = [seed_keys(key, 2 * number + i, (stacked or [self.seeds])[0]) for i in range(2)]
        one = jax.tree.map(lambda leaf: leaf[0], envs)
        steps = method.objective.anneal
        optimiser = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adam(optax.linear_schedule(2e-3, 1e-4, steps))
        )
        tasks = self.tasks_per_step // 2 if isinstance(envs, TwoStep) else self.tasks_per_step
        training = Training(method, optimiser, (steps,), tasks, self.width)
        agents, _, seconds = training.run(
            f"RL2 {name}", training.new(one, keys[0]), envs, folder, keys[1], lambda _: 0.0, options
        )
        return agents, seconds

    # Scoring

    def _regrets(
        self, agents: dict[str, Any], key: Key[Array, ""]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Rows for every agent and rule on every family, and curves of regret."""
        rules = _rules(key)
        rows, curves = [], {}
        for number, (tested, envs) in enumerate(FAMILIES.items()):
            bandits = envs.draw(self.bandits, Split.TEST, key=jr.fold_in(key, 100 + number))
            score_key = jr.fold_in(key, 200 + number)
            lost = {name: regrets(rule, bandits, score_key)[None] for name, rule in rules.items()}
            if tested != "independent":
                lost["best possible"] = regrets(Paired(), bandits, score_key)[None]
            for family, agent in agents.items():
                lost[trained_on(family)] = regrets_of_seeds(agent, bandits, score_key)
            deaf = without(agents[tested], senses_reward=False)
            lost["RL² without reward input"] = regrets_of_seeds(deaf, bandits, score_key)
            curves[tested] = {name: rounded(regret.mean((0, 1))) for name, regret in lost.items()}
            for name, regret in lost.items():
                row = {"part": "bandits", "recipe": name, "setting": setting_of(name).value}
                row |= {"tasks": tested, "pulls": PULLS, "quantity": "expected regret"}
                rows.append(row | summary(regret[..., -1]))
        return rows, curves

    def _informative(
        self, folder: Path, key: Key[Array, ""], options: Any
    ) -> tuple[list[dict[str, Any]], Any]:
        """§3.1.3: does it pay to learn where to go?"""
        envs = InformativeBandits()
        objective = Objective(1.0, decay=1.0, entropy=0.3, anneal=10 * self.steps, guess_cost=1.0)
        method = A2C(envs.pulls, objective)
        agents, seconds = self._trained("informative", envs, method, folder, key, 10, options)
        bandits = envs.draw(self.bandits, Split.TEST, key=jr.fold_in(key, 110))
        life = lives(agents, bandits, jr.fold_in(key, 210))
        common = {"part": "informative arm", "recipe": "RL²", "setting": Setting.META.value}
        common |= {"tasks": "informative"}
        known = {"known_best": INFORMED, "known_search": SEARCHED}
        reward = np.asarray(life.reward).sum(axis=-1)
        first = 100.0 * (np.asarray(life.action)[..., 0] == 10)
        return [
            common | {"quantity": "total reward of 5 pulls"} | known | summary(reward),
            common | {"quantity": "% informative arm first"} | summary(first),
        ], seconds

    def _two_step(
        self, folder: Path, key: Key[Array, ""], options: Any
    ) -> tuple[list[dict[str, Any]], Any]:
        """§3.2.1: stay probabilities of RL², and of a model-free and a model-based learner."""
        envs = TwoStep(trials=max(2, self.trials // 2))
        objective = Objective(0.9, decay=0.8, entropy=0.05, anneal=self.steps, guess_cost=1.0)
        method = A2C(3 * envs.trials, objective)
        agents, seconds = self._trained("two-step", envs, method, folder, key, 11, options)
        tasks = TwoStep(trials=self.trials).draw(
            self.bandits // 2 + 1, Split.TEST, key=jr.fold_in(key, 111)
        )
        score_key = jr.fold_in(key, 211)
        lived = {
            "RL²": lives(agents, tasks, score_key),
            MODEL_FREE: life_of(TwoStepLearner(model=False), tasks, score_key),
            MODEL_BASED: life_of(TwoStepLearner(model=True), tasks, score_key),
        }
        rows = []
        for name, life in lived.items():
            common = {"part": "two-step", "recipe": name, "setting": setting_of(name).value}
            rows += _two_step_rows(life, self.trials, common)
        return rows, seconds


def setting_of(name: str) -> Setting:
    """The setting of a learner."""
    if name.startswith("RL²"):
        return Setting.META
    return Setting.BOUND if name in ("random", "best possible") else Setting.SCRATCH


def _two_step_rows(life: Any, trials: int, common: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of stay probabilities, and of the two effects on them: Daw et al. 2011, figure 2."""
    common = common | {"tasks": "two-step", "trials": trials}
    stay = 100 * np.asarray(jax.vmap(jax.vmap(stay_probabilities))(life), np.float64)
    rows = []
    for rewarded, rare in np.ndindex(2, 2):
        case = {"rewarded": bool(rewarded), "transition": ("common", "rare")[rare]}
        rows.append(common | case | {"quantity": "% stay"} | summary(stay[..., rewarded, rare]))
    reward = (stay[..., 1, :] - stay[..., 0, :]).mean(axis=-1)
    both = (stay[..., 1, 0] - stay[..., 1, 1] - stay[..., 0, 0] + stay[..., 0, 1]) / 2
    paid = 100 * np.asarray(life.reward).sum(axis=-1) / trials
    for quantity, values in (
        ("effect of reward", reward),
        ("effect of reward × transition", both),
        ("% rewarded", paid),
    ):
        rows.append(common | {"quantity": quantity} | summary(values))
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


def _rules(key: Key[Array, ""]) -> dict[str, AbstractAgent]:
    """Rules for independent arms; UCB1 as published, and with the c that is best on independent
    validation bandits."""
    validation = FAMILIES["independent"].draw(1000, Split.VALIDATION, key=jr.fold_in(key, 20))
    lost = [regrets(UCB1(2, jnp.asarray(c)), validation, key)[..., -1].mean() for c in CS]
    return {
        "Gittins": Gittins(2, PULLS, 1 - 1 / PULLS),
        "Thompson": ThompsonSampling(2),
        "UCB1": UCB1(2),
        "tuned UCB1": UCB1(2, jnp.asarray(CS[int(np.argmin(lost))])),
        "random": AtRandom(2),
    }


def regrets(agent: Any, bandits: Bandit, key: Key[Array, ""]) -> Float[np.ndarray, "tasks pulls"]:
    """Expected regret of a rule up to each pull."""
    return _regret(life_of(agent, bandits, key), bandits)[0]


def regrets_of_seeds(
    agents: Any, bandits: Bandit, key: Key[Array, ""]
) -> Float[np.ndarray, "seeds tasks pulls"]:
    """The same for stacked agents, all on the same bandits."""
    return _regret(lives(agents, bandits, key), bandits)


def _regret(life: Any, bandits: Bandit) -> Float[np.ndarray, "seeds tasks pulls"]:
    of_tasks = jax.vmap(expected_regret)
    return np.asarray(
        jax.vmap(lambda action: of_tasks(bandits, action))(life.action[..., :PULLS]), np.float64
    )


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
