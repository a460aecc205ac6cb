"""Pictures and words of the study of navigation."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, INK, new_figure, write_figure

from ._study import markdown_table

STYLES = {
    "MAML": COLOURS[2],
    "pretrained": COLOURS[0],
    "random initialisation": COLOURS[1],
    "oracle": INK,
}


def draw_returns(rows: list[dict[str, Any]], published: tuple[float, ...], folder: Path) -> None:
    """`returns`: return against gradient steps, as policies explore and with their mean action."""
    figure, axes = new_figure(1, 2, width=10, height=4)
    fewest = min(r["episodes"] for r in rows if r["part"] == "returns" and r["recipe"] != "oracle")
    panels = ("returns", "without exploration")
    titles = (f"exploring, {fewest} episodes before each step", "the same policies, mean action")
    for axis, part, title in zip(axes[0], panels, titles, strict=True):
        for name, colour in STYLES.items():
            mine = [r for r in rows if r["part"] == part and r["recipe"] == name]
            mine = [r for r in mine if r["episodes"] == min(m["episodes"] for m in mine)]
            if name == "oracle":  # it does not adapt
                axis.axhline(
                    mine[0]["value"], color=colour, linestyle=":", label="oracle, told the goal"
                )
                continue
            steps = [r["steps"] for r in mine]
            for line in zip(*(r["by_seed"] for r in mine), strict=True):
                axis.plot(steps, line, color=colour, linewidth=0.8, alpha=0.4)
            axis.errorbar(
                steps,
                [r["value"] for r in mine],
                [r["ci95"] for r in mine],
                color=colour,
                marker="o",
                label=name,
                capsize=3,
            )
        axis.set_title(title, fontsize=11)
        axis.set(xlabel="gradient steps", xticks=range(len(published)))
    axes[0][0].plot(
        published, "D", color=COLOURS[4], markersize=6, label="MAML, published", zorder=5
    )
    axes[0][0].set_ylabel("return")
    axes[0][0].set_ylim(max(-110.0, axes[0][0].get_ylim()[0]), 3)
    axes[0][1].set_ylim(max(-110.0, axes[0][1].get_ylim()[0]), 3)
    axes[0][0].legend(frameon=False, fontsize=8.5, loc="lower right")
    write_figure(figure, folder, "returns")


def draw_paths(paths: dict[str, tuple[Any, Any]], goals: np.ndarray, folder: Path) -> None:
    """`paths`: from the start towards a few goals, before any gradient step and after each; "goals steps time 2"."""
    import matplotlib

    figure, axes = new_figure(
        len(paths),
        len(goals),
        width=2.9 * len(goals),
        height=2.9 * len(paths) + 0.5,
        sharex=True,
        sharey=True,
    )
    for line, (name, (ways, trials)) in zip(axes, paths.items(), strict=True):
        colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, ways.shape[1]))
        for axis, way, trial, goal in zip(
            line, np.asarray(ways), np.asarray(trials), goals, strict=True
        ):
            for step, colour in enumerate(colours):
                label = "before" if step == 0 else f"after {step} step{'' if step == 1 else 's'}"
                axis.plot(*trial[step].T, color=colour, linewidth=0.7, alpha=0.35)
                axis.plot(*way[step].T, color=colour, linewidth=2, label=label)
            axis.plot(0, 0, "o", color=INK, markersize=5, label="start")
            axis.plot(
                *goal,
                "*",
                color=COLOURS[1],
                markersize=15,
                markeredgecolor="white",
                label="goal",
                zorder=5,
            )
            axis.set(
                xlim=(-0.85, 0.85),
                ylim=(-0.85, 0.85),
                aspect="equal",
                xticks=(-0.5, 0, 0.5),
                yticks=(-0.5, 0, 0.5),
            )
        line[0].set_ylabel(name)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize=9.5, loc="outside lower center", ncols=len(labels)
    )
    write_figure(figure, folder, "paths")


def page(result: dict[str, Any], study: Any) -> str:
    """The page of results, all of its numbers from `result`."""
    rows = result["rows"]

    def cells(part: str, recipe: str, episodes: int) -> list[str]:
        mine = [
            r
            for r in rows
            if (r["part"], r.get("recipe"), r.get("episodes")) == (part, recipe, episodes)
        ]
        return [
            f"{r['value']:.2f} ± {r['ci95']:.2f}{' †' if not r.get('agrees', True) else ''}"
            for r in mine
        ]

    def value(part: str, recipe: str, episodes: int, steps: int) -> float:
        wanted = {"part": part, "recipe": recipe, "episodes": episodes, "steps": steps}
        return next(r["value"] for r in rows if all(r.get(k) == v for k, v in wanted.items()))

    published = [r for r in rows if "published" in r]
    episodes = study.episodes
    few, seeds = episodes[0], [r for r in published if r["episodes"] == episodes[0]]
    baselines = ("pretrained", "random initialisation")

    def table(head: str, part: str, *published: list[str]) -> str:
        lines = [[head, "0", "1", "2", "3"]]
        lines += [
            [f"MAML, {n} episodes before each step", *cells(part, "MAML", n)] for n in episodes
        ]
        lines += [*published, *([name, *cells(part, name, few)] for name in baselines)]
        return markdown_table(
            [*lines, ["oracle, told the goal", *cells(part, "oracle", few), "", "", ""]]
        )

    def by_episodes(steps: int) -> str:
        return ", ".join(
            f"{value('returns', 'MAML', n, steps):.2f} with {n} episodes" for n in episodes
        )

    claims = [["claim", "difference of returns", "agrees"]]
    claims += [
        [r["claim"], f"{r['value']:.2f} ± {r['ci95']:.2f}", "yes" if r["agrees"] else "no"]
        for r in rows
        if r["part"] == "orderings"
    ]
    each = "; ".join(
        f"after {r['steps']}: {', '.join(f'{value:.2f}' for value in r['by_seed'])}" for r in seeds
    )
    lrs = {r["recipe"]: r["lr"] for r in rows if r["part"] == "returns" and r["lr"] is not None}
    tuned = ", ".join(f"{name} {lrs[name]:g}" for name in baselines)
    times = ", ".join(
        f"{name} {s['train_seconds']:.0f} s" for name, s in result["training"].items()
    )
    own = value("without exploration", "oracle", few, 0) - value("returns", "oracle", few, 0)
    spread = {
        name: ", ".join(f"{one:.2f}" for one in values) for name, values in result["spread"].items()
    }
    known = ["published", *[f"{r['published']:.2f}" for r in seeds]]
    return f"""# Navigation: to a goal that cannot be seen

