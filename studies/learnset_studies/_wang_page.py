"""Figures and page of the study of Wang et al. 2016."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.comparison import Setting
from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure
from learnset.report import Grid, look, Markdown, Page, Paragraph, Picture, Section

from ._pages import by_learner, cell, Row, select, times
from ._study import figure_data

COLOUR = {
    "Gittins": COLOURS[0],
    "Thompson": COLOURS[1],
    "UCB1": COLOURS[4],
    "tuned UCB1": COLOURS[3],
    "best possible": FAINT,
}
MODEL_FREE, MODEL_BASED = "model-free learner", "model-based learner"


def trained_on(family: str) -> str:
    """The name of the agents that were trained on a family of bandits."""
    return f"RL² trained on {family}"


# Figures


def draw(result: dict[str, Any], folder: Path) -> None:
    """`regret`: expected regret by pull for each family, and by training family; `stay`: how often
    the first choice of the two-step task is repeated."""
    curves = figure_data(result, "regret", folder)
    if curves is not None:
        _draw_regret(curves, select(result["rows"], part="bandits"), folder)
    _draw_stay(select(result["rows"], part="two-step", quantity="% stay"), folder)


def _draw_regret(curves: dict[str, dict[str, list]], rows: list[Row], folder: Path) -> None:
    figure, axes = new_figure(2, 3, width=12, height=7.2)
    for axis, (tested, by_name) in zip(axes.flat, curves.items(), strict=False):
        styles: dict[str, dict[str, Any]] = {
            name: {"color": colour, "linewidth": 1.4, "label": name}
            for name, colour in COLOUR.items()
        }
        meta = {"color": look(Setting.META).colour, "linewidth": 2.2}
        independent = {"linestyle": "--", "label": "RL² trained on independent arms"}
        styles[trained_on("independent")] = meta | independent
        styles[trained_on(tested)] = meta | {"label": "RL² trained on these arms"}
        for name, style in styles.items():
            if name in by_name:
                axis.plot(np.arange(1, len(by_name[name]) + 1), by_name[name], **style)
        title = "independent arms" if tested == "independent" else f"dependent arms: {tested}"
        axis.set_title(title, fontsize=11)
        axis.set(xlabel="pull", ylabel="expected regret", ylim=(0, None), xlim=(0, None))
    handles, labels = axes.flat[1].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize=9.5, loc="outside lower center", ncols=len(labels)
    )
    _draw_matrix(axes.flat[5], rows, list(curves))
    write_figure(figure, folder, "regret")


def _draw_matrix(axis: Any, rows: list[Row], families: list[str]) -> None:
    """Regret after the last pull by training family (rows) and test family (columns); each column
    has its own scale."""
    values = np.array(
        [
            [select(rows, recipe=trained_on(row), tasks=tested)[0]["value"] for tested in families]
            for row in families
        ]
    )
    axis.imshow(values / values.max(axis=0), cmap="Blues", aspect="auto", vmin=0, vmax=1.25)
    for (i, j), value in np.ndenumerate(values):
        weight = "bold" if value == values[:, j].min() else None
        axis.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize=9.5, weight=weight)
    axis.set_xticks(range(len(families)), ["indep.", *families[1:]], fontsize=8.5)
    axis.set_yticks(range(len(families)), families, fontsize=8.5)
    axis.grid(False)
    axis.set(xlabel="tested on", ylabel="trained on")
    axis.set_title("regret after the last pull (best of a column bold)", fontsize=10)


def _draw_stay(rows: list[Row], folder: Path) -> None:
    figure, axes = new_figure(1, 3, width=10.5, height=3.7, sharey=True)
    for axis, name in zip(axes[0], (MODEL_FREE, MODEL_BASED, "RL²"), strict=True):
        for shift, transition, colour in (
            (-0.19, "common", COLOURS[0]),
            (0.19, "rare", COLOURS[1]),
        ):
            for i, rewarded in enumerate((True, False)):
                (row,) = select(rows, recipe=name, transition=transition, rewarded=rewarded)
                label = f"{transition} transition" if rewarded else None
                axis.bar(i + shift, row["value"], 0.36, color=colour, label=label)
                seeds = len(row["by_seed"])
                if seeds > 1:
                    at = i + shift + np.linspace(-0.06, 0.06, seeds)
                    axis.plot(at, row["by_seed"], "o", color=INK, markersize=3.5)
        axis.set_title(name if name != "RL²" else "RL² (points: seeds)", fontsize=11)
        axis.set_xticks((0, 1), ("rewarded", "not rewarded"))
        axis.grid(False, axis="x")
        axis.set_ylim(0, 100)
    axes[0][0].set_ylabel("% first choice repeated")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9.5, loc="outside lower center", ncols=2)
    write_figure(figure, folder, "stay")


# Page


def page(result: dict[str, Any]) -> Page:
    """The page: published orderings, and the numbers that they are taken from."""
    sizes, rows = result["sizes"], result["rows"]
    ordered = select(rows, part="orderings")
    bandits = select(rows, part="bandits")
    families = list(dict.fromkeys(r["tasks"] for r in bandits))
    agree = sum(r["agrees"] for r in ordered)
    return Page(
        "Learning to reinforcement learn: the training tasks decide what is learnt",
        (
            Section("", (Paragraph(TASK), _sizes(result))),
            Section(
                "",
                (
                    Paragraph(f"**{agree} of {len(ordered)} published orderings agree.**"),
                    by_learner(
                        bandits, "tasks", families, digits=2, title="expected regret, tested on"
                    ),
                    Paragraph("± is the 95 % interval over seeds and tasks."),
                ),
                brief=True,
            ),
            Section(
                f"Two arms, {bandits[0]['pulls']} pulls",
                (
                    Paragraph(BANDITS),
                    Picture(
                        "regret",
                        "Expected regret by pull for each family of bandits, and after the last"
                        " pull by training and test family.",
                    ),
                    Paragraph(RULES),
                ),
            ),
            Section("An informative arm", (_informative(select(rows, part="informative arm")),)),
            Section(
                "The two-step task",
                (
                    _two_step(select(rows, part="two-step"), ordered, sizes),
                    Picture("stay", "Percentage of first choices repeated after each outcome."),
                    _effects(select(rows, part="two-step")),
                    Paragraph(EFFECTS),
                ),
            ),
            Section("All orderings", (_claims(ordered), _differences(sizes))),
        ),
    )


TASK = """\
After Wang et al. 2016, *Learning to reinforcement learn*, which shows curves and no tables: only
orderings can be compared. RL² is a recurrent network whose inputs are its last action and the
reward; while it learns a new task, its weights do not change."""

BANDITS = """\
Arms pay 1 or nothing. *Independent*: the probability of each arm is drawn on its own. Dependent:
the arms pay with p and 1 - p; p is drawn uniformly (*uniform*), or is one of 0.1 and 0.9 (*easy*),
0.25 and 0.75 (*medium*), 0.4 and 0.6 (*hard*)."""

RULES = """\
Gittins, Thompson and UCB1 (c = 1, or tuned on validation bandits of the same family) are made for
independent arms and do not use the dependence. A rule that knows it need not explore: the rewards
of one arm are just as informative about the other, and the best arm is the one that more rewards
speak for. This rule is called *best possible*."""

EFFECTS = """\
*Effect of reward*: how much more often the choice is repeated after a reward, whatever the
transition; *reward × transition*: how much larger this is after common transitions than after rare
ones, halved. The first is the mark of model-free learning, the second of model-based learning (Daw
et al. 2011). The two other learners are delta rules whose step size (0.5) and softmax were not
fitted: they show the patterns, not the best that such learners can do."""


def _sizes(result: dict[str, Any]) -> Paragraph:
    sizes = result["sizes"]
    return Paragraph(
        f"{sizes['steps']:,} training steps on each family of tasks (ten times as many on the"
        f" informative arm), {sizes['seeds']} seeds, {sizes['bandits']:,} held-out tasks, the same"
        f" for all learners. Training took {times(result['training'])}, all seeds together and"
        " without compilation. All numbers are in [result.json](result.json)."
    )


def _informative(rows: list[Row]) -> Paragraph:
    reward, first = rows
    by_seed = ", ".join(f"{value:.0f}" for value in first["by_seed"])
    return Paragraph(
        "Eleven arms, five pulls, and deterministic rewards: one of ten arms pays 5, the others 1;"
        " the eleventh pays a tenth of the number of the arm that pays 5 (Wang et al. 2016, §3.1.3,"
        " report that agents learn to pay for this information). Pulling the informative arm first"
        f" earns {reward['known_best']:g} on average, searching without it"
        f" {reward['known_search']:g}; RL² earns {cell(reward, 2)}, and pulls it first in"
        f" {first['value']:.0f} % of bandits (by seed: {by_seed})."
    )


def _two_step(rows: list[Row], ordered: list[Row], sizes: dict[str, Any]) -> Paragraph:
    based = all(r["agrees"] for r in ordered if r["claim"].startswith("two-step"))
    answer = (
        "Once trained, it behaves like a model-based learner."
        if based
        else "Once trained, it does not clearly behave like a model-based learner."
    )
    return Paragraph(
        "A first choice leads to one of two places, commonly (75 %) to its own; one place is rich,"
        " and from time to time the places swap. After a reward that followed a rare transition, a"
        " model-free learner repeats the choice; a model-based learner makes the other one. RL² was"
        f" trained by a model-free rule (A2C, {sizes['trials'] // 2} trials a task). {answer}"
    )


def _effects(rows: list[Row]) -> Grid:
    effects = [r for r in rows if r["quantity"] != "% stay"]
    heads = list(dict.fromkeys(r["quantity"] for r in effects))
    return by_learner(effects, "quantity", heads)


def _claims(rows: list[Row]) -> Grid:
    lines = [
        (
            r["claim"],
            r["source"].split(", ")[-1],
            cell(r, 2),
            "yes" if r["agrees"] else Markdown("**no**"),
        )
        for r in rows
    ]
    return Grid(("published", "section", "difference", "agrees"), tuple(lines), left=2)


def _differences(sizes: dict[str, Any]) -> Paragraph:
    return Paragraph(
        "The difference is between what is claimed to be larger and what is claimed to be smaller;"
        " it agrees where its 95 % interval over seeds is above zero. Different from the paper:"
        f" gated units instead of an LSTM, a mean over {sizes['seeds']} seeds instead of the best"
        " five of a hundred settings,"
        f" {sizes['steps'] * sizes['tasks_per_step']:,} training bandits instead of 20,000; and in"
        " training the network also predicts what is hidden (the means of the arms; which place is"
        " rich)."
    )
