"""Pictures and words of the study of Wang et al. 2016."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure

from ._study import markdown_table

COLOUR = {
    "Gittins": COLOURS[0],
    "Thompson": COLOURS[1],
    "UCB1": COLOURS[4],
    "UCB1, tuned": COLOURS[3],
    "best possible": FAINT,
}
ON_INDEPENDENT = "RL², trained on independent"


def draw_regret(
    curves: dict[str, dict[str, np.ndarray]], rows: list[dict[str, Any]], folder: Path
) -> None:
    """`regret`: expected regret against pulls, a panel for each family; and who does how well where."""
    figure, axes = new_figure(2, 3, width=12, height=7.2)
    for axis, (tested, found) in zip(axes.flat, curves.items(), strict=False):
        mine = f"RL², trained on {tested}"
        for name in (*COLOUR, ON_INDEPENDENT, mine):
            if name not in found:
                continue
            pulls = np.arange(1, len(found[name]) + 1)
            style = {"color": COLOUR.get(name), "linewidth": 1.4, "label": name}
            if name == ON_INDEPENDENT:
                style |= {
                    "color": COLOURS[2],
                    "linestyle": "--",
                    "linewidth": 2,
                    "label": "RL², trained on independent arms",
                }
            if name == mine:
                style |= {
                    "color": COLOURS[2],
                    "linestyle": "-",
                    "linewidth": 2.4,
                    "label": "RL², trained on such arms",
                }
            axis.plot(pulls, found[name], **style)
        axis.set_title(
            "independent arms" if tested == "independent" else f"dependent arms, {tested}",
            fontsize=11,
        )
        axis.set(xlabel="pull", ylabel="expected regret", ylim=(0, None), xlim=(0, None))
    handles, labels = axes.flat[1].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize=9.5, loc="outside lower center", ncols=len(labels)
    )
    _matrix(axes.flat[5], rows, list(curves))
    write_figure(figure, folder, "regret")


def _matrix(axis: Any, rows: list[dict[str, Any]], families: list[str]) -> None:
    """Regret after the last pull, trained on (rows) and tested on (columns), each column by its own scale."""
    values = np.array(
        [
            [_regret(rows, f"RL², trained on {trained}", tested) for tested in families]
            for trained in families
        ]
    )
    axis.imshow(values / values.max(axis=0), cmap="Blues", aspect="auto", vmin=0, vmax=1.25)
    for (i, j), value in np.ndenumerate(values):
        best = value == values[:, j].min()
        axis.text(
            j,
            i,
            f"{value:.1f}",
            ha="center",
            va="center",
            fontsize=9.5,
            weight="bold" if best else None,
        )
    axis.set_xticks(range(len(families)), ["indep.", *families[1:]], fontsize=8.5)
    axis.set_yticks(range(len(families)), families, fontsize=8.5)
    axis.grid(False)
    axis.set(xlabel="tested on", ylabel="trained on")
    axis.set_title("regret after the last pull (best of a column bold)", fontsize=10)


def draw_stay(rows: list[dict[str, Any]], folder: Path) -> None:
    """`stay`: how often the first choice is repeated, by what became of it."""
    names = ("learns what was rewarded", "learns where choices lead", "RL²")
    figure, axes = new_figure(1, 3, width=10.5, height=3.7, sharey=True)
    for axis, name in zip(axes[0], names, strict=True):
        mine = [r for r in rows if r["recipe"] == name and r["quantity"] == "% stay"]
        for shift, (way, colour) in zip(
            (-0.19, 0.19), (("common", COLOURS[0]), ("rare", COLOURS[1])), strict=True
        ):
            bars = sorted(
                (r for r in mine if r["transition"] == way), key=lambda r: not r["rewarded"]
            )
            axis.bar(
                np.arange(2) + shift,
                [r["value"] for r in bars],
                0.36,
                color=colour,
                label=f"{way} transition",
            )
            for i, r in enumerate(bars):
                if len(r["by_seed"]) > 1:
                    at = i + shift + np.linspace(-0.06, 0.06, len(r["by_seed"]))
                    axis.plot(at, r["by_seed"], "o", color=INK, markersize=3.5)
        axis.set_title(name if name != "RL²" else "RL² (points: seeds)", fontsize=11)
        axis.set_xticks((0, 1), ("rewarded", "not rewarded"))
        axis.grid(False, axis="x")
        axis.set_ylim(0, 100)
    axes[0][0].set_ylabel("% first choice repeated")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9.5, loc="outside lower center", ncols=2)
    write_figure(figure, folder, "stay")


def _regret(rows: list[dict[str, Any]], recipe: str, tested: str) -> float:
    return next(
        r["value"]
        for r in rows
        if r["part"] == "bandits" and (r["recipe"], r["tasks"]) == (recipe, tested)
    )


def page(result: dict[str, Any], study: Any) -> str:
    """The page of results, all of its numbers from `result`."""
    rows = result["rows"]
    bandits = [r for r in rows if r["part"] == "bandits"]
    families = list(dict.fromkeys(r["tasks"] for r in bandits))
    table = [["expected regret, tested on", *families]]
    for name in dict.fromkeys(r["recipe"] for r in bandits if r["recipe"] != "best possible"):
        table.append(
            [name, *[f"{r['value']:.2f} ± {r['ci95']:.2f}" for r in bandits if r["recipe"] == name]]
        )
    best = {
        r["tasks"]: f"{r['value']:.2f} ± {r['ci95']:.2f}"
        for r in bandits
        if r["recipe"] == "best possible"
    }
    table.append(
        [
            "best possible (a rule that knows the dependence)",
            *[best.get(name, "") for name in families],
        ]
    )
    claims = [["published", "difference", "agrees"]]
    ordered = [r for r in rows if r["part"] == "orderings"]
    claims += [
        [
            f"{r['claim']} ({r['source'].split(', ')[-1]})",
            f"{r['value']:.2f} ± {r['ci95']:.2f}",
            "yes" if r["agrees"] else "**no**",
        ]
        for r in ordered
    ]
    reward, asked = (r for r in rows if r["part"] == "informative arm")
    walked = [r for r in rows if r["part"] == "two-step" and r["quantity"] != "% stay"]
    quantities = list(dict.fromkeys(r["quantity"] for r in walked))
    two_step = [["two-step task", *quantities]]
    for name in dict.fromkeys(r["recipe"] for r in walked):
        two_step.append(
            [name, *[f"{r['value']:.1f} ± {r['ci95']:.1f}" for r in walked if r["recipe"] == name]]
        )
    second = all(r["agrees"] for r in ordered if r["claim"].startswith("two-step"))
    does = (
        "Once trained, it does the second."
        if second
        else "It has not clearly come to do the second."
    )
    times = ", ".join(
        f"{name} {s['train_seconds']:.0f} s" for name, s in result["training"].items()
    )
    asks = ", ".join(f"{value:.0f}" for value in asked["by_seed"])
    return f"""# Learning to reinforcement learn: what the tasks were like decides what is learnt

