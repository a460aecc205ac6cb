"""Pictures and words of the water-maze study."""

from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure

from ._study import markdown_table
from ._water_maze_weights import PLACES, STEPS, SWIMS

if TYPE_CHECKING:
    from .water_maze import WaterMazeStudy

TRIALS = 4
WHO = {
    "a moved platform, saline rats": ("rats (at most 60 s)", "RL² (at most 120 s)"),
    "a fixed platform, control rats": ("rats (at most 90 s)", "actor-critic (at most 120 s)"),
}
LIMITS = """

The rats that relearned were taken out after 60 s at the latest, from a pool of 1.8 m, and those of the fixed platform after
90 s, from a pool of 2 m; our agents have 120 s in a pool of 2 m. A swim without success counts as its limit, so that
latencies cannot be compared in absolute terms, but only the shapes of the curves."""


def draw_latencies(rows: list[dict[str, Any]], folder: Path) -> None:
    """`latency`: a new place every day, by setting and by actor-critic, and what is left of trial 1 in trial 2."""
    figure, axes = new_figure(1, 3, width=14.5, height=5.2)
    days = [r for r in rows if r["part"] == "matching to place"]
    names = list(dict.fromkeys(r["recipe"] for r in days))
    others = [name for name in names if "actor-critic" in name or "emptied" in name]
    settings = [name for name in names if name not in others]
    for axis, some in zip(axes[0], (settings, others), strict=False):
        _curves(axis, days, some, "trial")
        axis.set(xlabel="trial of the day", xticks=range(1, TRIALS + 1))
    axes[0][0].set(title="a new place every day: the settings", ylabel="latency (s)")
    axes[0][1].set(title="... without memory, and actor-critics")
    _draw_savings(axes[0][2], days, [*settings, *others])
    _finish(axes[0], axes[0][:2])
    write_figure(figure, folder, "latency")


def draw_learning(rows: list[dict[str, Any]], folder: Path) -> None:
    """`learning`: RL² in the course of training, weights that learn from many swims, and one place for many days."""
    figure, axes = new_figure(1, 3, width=13.5, height=4.7)
    _draw_training(axes[0][0], [r for r in rows if r["part"] == "stages" and r["recipe"] == "RL2"])
    axes[0][0].set(ylabel="latency (s)")
    swims, slow = (
        [r for r in rows if r["part"] == part] for part in ("many swims", "reference memory")
    )
    _curves(axes[0][1], swims, list(dict.fromkeys(r["recipe"] for r in swims)), "step")
    axes[0][1].set(
        title=f"a new place: {SWIMS} swims for each step",
        xlabel="gradient steps",
        xticks=range(STEPS + 1),
    )
    for i, name in enumerate(dict.fromkeys(r["recipe"] for r in slow)):
        mine = [r for r in slow if r["recipe"] == name]
        at, values = [r["trial"] for r in mine], [r["value"] for r in mine]
        axes[0][2].plot(
            at, values, color=(COLOURS[1], COLOURS[3], COLOURS[0])[i], label=name, linewidth=1.5
        )
    axes[0][2].axvline(28.5, color=FAINT, linestyle=":", linewidth=1.2)
    axes[0][2].set(title="one place for seven days, then another", xlabel="trial (four a day)")
    _finish(axes[0], axes[0])
    write_figure(figure, folder, "learning")


def _finish(axes: Any, with_latency: Any) -> None:
    for axis in with_latency:
        axis.set_ylim(0, 122)
        if axis.get_legend_handles_labels()[1]:
            axis.legend(
                frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=1
            )
    for axis in axes:
        axis.title.set_fontsize(11)


def _curves(axis: Any, rows: list, names: list[str], along: str) -> None:
    """A curve with its interval for each recipe; those of one kind have one colour in all panels."""
    kinds = (
        "RL²",
        "new policy",
        "pretrained",
        "MAML",
        "averaged",
        "told",
        "coordinates",
        "new one",
        "eight",
    )
    for name in names:
        mine = [r for r in rows if r["recipe"] == name]
        at, values, error = ([r[k] for r in mine] for k in (along, "value", "ci95"))
        colour = COLOURS[next(i for i, kind in enumerate(kinds) if kind in name)]
        axis.errorbar(at, values, error, color=colour, label=name, capsize=2, linewidth=1.6)


