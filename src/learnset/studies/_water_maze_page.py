"""Pictures and words of the water-maze study."""

from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from .._figure import COLOURS, FAINT, new_figure, write_figure
from ._study import markdown_table

if TYPE_CHECKING:
    from .water_maze import WaterMazeStudy

TRIALS = 4


def draw_latencies(rows: list[dict[str, Any]], folder: Path) -> None:
    """`latency`: a new place every day, by learner; in the course of training; and one place for many days."""
    figure, axes = new_figure(1, 3, width=13.5, height=4.6)
    days = [r for r in rows if r["part"] == "matching to place"]
    for i, name in enumerate(dict.fromkeys(r["recipe"] for r in days)):
        mine = [r for r in days if r["recipe"] == name]
        at = [r["trial"] for r in mine]
        colour = COLOURS[i % len(COLOURS)]
        axes[0][0].errorbar(
            at,
            [r["value"] for r in mine],
            [r["ci95"] for r in mine],
            color=colour,
            label=name,
            capsize=2,
            linewidth=1.6,
        )
    axes[0][0].set(title="a new place every day", xlabel="trial of the day", xticks=range(1, TRIALS + 1))
    stages = [r for r in rows if r["part"] == "stages" and r["recipe"] == "RL2"]
    for trial in range(1, TRIALS + 1):
        mine = [r for r in stages if r["trial"] == trial]
        at = [r["steps"] for r in mine]
        colour = COLOURS[trial - 1]
        for seed in zip(*[r["by_seed"] for r in mine], strict=True):
            axes[0][1].plot(at, seed, color=colour, linewidth=0.7, alpha=0.5)
        axes[0][1].plot(at, [r["value"] for r in mine], color=colour, linewidth=2, label=f"trial {trial}")
    axes[0][1].set(title="RL² in the course of training (thin: each seed)", xlabel="training steps")
    slow = [r for r in rows if r["part"] == "reference memory"]
    for i, name in enumerate(dict.fromkeys(r["recipe"] for r in slow)):
        mine = [r for r in slow if r["recipe"] == name]
        axes[0][2].plot(
            [r["trial"] for r in mine], [r["value"] for r in mine], color=COLOURS[i], label=name, linewidth=1.5
        )
    axes[0][2].axvline(28.5, color=FAINT, linestyle=":", linewidth=1.2)
    axes[0][2].set(title="one place for seven days, then another", xlabel="trial (four a day)")
    for axis in axes[0]:
        axis.set_ylim(0, 122)
        axis.title.set_fontsize(11)
        axis.legend(frameon=False, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=1)
    axes[0][0].set_ylabel("latency (s)")
    write_figure(figure, folder, "latency")


def draw_real(real: dict[str, tuple[dict[str, list[float]], str]], folder: Path) -> None:
    """`animals`: real and simulated curves."""
    if not real:
        return
    figure, axes = new_figure(1, len(real), width=5.2 * len(real), height=3.9)
    for axis, (name, (curves, _)) in zip(axes[0], real.items(), strict=True):
        at = np.arange(1, len(curves["real"]) + 1)
        error = 1.96 * np.array(curves["error"])
        axis.errorbar(at, curves["real"], error, color=COLOURS[1], marker="o", capsize=2, label="rats, 95 % interval")
        axis.plot(at, curves["simulated"], "s-", color=COLOURS[0], label="simulated")
        axis.set(title=name, xlabel="trial", ylim=(0, None), xticks=at)
        axis.title.set_fontsize(11)
        axis.legend(frameon=False, fontsize=9)
    axes[0][0].set_ylabel("latency (s)")
    write_figure(figure, folder, "animals")


# Words


def page(result: dict[str, Any], study: "WaterMazeStudy", pool: Any) -> str:
    """The page of results, all of its numbers from `result`."""
    rows = result["rows"]

    def table(part: str, trials: list[int], head: str) -> str:
        mine = [r for r in rows if r["part"] == part]
        lines = [[head, *[f"trial {t}" for t in trials]]]
        for name in dict.fromkeys(r["recipe"] for r in mine):
            one = {r["trial"]: r for r in mine if r["recipe"] == name}
            lines.append([name, *[f"{one[t]['value']:.1f} ± {one[t]['ci95']:.1f}" for t in trials]])
        return markdown_table(lines)

    by_trial = [r for r in rows if r["part"] == "matching to place" and r["recipe"] == "meta: RL²"]
    first, *later = (np.array(r["by_seed"]) for r in by_trial)
    ratios = later[0] / first, later[-1] / first
    good = int(((ratios[0] <= 0.6) & (ratios[1] <= 0.5)).sum())
    ratio_words = ", ".join(f"{100 * a:.0f} / {100 * b:.0f} %" for a, b in zip(*ratios, strict=True))
    probe = [r for r in rows if r["part"] == "probe"]
    probes = "; ".join(
        f"{r['recipe']} {r['value']:.1f} ± {r['ci95']:.1f} % (seed by seed {', '.join(f'{s:.1f}' for s in r['by_seed'])})"
        for r in probe
    )
    times = ", ".join(f"{name} {s['train_seconds']:.0f} s" for name, s in result["training"].items())
    took = (
        f"Training took {times} (all seeds together, without compilation)."
        if times
        else "The agents come with the package."
    )
    animals = (
        "![Rats and agents](animals.svg)\n\n" + "\n".join(f"- *{name}*: {fit}" for name, fit in result["real"].items())
        if result["real"]
        else "The rats' data were not at hand (`LEARNSET_DATA`)."
    )
    return f"""# Rapid place learning in the water maze

Made by `learnset study water-maze`; {study.steps:,} training steps of {study.tasks_per_step} days, {study.seeds} seeds,
{study.days} held-out days with platforms in sectors of the pool that training never used. All numbers are in
[result.json](result.json). Pool radius 1 m, platform radius {100 * pool.platform_radius:.0f} cm, {pool.speed} m/s,
{pool.time_limit:.0f} s a trial, a decision every {pool.interval} s; the platform is looked for along the whole path.

![Swims of one held-out day](swims.svg)

*The first held-out day on which the first seed's agent found the platform in the first trial.* [As an animation](swim.gif).

## A new place every day

{table("matching to place", [1, 2, 3, 4], "seconds to the platform")}

± is the 95 % interval over seeds and days (over days where there is one seed: agents that no training made).
Trial 2 and trial 4 as parts of trial 1, seed by seed: {ratio_words}. In {good} of {study.seeds} seeds trial 2 takes at most
60 % and trial 4 at most 50 % of trial 1.

![Latency](latency.svg)

- *Meta*: RL², a recurrent network trained over days by A2C; on a test day no weight changes. In training it also guesses
  where the platform is, from its memory, and the platforms of training days have radii from {100 * pool.platform_radius:.0f}
  to 20 cm. Robbed of its memory between trials it has nothing to go by.
- *Scratch* and *transfer*: the actor-critic on place cells of Foster, Morris & Dayan 2000, new on each day, or with what it
  learnt on eight other days. With coordinates (theirs too) it comes to one-trial learning within days.
- *Multi-task*: one policy for all days, which is their average, since it cannot know the day's place; and, as the bound, a
  policy that is told.

## Search preference

In the first minute of a probe trial without a platform, after one trial at one of eight places: the share of time in the
right one of eight zones (chance 12.5 %). {probes}.

![Search in probe trials](search.svg)

## One place for many days

{table("reference memory", [1, 4, 8, 12, 28, 29, 32, 36], "seconds to the platform")}

The platform moves after trial 28.

## Beside animals

{animals}

## Time

{took}
"""
