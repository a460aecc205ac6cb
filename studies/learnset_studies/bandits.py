"""Bernoulli bandits: RL² beside the rules that are known, table 1 of Duan et al. 2016."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import seed_keys
from learnset.core import COLOURS, INK, InputError, interval, new_figure, Split, write_figure
from learnset.envs import AbstractAgent, Bandit, Bandits, expected_regret, live
from learnset.rl import (
    A2C,
    AtRandom,
    EpsilonGreedy,
    Gittins,
    Greedy,
    OptimisticThompsonSampling,
    ThompsonSampling,
    UCB1,
)

from ._agents import store, stored, Training
from ._study import markdown_table

SOURCE = "Duan et al. 2016, RL², table 1"
CELLS = tuple((pulls, arms) for pulls in (10, 100, 500) for arms in (5, 10, 50))
COLUMNS = (
    "random",
    "Gittins",
    "Thompson",
    "optimistic Thompson",
    "UCB1",
    "ε-greedy",
    "greedy",
    "RL²",
)
PUBLISHED = {  # total reward, mean of 1,000 bandits, in the order of COLUMNS
    (10, 5): (5.0, 6.6, 5.7, 6.5, 6.7, 6.6, 6.6, 6.7),
    (10, 10): (5.0, 6.6, 5.5, 6.2, 6.7, 6.6, 6.6, 6.7),
    (10, 50): (5.1, 6.5, 5.2, 5.5, 6.6, 6.5, 6.5, 6.8),
    (100, 5): (49.9, 78.3, 74.7, 77.9, 78.0, 75.4, 74.8, 78.7),
    (100, 10): (49.9, 82.8, 76.7, 81.4, 82.4, 77.4, 77.1, 83.5),
    (100, 50): (49.8, 85.2, 64.5, 67.7, 84.3, 78.3, 78.0, 84.9),
    (500, 5): (249.8, 405.8, 402.0, 406.7, 405.8, 388.2, 380.6, 401.6),
    (500, 10): (249.0, 437.8, 429.5, 438.9, 437.1, 408.0, 395.0, 432.5),
    (500, 50): (249.6, 463.7, 427.2, 437.6, 457.6, 413.6, 402.8, 438.9),
}
LEARNT = ((10, 5), (10, 10), (100, 5), (100, 10))  # cells in which RL² is trained
CS = (0.1, 0.2, 0.3, 0.5, 0.8)  # of UCB1, to choose from
EPSILONS = (0.0, 0.01, 0.02, 0.05, 0.1)  # of ε-greedy, to choose from


@dataclasses.dataclass(frozen=True)
class BanditStudy:
    """The study's sizes."""

    steps: int = 2000
    seeds: int = 2
    bandits: int = (
        10_000  # held-out bandits that RL² is scored on; the rules get fewer of the longest
    )
    tasks_per_step: int = 256
    width: int = 64

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"bandits: `{name}={value}`, but it must be at least 1.")

    def quick(self) -> "BanditStudy":
        """A fast run of all parts, whose agents have not learnt much."""
        return BanditStudy(40, 2, 300, 64, 32)

    def with_steps(self, steps: int) -> "BanditStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(
        self, folder: Path, key: Key[Array, ""], from_pretrained: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`. `options` go to `train`.

        **Returns:** what `result.json` holds.
        """
        if from_pretrained:  # as many bandits as the paper has, so that it is a matter of seconds
            return dataclasses.replace(self, bandits=min(self.bandits, 1000))._run(
                folder, key, True, options
            )
        return self._run(folder, key, False, options)

    def _run(
        self, folder: Path, key: Key[Array, ""], from_pretrained: bool, options: dict[str, Any]
    ) -> dict[str, Any]:
        rows, regrets, seconds = [], {}, {}
        for number, (pulls, arms) in enumerate(CELLS):
            count = max(1, min(self.bandits, 2_000_000 // pulls // (1 if arms <= 10 else 4)))
            bandits = Bandits(arms, pulls).draw(
                count, Split.TEST, key=jr.fold_in(key, 100 + number)
            )
            key_of_cell = jr.fold_in(key, 200 + number)
            rules = self._rules(pulls, arms, key_of_cell)
            for name, agent in rules.items():
                reward, regret = scored(agent, bandits, key_of_cell)
                rows.append(cell_row(name, pulls, arms, np.asarray(reward)[None]))
                if (pulls, arms) == (100, 10):
                    regrets[name] = np.asarray(regret).mean(axis=0)
            if (pulls, arms) in LEARNT:
                agents, seconds[f"{pulls}, {arms}"] = self._learnt(
                    pulls, arms, number, folder, key, from_pretrained, options
                )
                reward, regret = eqx.filter_vmap(
                    lambda a, b=bandits, k=key_of_cell: scored(a, b, k)
                )(agents)
                rows.append(cell_row("RL²", pulls, arms, np.asarray(reward)))
                if (pulls, arms) == (100, 10):
                    regrets["RL²"] = np.asarray(regret).mean(axis=(0, 1))
        draw(regrets, folder)
        result = {"rows": rows, "training": seconds}
        (folder / "README.md").write_text(page(result, self))
        return result

    def _rules(self, pulls: int, arms: int, key: Key[Array, ""]) -> dict[str, AbstractAgent]:
        """The classical columns; UCB1 and ε-greedy with what is best on validation bandits."""
        validation = Bandits(arms, pulls).draw(
            1000 if arms <= 10 else 300, Split.VALIDATION, key=key
        )

        def best(candidates: list[AbstractAgent]) -> AbstractAgent:
            return max(
                candidates, key=lambda agent: float(scored(agent, validation, key)[0].mean())
            )

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
        envs = Bandits(
            arms, pulls, moments=1 if pulls <= 10 else 2
        )  # of few pulls none is worth its knowledge alone
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
        # What helps much later is worth little where pulls are few: most of the way to the best is to repeat what paid, and
        # returns from far ahead drown that in noise.
        few = pulls <= 10
        steps = self.steps if few else 2 * self.steps
        optimiser = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adam(optax.linear_schedule(2e-3, 1e-5, steps))
        )
        discount, decay, entropy = (0.8, 0.5, 0.05) if few else (0.985, 0.9, 0.03)
        method = A2C(
            pulls, discount=discount, decay=decay, entropy=entropy, anneal=steps, guess_cost=1.0
        )
        return Training(method, optimiser, (steps,), self.tasks_per_step, self.width)


@eqx.filter_jit
def scored(
    agent: Any, bandits: Bandit, key: Key[Array, ""]
) -> tuple[Float[Array, "tasks"], Float[Array, "tasks pulls"]]:
    """Total reward on each bandit, and the expected regret up to each pull."""

    def one(env: Bandit, key: Key[Array, ""]) -> tuple[Array, Array]:
        life = live(agent, env, key=key, steps=env.pulls)
        return life.reward.sum(), expected_regret(env, life.action)

    return jax.vmap(one)(bandits, jr.split(key, bandits.means.shape[0]))


def cell_row(
    name: str, pulls: int, arms: int, reward: Float[np.ndarray, "seeds tasks"]
) -> dict[str, Any]:
    """One row of the result. `agrees`: the two differ by less than 1.96 standard errors, theirs over 1,000 bandits."""
    published = PUBLISHED[pulls, arms][COLUMNS.index(name)]
    half = interval(reward.reshape(1, -1))[1]
    theirs = 1.96 * float(reward.std()) / np.sqrt(1000)
    row = {
        "part": "table 1",
        "recipe": name,
        "tasks": "new",
        "pulls": pulls,
        "arms": arms,
        "quantity": "total reward",
    }
    row |= {"value": float(reward.mean()), "ci95": half, "num_tasks": int(reward.size)}
    row |= {"by_seed": [round(float(seed), 3) for seed in reward.mean(axis=1)]}
    rounding = 0.05  # one decimal is published
    agrees = abs(float(reward.mean()) - published) <= np.hypot(half, theirs) + rounding
    return row | {"published": published, "source": SOURCE, "agrees": bool(agrees)}


def draw(regrets: dict[str, np.ndarray], folder: Path) -> None:
    """`regret`: expected regret against pulls, ten arms."""
    figure, axes = new_figure(1, 1, width=6.6, height=4.2)
    for i, (name, regret) in enumerate(regrets.items()):
        colour = INK if name == "RL²" else COLOURS[i % len(COLOURS)]
        axes[0][0].plot(
            np.arange(1, len(regret) + 1),
            regret,
            color=colour,
            label=name,
            linewidth=2.4 if name == "RL²" else 1.4,
        )
    axes[0][0].set(
        xlabel="pull",
        ylabel="expected regret",
        title="ten arms, 100 pulls",
        ylim=(0, 25),
        xlim=(1, None),
    )
    axes[0][0].legend(frameon=False, fontsize=8.5)
    write_figure(figure, folder, "regret")


def page(result: dict[str, Any], study: BanditStudy) -> str:
    """The page of results, all of its numbers from `result`."""
    found = {(r["pulls"], r["arms"], r["recipe"]): r for r in result["rows"]}
    lines = [["pulls, arms", *COLUMNS]]
    for pulls, arms in CELLS:
        ours, theirs = [f"**{pulls}, {arms}**, ours"], ["published"]
        for name, published in zip(COLUMNS, PUBLISHED[pulls, arms], strict=True):
            row = found.get((pulls, arms, name))
            mark = "" if row is None else ("" if row["agrees"] else " †")
            ours.append("" if row is None else f"{row['value']:.1f}{mark}")
            theirs.append(f"{published:.1f}")
        lines += [ours, theirs]
    classical = [r for r in result["rows"] if r["recipe"] != "RL²"]
    learnt = [r for r in result["rows"] if r["recipe"] == "RL²"]
    words = "; ".join(
        f"{r['pulls']} pulls, {r['arms']} arms: {r['value']:.2f} ± {r['ci95']:.2f} (seed by seed"
        f" {', '.join(f'{s:.2f}' for s in r['by_seed'])}; published {r['published']})"
        for r in learnt
    )
    greedy = found[100, 5, "greedy"]["value"]
    times = ", ".join(
        f"{cell}: {s['train_seconds']:.0f} s" for cell, s in result["training"].items() if s
    )
    took = (
        f"Training took ({study.seeds} seeds together) {times}."
        if times
        else "The agents come with the package."
    )
    return f"""# Bandits: what a network learns to do, and what is known to be good

Made by `learnset study bandits`; all numbers are in [result.json](result.json). Source of the published values: {SOURCE}.

Each arm pays 1 with its own probability, drawn evenly from 0 to 1 anew for each bandit. Total reward, mean over held-out
bandits:

{markdown_table(lines)}

† differs from the published value by more than drawing bandits explains (1,000 of theirs, more of ours);
{sum(r["agrees"] for r in classical)} of {len(classical)} classical values agree. UCB1's c and ε were chosen on validation
bandits, as theirs were tuned; Gittins indices are computed, with the discount 1 - 1 / pulls, which the paper does not state.
Optimistic Thompson sampling is the rule of May et al. 2012, no draw below the mean; the published column is not that rule.
The arm that is best in most of 20 draws (`ThompsonSampling(samples=20)`) comes nearer to it in most cells, not in all.

RL²: {words}. {took}

![Expected regret](regret.svg)

RL² is a recurrent network, trained by A2C on other bandits, that senses its last pull and what it paid. In training it also
guesses the arms' means (of 100 pulls their squares too), its critic is told them, and what counts is the mean of the arm
pulled, not what it happened to pay. Guessing means alone, it came to the greedy rule's reward ({greedy:.1f} at 100 pulls and
five arms) and stayed there: to explore, it must know how sure it is of a mean, which the squares ask it for. Returns are
discounted more than the paper's: with returns of the whole bandit the same network came to pull one arm for ever.
"""