def _draw_savings(axis: Any, days: list, names: list[str]) -> None:
    """Trial 2 as a part of trial 1, a point for each seed."""
    for i, name in enumerate(names):
        first, second = (
            np.array(r["by_seed"])
            for t in (1, 2)
            for r in days
            if r["recipe"] == name and r["trial"] == t
        )
        left = 100 * second / first
        axis.plot(
            left,
            np.full(len(left), -i),
            "o",
            color=COLOURS[0],
            alpha=0.6,
            markersize=5,
            markeredgewidth=0,
        )
        axis.plot(left.mean(), -i, "|", color=INK, markersize=13)
    axis.axvline(100, color=FAINT, linestyle=":", linewidth=1.2)
    axis.set(
        yticks=[-i for i in range(len(names))], xlim=(0, None), xlabel="trial 2 in % of trial 1"
    )
    axis.set_yticklabels([_short(name) for name in names], fontsize=7.5)
    axis.set_title("saved by one trial (points: each seed)")


def _short(name: str) -> str:
    """A name on two lines, without what goes without saying."""
    words = name.removesuffix(", a step after each trial")
    return (
        words.replace(", ", ",\n", 1)
        if len(words) > 26 and ", " in words
        else words.replace(" after ", "\nafter ")
    )


def _draw_training(axis: Any, stages: list) -> None:
    """RL² in the course of training, by trial; nothing, where no training was seen."""
    axis.set(title="RL² in the course of training (thin: each seed)", xlabel="training steps")
    if not stages:
        axis.text(0.5, 0.5, "trained before", transform=axis.transAxes, ha="center", color=FAINT)
    for trial in sorted({r["trial"] for r in stages}):
        mine = [r for r in stages if r["trial"] == trial]
        at = [r["steps"] for r in mine]
        colour = COLOURS[trial - 1]
        for seed in zip(*[r["by_seed"] for r in mine], strict=True):
            axis.plot(at, seed, color=colour, linewidth=0.7, alpha=0.5)
        axis.plot(at, [r["value"] for r in mine], color=colour, linewidth=2, label=f"trial {trial}")


def draw_real(real: dict[str, tuple[dict[str, list[float]], str]], folder: Path) -> None:
    """`animals`: real and simulated curves."""
    if not real:
        return
    figure, axes = new_figure(1, len(real), width=5.2 * len(real), height=3.9)
    for axis, (name, (curves, _)) in zip(axes[0], real.items(), strict=True):
        at = np.arange(1, len(curves["real"]) + 1)
        error = 1.96 * np.array(curves["error"])
        rats, agent = WHO[name]
        axis.errorbar(
            at,
            curves["real"],
            error,
            color=COLOURS[1],
            marker="o",
            capsize=2,
            label=f"{rats}, 95 % interval",
        )
        axis.plot(at, curves["simulated"], "s-", color=COLOURS[0], label=agent)
        axis.set(title=name, xlabel="trial", xticks=at)
        axis.title.set_fontsize(11)
        axis.set_ylim(0, 100)
        axis.legend(frameon=False, fontsize=9, loc="upper right")
    axes[0][0].set_ylabel("latency (s)")
    write_figure(figure, folder, "animals")


# Words


