"""The formation of learning sets: Harlow 1949, Wang et al. 2016."""

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

from learnset.behaviour import compare_curves, percent_correct, read_stimulus_action
from learnset.comparison import seed_keys, Setting
from learnset.core import InputError, Split
from learnset.envs import Harlow, Life, live_on
from learnset.rl import A2C, Objective, OnlineReinforce, WinStayLoseShift

from . import _harlow_page
from ._agents import life_of, lives, store, stored, summary, Training, TRAINING_OPTIONS, without

TRIALS = 6
ABLATIONS = {
    "RL² without memory across trials": {"keeps_memory": False},
    "RL² without reward input": {"senses_reward": False},
    "RL² without action input": {"senses_action": False},
}
BY_WEIGHTS = {
    Setting.SCRATCH: "REINFORCE from scratch",
    Setting.TRANSFER: "REINFORCE after earlier problems",
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
        """Trains and scores. `options` go to `train`."""
        test = Harlow().draw(self.problems, Split.TEST, key=jr.fold_in(key, 9))
        score_key = jr.fold_in(key, 10)

        def score(agents: Any) -> Float[np.ndarray, "seeds problems trials"]:
            return right(lives(agents, test, score_key))

        agents, stages, seconds = self._agents(score, folder, key, from_pretrained, options)
        correct = score(agents)
        rows = _rows("trials", "RL²", correct, Setting.META)
        for name, ablated in ABLATIONS.items():
            rows += _rows("trials", name, score(without(agents, **ablated)), Setting.META)
        for setting, name in BY_WEIGHTS.items():
            rows += _rows("trials", name, score(self._by_weights(setting, key)), setting)
        by_rule = right(life_of(WinStayLoseShift(), test, score_key))
        rows += _rows("trials", "win-stay, lose-shift", by_rule, Setting.BOUND)
        reversed_problems = Harlow(reversed_at=3).draw(
            self.problems, Split.TEST, key=jr.fold_in(key, 11)
        )
        reversal = right(lives(agents, reversed_problems, score_key))
        rows += _rows("reversal after trial 3", "RL²", reversal, Setting.META)
        learnt = sum(bool(100 * seed[:, 1:].mean() >= 97) for seed in correct)
        return {
            "rows": rows + _stage_rows(stages),
            "training": seconds,
            "seeds_at_97": learnt,
            "people": _people(100 * correct.mean(axis=(0, 1))),
        }

    draw = staticmethod(_harlow_page.draw)
    page = staticmethod(_harlow_page.page)

    def _agents(
        self, score: Any, folder: Path, key: Key[Array, ""], from_pretrained: bool, options: Any
    ) -> tuple[Any, dict[int, list], dict[str, float]]:
        """Recurrent agents, their scores in the course of training, and its seconds."""
        envs, training = Harlow(counterbalanced=False), self._training()
        start = training.new(envs, seed_keys(key, 0, self.seeds))
        if from_pretrained:
            return stored("harlow", start), {}, {}
        keys = seed_keys(key, 1, self.seeds)
        agents, stages, seconds = training.run(
            "RL2", start, envs, folder, keys, lambda agents: score(agents).mean(axis=1), options
        )
        store(agents, folder / "trained" / "harlow.npz")
        return agents, stages, seconds

    def _training(self) -> Training:
        stages = sorted(
            {
                max(1, round(self.steps * part))
                for part in (0.0, 0.06, 0.12, 0.18, 0.25, 0.37, 0.5, 1.0)
            }
        )
        optimiser = optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.adam(optax.linear_schedule(3e-3, 1e-4, self.steps)),
        )
        method = A2C(2 * TRIALS, Objective(discount=0.9, entropy=0.05, anneal=self.steps))
        return Training(method, optimiser, tuple(stages), self.tasks_per_step, self.width)

    def _by_weights(self, setting: Setting, key: Key[Array, ""]) -> Any:
        """Agents that learn by their weights: new ones, or after earlier problems. Their step size
        is chosen on validation problems."""
        validation = Harlow().draw(200, Split.VALIDATION, key=jr.fold_in(key, 12))
        earlier = Harlow().draw(self.earlier_problems, Split.TRAIN, key=jr.fold_in(key, 13))
        size = 2 * Harlow().features + 1

        def new(lr: float, key: Key[Array, ""]) -> OnlineReinforce:
            return OnlineReinforce(eqx.nn.MLP(size, 2, 64, 1, key=key), jnp.asarray(lr))

        best, chosen = -1.0, None
        for lr in LRS:
            agents = eqx.filter_vmap(lambda k, lr=lr: new(lr, k))(seed_keys(key, 3, self.seeds))
            if setting is Setting.TRANSFER:
                agents = carried(agents, earlier, jr.fold_in(key, 14))
            reached = right(lives(agents, validation, jr.fold_in(key, 15)))[..., 1:].mean()
            if reached > best:
                best, chosen = reached, agents
        return chosen


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


def _rows(
    part: str,
    name: str,
    correct: Float[np.ndarray, "seeds problems trials"],
    setting: Setting,
) -> list[dict[str, Any]]:
    """A row for each trial."""
    common = {"part": part, "recipe": name, "setting": setting.value, "tasks": "new"}
    return [
        common
        | {"trial": trial + 1, "quantity": "percent correct"}
        | summary(100 * correct[..., trial])
        for trial in range(TRIALS)
    ]


def _stage_rows(stages: dict[int, list]) -> list[dict[str, Any]]:
    """A row for each stage of training and trial."""
    common = {"part": "stages", "recipe": "RL²", "setting": Setting.META.value, "tasks": "new"}
    return [
        common
        | {"steps": stage, "trial": trial + 1, "quantity": "percent correct"}
        | {"value": float(100 * np.mean(values, axis=0)[trial])}
        | {"by_seed": [round(100 * seed[trial], 2) for seed in values]}
        for stage, values in stages.items()
        for trial in range(TRIALS)
    ]


def right(life: Life) -> Float[np.ndarray, "seeds problems trials"]:
    """Whether the rewarded object was chosen, in each trial."""
    ends = np.asarray(life.over)[..., None] & (
        np.asarray(life.trial)[..., None] == np.arange(TRIALS)
    )
    return ((np.asarray(life.reward)[..., None] > 0) & ends).any(axis=-2).astype(float)


@eqx.filter_jit
def carried(agents: Any, problems: Any, key: Key[Array, ""]) -> Any:
    """Agents whose weights went through problems, one after the other."""

    def one(agent: OnlineReinforce, key: Key[Array, ""]) -> OnlineReinforce:
        def problem(memory: Any, both: Any) -> tuple[Any, None]:
            env, key = both
            memory = live_on(agent, memory, env, key=key)[1]
            return eqx.tree_at(
                lambda m: m.trace, memory, jax.tree.map(jnp.zeros_like, memory.trace)
            ), None

        number = problems.left.shape[0]
        memory, _ = jax.lax.scan(problem, agent.begin(), (problems, jr.split(key, number)))
        fixed = eqx.filter(agent.network, eqx.is_inexact_array, inverse=True)
        return OnlineReinforce(eqx.combine(memory.network, fixed), agent.lr)

    seeds = jax.tree.leaves(eqx.filter(agents, eqx.is_array))[0].shape[0]
    return eqx.filter_vmap(one)(agents, jr.split(key, seeds))
