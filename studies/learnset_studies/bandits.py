"""Bernoulli bandits: RL² and known rules, table 1 of Duan et al. 2016."""

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
from learnset.core import InputError, interval, Split
from learnset.envs import AbstractAgent, Bandit, Bandits, expected_regret, live
from learnset.rl import (
    A2C,
    AtRandom,
    EpsilonGreedy,
    Gittins,
    Greedy,
    Objective,
    OptimisticThompsonSampling,
    ThompsonSampling,
    UCB1,
)

from . import _bandits_page
from ._agents import store, stored, Training, TRAINING_OPTIONS
from ._bandits_page import COLUMNS, PUBLISHED, SOURCE
from ._pages import rounded

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
        """Trains and scores. `options` go to `train`."""
        if from_pretrained:  # as many bandits as the paper has, so that it takes seconds
            self = dataclasses.replace(self, bandits=min(self.bandits, 1000))
        rows, regrets, seconds = [], {}, {}
        for number, (pulls, arms) in enumerate(CELLS):
            count = max(1, min(self.bandits, 2_000_000 // pulls // (1 if arms <= 10 else 4)))
            draw_key, cell_key = jr.fold_in(key, 100 + number), jr.fold_in(key, 200 + number)
            bandits = Bandits(arms, pulls).draw(count, Split.TEST, key=draw_key)
            lived = {
                name: scored_alone(agent, bandits, cell_key)
                for name, agent in self._rules(pulls, arms, cell_key).items()
            }
            if (pulls, arms) in LEARNT:
                agents, seconds[f"{pulls}, {arms}"] = self._learnt(
                    pulls, arms, number, folder, key, from_pretrained, options
                )
                lived["RL²"] = scored(agents, bandits, cell_key)
            for name, (reward, regret) in lived.items():
                rows.append(cell_row(name, pulls, arms, np.asarray(reward)))
                if (pulls, arms) == PICTURED:
                    regrets[name] = rounded(np.asarray(regret).mean(axis=(0, 1)))
        return {
            "rows": rows,
            "training": seconds,
            "figures": {"regret": regrets},
            "sizes": dataclasses.asdict(self),
        }

    draw = staticmethod(_bandits_page.draw)
    page = staticmethod(_bandits_page.page)

    def _rules(self, pulls: int, arms: int, key: Key[Array, ""]) -> dict[str, AbstractAgent]:
        """The classical columns; UCB1 and ε-greedy with what is best on validation bandits."""
        validation = Bandits(arms, pulls).draw(
            1000 if arms <= 10 else 300, Split.VALIDATION, key=key
        )

        def best(candidates: list[AbstractAgent]) -> AbstractAgent:
            return max(candidates, key=lambda a: scored_alone(a, validation, key)[0].mean())

        return {
            "random": AtRandom(arms),
            "Gittins": Gittins(arms, pulls, 1 - 1 / pulls),
            "Thompson": ThompsonSampling(arms),
            "optimistic Thompson": OptimisticThompsonSampling(arms),
            "UCB1": best([UCB1(arms, jnp.asarray(c)) for c in CS]),
            "ε-greedy": best([EpsilonGreedy(arms, jnp.asarray(epsilon)) for epsilon in EPSILONS]),
            "greedy": Greedy(arms),
        }

    def _learnt(
        self,
        pulls: int,
        arms: int,
        number: int,
        folder: Path,
        key: Key[Array, ""],
        from_pretrained: bool,
        options: Any,
    ) -> tuple[Any, dict[str, float]]:
        # Of few pulls, none pays off by its information alone.
        envs = Bandits(arms, pulls, moments=1 if pulls <= 10 else 2)
        training = self._training(pulls)
        start = training.new(envs, seed_keys(key, 300 + number, self.seeds))
        if from_pretrained:
            return stored(f"bandits-{pulls}-{arms}", start), {}
        agents, _, seconds = training.run(
            f"RL2 {pulls} {arms}",
            start,
            envs,
            folder,
            seed_keys(key, 400 + number, self.seeds),
            lambda _: 0.0,
            options,
        )
        store(agents, folder / "trained" / f"bandits-{pulls}-{arms}.npz")
        return agents, seconds

    def _training(self, pulls: int) -> Training:
        # With few pulls, most of the best strategy is to repeat what paid; distant returns would
        # only add noise to that.
        few = pulls <= 10
        steps = self.steps if few else 2 * self.steps
        optimiser = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adam(optax.linear_schedule(2e-3, 1e-5, steps))
        )
        discount, decay, entropy = (0.8, 0.5, 0.05) if few else (0.985, 0.9, 0.03)
        objective = Objective(discount, decay, entropy, anneal=steps, guess_cost=1.0)
        method = A2C(pulls, objective)
        return Training(method, optimiser, (steps,), self.tasks_per_step, self.width)


Scores = tuple[Float[Array, "seeds tasks"], Float[Array, "seeds tasks pulls"]]


def scored(agents: Any, bandits: Bandit, key: Key[Array, ""]) -> Scores:
    """Total reward of several agents on each bandit, and the expected regret up to each pull."""
    return eqx.filter_vmap(lambda agent: _scored(agent, bandits, key))(agents)


def scored_alone(agent: AbstractAgent, bandits: Bandit, key: Key[Array, ""]) -> Scores:
    """The same of a single agent, such as a rule; the `seeds` axis is one."""
    reward, regret = _scored(agent, bandits, key)
    return reward[None], regret[None]


@eqx.filter_jit
def _scored(agent: Any, bandits: Bandit, key: Key[Array, ""]) -> tuple[Array, Array]:
    def one(env: Bandit, key: Key[Array, ""]) -> tuple[Array, Array]:
        life = live(agent, env, key=key, steps=env.pulls)
        return life.reward.sum(), expected_regret(env, life.action)

    return jax.vmap(one)(bandits, jr.split(key, bandits.means.shape[0]))


def cell_row(
    name: str, pulls: int, arms: int, reward: Float[np.ndarray, "seeds tasks"]
) -> dict[str, Any]:
    """One row of the result. `agrees`: the two differ by less than 1.96 standard errors, theirs
    over 1,000 bandits."""
    published = PUBLISHED[pulls, arms][COLUMNS.index(name)]
    half = interval(reward.reshape(1, -1))[1]
    theirs = 1.96 * float(reward.std()) / np.sqrt(1000)
    rounding = 0.05  # one decimal is published
    agrees = abs(float(reward.mean()) - published) <= np.hypot(half, theirs) + rounding
    setting = {"RL²": Setting.META, "random": Setting.BOUND}.get(name, Setting.SCRATCH)
    return (
        {"part": "table 1", "recipe": name, "setting": setting.value, "tasks": "new"}
        | {"pulls": pulls, "arms": arms, "quantity": "total reward"}
        | {"value": float(reward.mean()), "ci95": half, "num_tasks": int(reward.size)}
        | {"by_seed": [round(float(seed), 3) for seed in reward.mean(axis=1)]}
        | {"published": published, "source": SOURCE, "agrees": bool(agrees)}
    )