def page(result: dict[str, Any], study: "WaterMazeStudy", pool: Any) -> str:
    """The page of results, all of its numbers from `result`."""
    rows = result["rows"]

    def table(part: str, trials: list[int], head: str, axis: str = "trial") -> str:
        mine = [r for r in rows if r["part"] == part]
        lines = [[head, *[f"{axis} {t}" for t in trials]]]
        for name in dict.fromkeys(r["recipe"] for r in mine):
            one = {r[axis]: r for r in mine if r["recipe"] == name}
            lines.append([name, *[f"{one[t]['value']:.1f} ± {one[t]['ci95']:.1f}" for t in trials]])
        return markdown_table(lines)

    by_trial = [r for r in rows if r["part"] == "matching to place" and r["recipe"] == "meta: RL²"]
    first, *later = (np.array(r["by_seed"]) for r in by_trial)
    ratios = later[0] / first, later[-1] / first
    good = int(((ratios[0] <= 0.6) & (ratios[1] <= 0.5)).sum())
    ratio_words = ", ".join(
        f"{100 * a:.0f} / {100 * b:.0f} %" for a, b in zip(*ratios, strict=True)
    )
    saved = [
        f"{name.removesuffix(', a step after each trial')} {_percent(rows, name)}"
        for name in dict.fromkeys(r["recipe"] for r in rows if r["part"] == "matching to place")
        if "bound" not in name
    ]
    probe = [r for r in rows if r["part"] == "probe"]
    probes = "; ".join(
        f"{r['recipe']} {r['value']:.1f} ± {r['ci95']:.1f} % (seed by seed {', '.join(f'{s:.1f}' for s in r['by_seed'])})"
        for r in probe
    )
    sizes = "; ".join(
        f"{name} {one:g} and {many:g}" for name, (one, many) in result["step_sizes"].items()
    )
    times = ", ".join(
        f"{name} {s['train_seconds']:.0f} s" for name, s in result["training"].items()
    )
    took = (
        f"Training took {times} (all seeds together, without compilation)."
        if times
        else f"The agents come with the package; here they live through {study.days} days."
    )
    animals = (
        "![Rats and agents](animals.svg)\n\n"
        + "\n".join(f"- *{name}*: {fit}" for name, fit in result["real"].items())
        + LIMITS
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
- *Scratch*, *transfer* and *MAML* as policies: networks without memory, which learn the day's place by one step along the
  policy gradient after each trial. They begin as new, as pretrained on all places pooled (A2C, which gives the average of all
  days), and as MAML has gone on to train the pretrained ones, for {study.maml_steps} training steps of {PLACES} places, {SWIMS}
  swims before one step of adaptation and as many after it. Step sizes were chosen on validation days, for each. Their
  latencies are rounded up to half a second.
- *Scratch* and *transfer* as actor-critics: those on place cells of Foster, Morris & Dayan 2000, new on each day, or with what
  they learnt on eight other days. With coordinates (theirs too) they come to one-trial learning within days.
- *Multi-task*: one policy for all days, which is their average, since it cannot know the day's place: the pretrained one, as
  it is. As the bound, a policy that is told.

What is left of trial 1 in trial 2, in per cent, by seeds: {"; ".join(saved)}.

## From many swims

One trial is little to take a gradient from. Here the same policies swim {SWIMS} times to a new place, from all starts, before
each step. Mean seconds to the platform after so many steps:

{table("many swims", list(range(STEPS + 1)), "seconds to the platform", "step")}

Step sizes for one swim and for {SWIMS}, chosen on validation days: {sizes}. {_maml_words(rows)}

![Learning](learning.svg)

## Search preference

In the first minute of a probe trial without a platform, after one trial at one of eight places: the share of time in the
right one of eight zones (chance 12.5 %). {probes}.

![Search in probe trials](search.svg)

*Where the agents swim in a probe trial, by the place where the platform was in the only trial before.*

## One place for many days

{table("reference memory", [1, 4, 8, 12, 28, 29, 32, 36], "seconds to the platform")}

The platform moves after trial 28.

## Beside animals

{animals}

## Time

{took}
"""


def _percent(rows: list[dict[str, Any]], name: str) -> str:
    """Trial 2 in per cent of trial 1, of each seed."""
    first, second = (
        np.array(r["by_seed"])
        for t in (1, 2)
        for r in rows
        if r["part"] == "matching to place" and r["recipe"] == name and r["trial"] == t
    )
    return ", ".join(f"{100 * ratio:.0f}" for ratio in second / first)


def _maml_words(rows: list[dict[str, Any]]) -> str:
    """What MAML's training did to the first step of descent, seed by seed."""
    mine = [r for r in rows if r["part"] == "many swims" and r["step"] == 1]
    seeds = {
        word: r["by_seed"] for word in ("transfer", "MAML") for r in mine if word in r["recipe"]
    }
    sooner = sum(
        ours < theirs for ours, theirs in zip(seeds["MAML"], seeds["transfer"], strict=True)
    )
    return (
        f"After one step of {SWIMS} swims MAML is faster than the pretrained policies that it began from in {sooner} of"
        f" {len(seeds['MAML'])} seeds."
    )