Made by `learnset study wang`; {study.steps:,} training steps on each family of tasks
(ten times as many on the arm that tells), {study.seeds} seeds, {study.bandits:,} held-out tasks, the same for all.
All numbers are in [result.json](result.json). After Wang et al. 2016, *Learning to reinforcement learn*, who show curves
and no tables: what can be compared are orderings.

RL² is a recurrent network that senses what it did and what that paid; while it learns a new task its weights stay as they
are. {sum(r["agrees"] for r in ordered)} of {len(ordered)} published orderings agree.

## Two arms, {bandits[0]["pulls"]} pulls

Arms pay 1 or nothing. *Independent*: each arm's probability is drawn for itself. Dependent: the arms pay with p and 1 - p;
p is drawn evenly (*uniform*), or is one of 0.1 and 0.9 (*easy*), 0.25 and 0.75 (*medium*), 0.4 and 0.6 (*hard*).

![Expected regret](regret.svg)

{markdown_table(table)}

± is the 95 % interval over seeds and tasks. Gittins, Thompson and UCB1 (c = 1, or tuned on independent validation bandits) are
made for independent arms, and know nothing of the dependence. Who knows it need not explore at all: what one arm pays says all of
the other, and the best is the arm for which more rewards speak.

## An arm that tells

Eleven arms, five pulls, rewards that are always the same: one of ten arms pays 5, the others 1; the eleventh pays a tenth of
the number of the arm that pays 5 (Wang et al. 2016, §3.1.3, report that agents learn to pay for it). To ask it first brings
{reward["known_best"]:g} on average, to search {reward["known_search"]:g}; RL² gets {reward["value"]:.2f} ± {reward["ci95"]:.2f},
and asks first in {asked["value"]:.0f} % of bandits (seed by seed {asks}).

## What a recurrent agent does on the two-step task

A first choice leads to one of two places, commonly (75 %) to its own; one place is rich, and from time to time they change
over. After a reward that came by a rare transition, who learns what was rewarded repeats the choice; who learns where choices
lead makes the other one. RL² was trained by a rule that knows nothing of places (A2C, {study.trials // 2} trials a task). {does}

![Stay probabilities](stay.svg)

{markdown_table(two_step)}

*Effect of reward*: how much more often the choice is repeated after rewards, whichever the transition; *reward × transition*:
how much more so after common transitions than after rare ones, half of it. The first is the mark of who learns what was
rewarded, the second of who learns where choices lead (Daw et al. 2011). The two other learners are delta rules whose step size
(0.5) and softmax were not fitted: they show the patterns, not how well such learners could do.

## All orderings

{markdown_table(claims)}

The difference is that of what is claimed to be larger and what is claimed to be smaller; it agrees where its 95 % interval over
seeds is above zero. Different from the paper: gated units and not an LSTM, a mean over {study.seeds} seeds and not over the best
five of a hundred settings, {study.steps * study.tasks_per_step:,} training bandits and not 20,000, and in training the network
also guesses what is hidden (the arms' means; which place pays).

Training took {times} (seeds together, without compilation).
"""
