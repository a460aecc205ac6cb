"""Figures and page of the study of navigation."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.comparison import Setting
from learnset.core import COLOURS, INK, new_figure, write_figure
from learnset.report import Grid, look, Page, Paragraph, Picture, Section

from ._pages import by_seed, cell, Row, select, times
from ._study import figure_data

PUBLISHED = (-40.41, -11.68, -3.33, -3.23)  # MAML's return after 0 to 3 gradient steps
BASELINES = ("pretrained", "random initialisation")
ORACLE = "oracle"
SETTINGS = {
    "MAML": Setting.META,
    "pretrained": Setting.TRANSFER,
    "random initialisation": Setting.SCRATCH,
    ORACLE: Setting.BOUND,
}


# Figures


def draw(result: dict[str, Any], folder: Path) -> None:
    """`returns`: return by gradient step, with exploration and with the mean action; `paths`: from
    the start towards a few goals, before any gradient step and after each."""
    _draw_returns(result["rows"], folder)
    paths = figure_data(result, "paths", folder)
    if paths is not None:
        _draw_paths(paths, folder)


def _draw_returns(rows: list[Row], folder: Path) -> None:
    figure, axes = new_figure(1, 2, width=10, height=4)
    exploring, calm = axes[0]
    fewest = min(r["episodes"] for r in rows if "episodes" in r)
    for axis, part in ((exploring, "returns"), (calm, "without exploration")):
        for name, setting in SETTINGS.items():
            curve = select(rows, part=part, recipe=name, episodes=fewest)
            _draw_curve(axis, curve, look(setting).colour)
        axis.set(xlabel="gradient steps", xticks=range(len(PUBLISHED)))
        axis.set_ylim(max(-110.0, axis.get_ylim()[0]), 3)
    exploring.plot(
        PUBLISHED, "D", color=COLOURS[4], markersize=6, label="MAML, published", zorder=5
    )
    exploring.set_title(f"exploring, {fewest} episodes before each step", fontsize=11)
    calm.set_title("the same policies, mean action", fontsize=11)
    exploring.set_ylabel("return")
    exploring.legend(frameon=False, fontsize=8.5, loc="lower right")
    write_figure(figure, folder, "returns")


def _draw_curve(axis: Any, rows: list[Row], colour: str) -> None:
    name, values = rows[0]["recipe"], [r["value"] for r in rows]
    if name == ORACLE:  # it does not adapt
        axis.axhline(
            values[0], color=colour, linestyle=":", label="oracle, which observes the goal"
        )
        return
    steps = [r["steps"] for r in rows]
    for seed in zip(*(r["by_seed"] for r in rows), strict=True):
        axis.plot(steps, seed, color=colour, linewidth=0.8, alpha=0.4)
    half = [r["ci95"] for r in rows]
    axis.errorbar(steps, values, half, color=colour, marker="o", label=name, capsize=3)


def _draw_paths(paths: dict[str, Any], folder: Path) -> None:
    """A row for each policy and a column for each goal. Paths are "goals steps time 2"."""
    from matplotlib import colormaps

    goals, policies = paths["goals"], paths["policies"]
    figure, axes = new_figure(
        len(policies),
        len(goals),
        width=2.9 * len(goals),
        height=2.9 * len(policies) + 0.5,
        sharex=True,
        sharey=True,
    )
    for line, (name, policy) in zip(axes, policies.items(), strict=True):
        calm, exploring = (np.array(policy[k], float) for k in ("mean action", "exploring"))
        colours = colormaps["viridis"](np.linspace(0.0, 0.9, calm.shape[1]))
        for i, (axis, goal) in enumerate(zip(line, goals, strict=True)):
            for step, colour in enumerate(colours):
                label = "before" if step == 0 else f"after {step} step{'' if step == 1 else 's'}"
                axis.plot(*exploring[i, step].T, color=colour, linewidth=0.7, alpha=0.35)
                axis.plot(*calm[i, step].T, color=colour, linewidth=2, label=label)
            _draw_goal(axis, goal)
        line[0].set_ylabel(name)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize=9.5, loc="outside lower center", ncols=len(labels)
    )
    write_figure(figure, folder, "paths")


def _draw_goal(axis: Any, goal: list[float]) -> None:
    axis.plot(0, 0, "o", color=INK, markersize=5, label="start")
    star = {"color": COLOURS[1], "markersize": 15, "markeredgecolor": "white", "zorder": 5}
    axis.plot(*goal, "*", label="goal", **star)
    ticks = (-0.5, 0, 0.5)
    axis.set(xlim=(-0.85, 0.85), ylim=(-0.85, 0.85), aspect="equal", xticks=ticks, yticks=ticks)


# Page


def page(result: dict[str, Any]) -> Page:
    """The page: returns after each gradient step, ours and the published."""
    rows = result["rows"]
    published = [r for r in rows if "published" in r]
    agree = sum(r["agrees"] for r in published)
    return Page(
        "Navigation to an unseen goal: MAML with policy gradients",
        (
            Section("", (Paragraph(TASK), _sizes(result))),
            Section(
                "",
                (
                    Paragraph(
                        f"**{agree} of {len(published)} values of MAML agree with the published"
                        f" ones ({published[0]['source']}).**"
                    ),
                    _table(result, "returns", "return after gradient steps", with_published=True),
                    Paragraph(
                        "± is the 95 % interval over seeds and goals. † differs from the published"
                        " value by more than the drawing of goals explains (40 of theirs, more of"
                        " ours)."
                    ),
                ),
                brief=True,
            ),
            Section(
                "",
                (
                    Picture(
                        "paths",
                        "Paths of the mean action (thick) and of one exploring episode (thin) to"
                        " held-out goals, seed 0.",
                    ),
                    Picture("returns", "Return by gradient step; thin lines are seeds."),
                    _claims(rows),
                ),
            ),
            Section("Differences from the published values", _differences(result)),
            Section("Differences from the paper", (_methods(result),)),
        ),
    )


TASK = """\
A point starts in the middle of a square and observes its position, but not the goal. The return is
minus the sum of its distances to the goal over at most 100 steps. With each new goal a policy goes
through a number of episodes, takes one step of policy gradient, and so on."""


def _sizes(result: dict[str, Any]) -> Paragraph:
    sizes = result["sizes"]
    return Paragraph(
        f"{sizes['steps']:,} meta-iterations of {sizes['tasks_per_step']} goals, {sizes['seeds']}"
        f" seeds, {sizes['goals']} held-out goals. Training took {times(result['training'])}, all"
        " seeds together and without compilation. All numbers are in [result.json](result.json)."
    )


def _table(result: dict[str, Any], part: str, title: str, *, with_published: bool = False) -> Grid:
    """A line for each policy, and a column for each number of gradient steps."""
    rows, steps = select(result["rows"], part=part), range(len(PUBLISHED))
    few, *_ = episodes = result["sizes"]["episodes"]
    maml = look(SETTINGS["MAML"]).name
    lines = [(maml, f"MAML, {n} episodes a step", *_cells(rows, "MAML", n)) for n in episodes]
    if with_published:
        lines.append((maml, "MAML, published", *(f"{value:.2f}" for value in PUBLISHED)))
    for name in (*BASELINES, ORACLE):
        lines.append((look(SETTINGS[name]).name, name, *_cells(rows, name, few)))
    head = ("setting", "policy", *(str(step) for step in steps))
    return Grid(head, tuple(lines), left=2, title=title)


def _cells(rows: list[Row], name: str, episodes: int) -> list[str]:
    """A cell for each number of steps; empty where there was no step."""
    curve = select(rows, recipe=name, episodes=episodes)
    cells = [cell(r, 2) + ("" if r.get("agrees", True) else " †") for r in curve]
    return cells + [""] * (len(PUBLISHED) - len(cells))


def _claims(rows: list[Row]) -> Grid:
    lines = [
        (r["claim"], cell(r, 2), "yes" if r["agrees"] else "no")
        for r in select(rows, part="orderings")
    ]
    return Grid(("published", "difference of returns", "agrees"), tuple(lines))


def _differences(result: dict[str, Any]) -> tuple[Paragraph | Grid, ...]:
    sizes, spread = result["sizes"], result["spread"]
    few, *_ = episodes = sizes["episodes"]

    def value(part: str, recipe: str, number: int, steps: int) -> float:
        fields = {"part": part, "recipe": recipe, "episodes": number, "steps": steps}
        return select(result["rows"], **fields)[0]["value"]

    def by_episodes(steps: int) -> str:
        return ", ".join(
            f"{value('returns', 'MAML', n, steps):.2f} with {n} episodes" for n in episodes
        )

    def deviations(name: str) -> str:
        return ", ".join(f"{one:.2f}" for one in spread[name])

    noise = value("without exploration", ORACLE, few, 0) - value("returns", ORACLE, few, 0)
    return (
        Paragraph(
            "The text of the paper has 20 episodes before each step, the authors' test code at"
            " least 40: 4,000 steps, of at most 100 an episode. After one step, for which MAML was"
            f" trained, ours are {by_episodes(1)}; published: {PUBLISHED[1]}. After a second step"
            f" ours are {by_episodes(2)}; published: {PUBLISHED[2]}. The same policies with their"
            " mean action show the cost of exploration:"
        ),
        _table(result, "without exploration", "return with the mean action after gradient steps"),
        Paragraph(
            "The standard deviations of MAML's actions, in units of the largest action, are"
            f" {deviations('MAML')} after training (by seed) and were"
            f" {spread[BASELINES[1]][0]:.2f} at first; the oracle, with {deviations(ORACLE)}, loses"
            f" {noise:.2f} to its own noise. They are learnt like all other parameters, and"
            f" {sizes['steps']:,} steps of Adam take them"
            " only so far."
        ),
    )


def _methods(result: dict[str, Any]) -> Paragraph:
    returns = select(result["rows"], part="returns")
    lrs = {r["recipe"]: r["lr"] for r in returns if r["lr"] is not None}
    tuned = ", ".join(f"{name} {by_seed(lrs[name])}" for name in BASELINES)
    return Paragraph(
        "The outer step is Adam's instead of TRPO's, and second derivatives are those of the policy"
        " gradient itself. As in the authors' code, and unlike the text of the paper, the reward is"
        f" the distance instead of its square, and the step size is {lrs['MAML']:g}, half of it"
        f" after the first step. Step sizes of the others were chosen on validation goals: {tuned}."
        " *Pretrained* is one policy trained on all goals; the oracle also observes the goal."
    )
