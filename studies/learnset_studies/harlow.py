"""Harlow 1949 and Wang et al. 2016: the formation of learning sets."""

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

from learnset.behaviour import compare_curves, CurveFit, percent_correct, read_stimulus_action
from learnset.comparison import seed_keys
from learnset.core import COLOURS, FAINT, INK, InputError, new_figure, Split, write_figure
from learnset.envs import Harlow, Life, live_on
from learnset.rl import A2C, OnlineReinforce, WinStayLoseShift

from ._agents import life_of, lives, store, stored, summary, Training, without
from ._study import markdown_table

TRIALS = 6
ABLATIONS = {
    "memory emptied before each trial": {"keeps_memory": False},
    "reward not sensed": {"senses_reward": False},
    "last action not sensed": {"senses_action": False},
}
LRS = (0.03, 0.1, 0.3, 1.0, 3.0)


@dataclasses.dataclass(frozen=True)
class HarlowStudy:
    """The study's sizes."""

    steps: int = 1600
    seeds: int = 5
    problems: int = 1000  # held-out problems, the same for all
    earlier_problems: int = 3000  # that the learner by weights goes through before
    tasks_per_step: int = 128
    width: int = 96

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"harlow: `{name}={value}`, but it must be at least 1.")

    def quick(self) -> "HarlowStudy":
        """A fast run of all parts, whose agents have not learnt much."""
        return HarlowStudy(160, 2, 200, 200, 64, 32)

    def with_steps(self, steps: int) -> "HarlowStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(
        self, folder: Path, key: Key[Array, ""], from_pretrained: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`. `options` go to `train`.

        **Returns:** what `result.json` holds.
        """
        envs = Harlow(counterbalanced=False)
        test = Harlow().draw(self.problems, Split.TEST, key=jr.fold_in(key, 9))
        score_key = jr.fold_in(key, 10)

        def score(agents: Any) -> Float[np.ndarray, "seeds trials"]:
            return right(lives(agents, test, score_key)).mean(axis=1)

        training, start = (
            self._training(),
            self._training().new(envs, seed_keys(key, 0, self.seeds)),
        )
        if from_pretrained:
            agents, said, seconds = stored("harlow", start), {}, {}
        else:
            agents, said, seconds = training.run(
                "RL2", start, envs, folder, seed_keys(key, 1, self.seeds), score, options
            )
            store(agents, folder / "trained" / "harlow.npz")
        correct = {"RL²": right(lives(agents, test, score_key))}
        for name, ablated in ABLATIONS.items():
            correct[f"RL², {name}"] = right(lives(without(agents, **ablated), test, score_key))
        correct |= self._by_weights(test, key)
        correct["win-stay, lose-shift"] = right(life_of(WinStayLoseShift(), test, score_key))
        turned = Harlow(reversed_at=3).draw(self.problems, Split.TEST, key=jr.fold_in(key, 11))
        reversal = right(lives(agents, turned, score_key))
        people, fit = self._people(correct["RL²"])
        rows = [
            {
                "part": "trials",
                "recipe": name,
                "tasks": "new",
                "trial": trial + 1,
                "quantity": "percent correct",
            }
            | summary(100 * values[..., trial])
            for name, values in correct.items()
            for trial in range(TRIALS)
        ]
        rows += [
            {"part": "reversal after trial 3", "recipe": "RL²", "tasks": "new", "trial": trial + 1}
            | {"quantity": "percent correct"}
            | summary(100 * reversal[..., trial])
            for trial in range(TRIALS)
        ]
        rows += [
            {"part": "stages", "recipe": "RL²", "tasks": "new", "steps": stage, "trial": trial + 1}
            | {"quantity": "percent correct", "value": float(np.mean(values, axis=0)[trial] * 100)}
            | {"by_seed": [round(100 * seed[trial], 2) for seed in values]}
            for stage, values in said.items()
            for trial in range(TRIALS)
        ]
        draw(rows, people, folder)
        learnt = int(sum((100 * seed[:, 1:].mean() >= 97) for seed in correct["RL²"]))
        result = {"rows": rows, "training": seconds, "seeds_at_97": learnt, "people": people}
        (folder / "README.md").write_text(page(result, self, fit))
        return result

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
        method = A2C(horizon=2 * TRIALS, discount=0.9, entropy=0.05, anneal=self.steps)
        return Training(method, optimiser, tuple(stages), self.tasks_per_step, self.width)

    def _by_weights(self, test: Any, key: Key[Array, ""]) -> dict[str, np.ndarray]:
        """Learners by weights, from scratch and after earlier problems; the step size is chosen on validation problems."""
        validation = Harlow().draw(200, Split.VALIDATION, key=jr.fold_in(key, 12))
        earlier = Harlow().draw(self.earlier_problems, Split.TRAIN, key=jr.fold_in(key, 13))
        size = 2 * Harlow().features + 1

        def new(lr: float, key: Key[Array, ""]) -> OnlineReinforce:
            return OnlineReinforce(eqx.nn.MLP(size, 2, 64, 1, key=key), jnp.asarray(lr))

        found = {}
        for name, before in (("scratch", None), ("transfer", earlier)):
            best, best_agents = -1.0, None
            for lr in LRS:
                agents = eqx.filter_vmap(lambda k, lr=lr: new(lr, k))(seed_keys(key, 3, self.seeds))
                if before is not None:
                    agents = carried(agents, before, jr.fold_in(key, 14))
                reached = right(lives(agents, validation, jr.fold_in(key, 15)))[..., 1:].mean()
                if reached > best:
                    best, best_agents = reached, agents
            found[f"{name}, learning by weights"] = right(
                lives(best_agents, test, jr.fold_in(key, 10))
            )
        return found

    def _people(self, correct: np.ndarray) -> tuple[dict[str, Any] | None, "CurveFit | None"]:
        """People on new stimulus-action problems beside the agents; nothing, where the data are not at hand."""
        try:
            trials = read_stimulus_action(1).by_repetition(2)
        except InputError:
            return None, None
        real = percent_correct(trials)[0]
        count = np.isfinite(trials).sum(axis=0)
        simulated = 100 * correct.mean(axis=(0, 1))
        shared = min(len(real), TRIALS)
        error = np.sqrt(real * (100 - real) / np.maximum(count, 1))[:shared]
        fit = compare_curves(real[:shared], simulated[:shared], unit="%", standard_error=error)
        return {
            "percent_correct": real[:shared].tolist(),
            "agents": simulated[:shared].tolist(),
        }, fit


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


# Pictures


def draw(rows: list[dict[str, Any]], people: dict[str, Any] | None, folder: Path) -> None:
    """`learning-set`: by stage of training, by learner, and seed by seed; `people`: beside real data."""
    figure, axes = new_figure(1, 3, width=13, height=4.4)
    trials = np.arange(1, TRIALS + 1)
    stages = sorted({r["steps"] for r in rows if r["part"] == "stages"})
    if stages:
        import matplotlib

        colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.92, len(stages)))
        for stage, colour in zip(stages, colours, strict=True):
            curve = [r["value"] for r in rows if r["part"] == "stages" and r["steps"] == stage]
            axes[0][0].plot(
                trials, curve, marker="o", markersize=4, color=colour, label=f"{stage:,}"
            )
        axes[0][0].legend(
            title="training steps",
            frameon=False,
            fontsize=8,
            title_fontsize=8,
            ncols=2,
            loc="lower right",
            bbox_to_anchor=(1.0, 0.32),
        )
        for trial, axis_colour in ((1, COLOURS[0]), (0, FAINT)):
            mine = [r["by_seed"] for r in rows if r["part"] == "stages" and r["trial"] == trial + 1]
            for i, line in enumerate(zip(*mine, strict=True)):
                label = f"trial {trial + 1}, each seed" if i == 0 else None
                axes[0][2].plot(
                    stages, line, color=axis_colour, linewidth=1.2, alpha=0.8, label=label
                )
        axes[0][2].legend(frameon=False, fontsize=8, loc="center right")
        axes[0][2].set_xlabel("training steps")
        axes[0][2].set_title("held-out problems, seed by seed", fontsize=11)
    axes[0][0].set_title("RL² in the course of training", fontsize=11)
    names = list(dict.fromkeys(r["recipe"] for r in rows if r["part"] == "trials"))
    for i, name in enumerate(names):
        mine = [r for r in rows if r["part"] == "trials" and r["recipe"] == name]
        style = (
            {"color": INK, "linestyle": ":"}
            if name.startswith("win-stay")
            else {"color": COLOURS[i % len(COLOURS)]}
        )
        axes[0][1].errorbar(
            trials,
            [r["value"] for r in mine],
            [r["ci95"] for r in mine],
            capsize=2,
            label=name,
            linewidth=1.6,
            **style,
        )
    axes[0][1].set_title("learners on new problems", fontsize=11)
    axes[0][1].legend(
        frameon=False, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2
    )
    for axis in axes[0]:
        axis.set_ylim(35, 103)
    for axis in axes[0][:2]:
        axis.set_xticks(trials)
        axis.set_xlabel("trial of a problem")
    axes[0][0].set_ylabel("% correct")
    write_figure(figure, folder, "learning-set")
    if people is not None:
        figure, axes = new_figure(1, 1, width=5.5, height=4)
        at = trials[: len(people["agents"])]
        axes[0][0].plot(
            at,
            people["percent_correct"],
            "o-",
            color=COLOURS[1],
            label="people, two pictures, three keys",
        )
        axes[0][0].plot(at, people["agents"], "s-", color=COLOURS[0], label="RL², two objects")
        axes[0][0].set(
            xlabel="trial (people: showing of the same picture)",
            ylabel="% correct",
            xticks=at,
            ylim=(25, 103),
        )
        axes[0][0].legend(frameon=False, fontsize=9, loc="lower right")
        write_figure(figure, folder, "people")


# Words


def page(result: dict[str, Any], study: HarlowStudy, fit: "CurveFit | None") -> str:
    """The page of results, all of its numbers from `result`."""
    names = list(dict.fromkeys(r["recipe"] for r in result["rows"] if r["part"] == "trials"))
    table = [["% correct on new problems", *[f"trial {t + 1}" for t in range(TRIALS)]]]
    for part, name in [("trials", name) for name in names] + [("reversal after trial 3", "RL²")]:
        mine = [r for r in result["rows"] if r["part"] == part and r["recipe"] == name]
        table.append(
            [
                name if part == "trials" else f"{name}, {part}",
                *[f"{r['value']:.1f} ± {r['ci95']:.1f}" for r in mine],
            ]
        )
    seconds = result["training"]
    took = (
        f"Training took {seconds['train_seconds']:.0f} s for {study.seeds} seeds together"
        f" ({seconds['compile_seconds']:.0f} s more to compile)."
        if seconds
        else "The agents are those that come with the package."
    )
    real = (
        "![People and agents](people.svg)\n\n"
        f"People who learn which of three keys goes with each of two new pictures (Collins & Frank 2012, experiment 1),"
        f" beside RL² on Harlow's problems. By least squares: {fit} Their chance level is a third and not a half, and they"
        " hold two pictures in mind: the comparison is of the shape of one-trial learning, not of the task."
        if fit is not None
        else "The people's data were not at hand (`LEARNSET_DATA`)."
    )
    return f"""# Learning sets: learning to learn which object has the food

Made by `learnset study harlow`; {study.steps:,} training steps of {study.tasks_per_step} problems, {study.seeds} seeds,
{study.problems:,} held-out problems with objects that no training problem had. All numbers are in
[result.json](result.json).

A problem shows two new objects, left and right changing from trial to trial; one of them is always rewarded. The first
trial can only be guessed. Harlow's monkeys needed hundreds of problems until the second was right: they learnt to learn.

![Percentage correct by trial](learning-set.svg)

{markdown_table(table)}

± is the 95 % interval over seeds and problems. {result["seeds_at_97"]} of {study.seeds} seeds reach 97 % on trials 2 to 6.
{took}

## What it shows

- *RL²* is a recurrent network trained over problems; within a problem no weight changes. Win-stay, lose-shift on the object
  is the perfect rule: 50 % on trial 1, and 100 % from then on.
- *Scratch* and *transfer* learn by their weights, one step of policy gradient after each trial, from a new network and
  from one that has gone through {study.earlier_problems:,} earlier problems. Step sizes were chosen on validation problems.
- *Ablations* are made after training. Without memory from trial to trial, or without the reward, nothing of the first trial
  can be known in the second.
- *Reversal*: from trial 4 on the other object is rewarded; the agents were not trained for it.

Training problems draw sides independently, tests balance them as Harlow did: with balanced sides agents learnt to count
sides, which tells the last trials without a look at the objects. The critic is told in training where the food is; nothing
of that reaches memory or actor. Wang et al. 2016 report that 26 % (one LSTM) to 43 % (two) of their seeds reached ceiling.
Their agents had to find objects in pictures and to look at them first, ours get feature vectors and choose: an easier task,
and we did not test how much of the difference that makes.

## Beside people

{real}
"""