Made by `learnset study navigation`; {study.steps:,} meta-iterations of {study.tasks_per_step} goals, {study.seeds} seeds,
{study.goals} held-out goals. All numbers are in [result.json](result.json). Source of the published values:
{seeds[0]["source"]}.

A point starts in the middle of a square and senses where it is, not where the goal is. The return is minus the sum of
its distances to the goal over at most 100 steps. With each new goal a policy lives through some episodes, takes one step of
policy gradient, and so on.

![Paths](paths.svg)

*Seed 0 on held-out goals: paths of the mean action (thick) and of one exploring episode (thin).*

{table("return after gradient steps", "returns", known)}

± is the 95 % interval over seeds and goals. † differs from the published value by more than drawing goals explains (40 of
theirs, more of ours); {sum(r["agrees"] for r in published)} of {len(published)} values agree. MAML seed by seed, {few}
episodes: {each}.

![Return against gradient steps](returns.svg)

{markdown_table(claims)}

## Where ours and theirs differ

The paper's text has 20 episodes before each step, the authors' test code at least 40: 4,000 steps, of at most 100 an
episode. After one step, for which MAML was trained, ours are {by_episodes(1)}; published:
{seeds[1]["published"]}. After a second step ours are {by_episodes(2)}; published: {seeds[2]["published"]}. What exploration
costs is seen when the same policies take their mean action:

{table("return with the mean action", "without exploration")}

The standard deviations of MAML's actions, in units of the largest one, are {spread["MAML"]} after training (seed by seed) and
were {result["spread"][baselines[1]][0]:.2f} at first; the oracle, with {spread["oracle"]}, loses {own:.2f} to its own noise.
They are learnt like all else, and {study.steps:,} steps of Adam take them only so far.

Different from the paper: the outer step is Adam's and not TRPO's, and second derivatives are those of the policy gradient
itself. As in the authors' code, and not in the paper's text, the reward is the distance and not its square, and the step size
is {lrs["MAML"]:g}, half of it after the first step. Step sizes of the others were chosen on validation goals: {tuned}.
*Pretrained* is one policy trained on all goals; the oracle senses the goal too.

Training took {times} ({study.seeds} seeds together, without compilation).
"""
