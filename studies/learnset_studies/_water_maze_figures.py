"""Figures of the study of the water maze."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.behaviour import animate_swim, Arena, draw_search_maps, draw_swims
from learnset.comparison import Setting
from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure
from learnset.envs import SITES
from learnset.report import look

from ._pages import Row, select, styles
from ._study import figure_data
from ._water_maze_lives import ARENA, POOL, Swim, TRIALS
from ._water_maze_weights import STEPS, SWIMS

CURVES = {  # of rats: their legend, and that of the agents next to them
    "a moved platform, saline rats": ("rats (at most 60 s)", "RL² (at most 120 s)"),
    "a fixed platform, control rats": ("rats (at most 90 s)", "actor-critic (at most 120 s)"),
}


def draw(result: dict[str, Any], folder: Path) -> None:
    """`latency`, `learning`, `swims` with the animation `swim`, `search` and `animals`."""
    rows = result["rows"]
    _draw_latencies(select(rows, part="matching to place"), folder)
    _draw_learning(rows, folder)
    if result["real"]:
        _draw_rats(result["real"], folder)
    day = figure_data(result, "swims", folder)
    if day is not None:
        _draw_day(day, folder)
    drawings = figure_data(result, "search", folder)
    if drawings is not None:
        with np.load(folder / drawings) as arrays:
            _draw_search(dict(arrays), folder)


def _draw_latencies(days: list[Row], folder: Path) -> None:
    """A new place every day: latency by trial, and what one trial saves."""
    figure, axes = new_figure(1, 3, width=14.5, height=5.2)
    names = list(dict.fromkeys(r["recipe"] for r in days))
    others = [name for name in names if "actor-critic" in name or "without" in name]
    settings = [name for name in names if name not in others]
    first, second, savings = axes[0]
    _draw_curves(first, [r for r in days if r["recipe"] in settings], "trial")
    _draw_curves(second, [r for r in days if r["recipe"] in others], "trial")
    for axis in (first, second):
        axis.set(xlabel="trial of the day", xticks=range(1, TRIALS + 1))
    first.set(title="a new place every day", ylabel="latency (s)")
    second.set(title="without memory, and actor-critics")
    _draw_savings(savings, days, [*settings, *others])
    _finish(axes[0], (first, second))
    write_figure(figure, folder, "latency")


def _draw_learning(rows: list[Row], folder: Path) -> None:
    """RL² in the course of training, weights that learn from many swims, and one place for days."""
    figure, axes = new_figure(1, 3, width=13.5, height=4.7)
    training, steps, days = axes[0]
    _draw_training(training, select(rows, part="stages", recipe="RL²"))
    training.set(ylabel="latency (s)")
    _draw_curves(steps, select(rows, part="many swims"), "step")
    steps.set(title=f"a new place: {SWIMS} swims for each step", xlabel="gradient steps")
    steps.set(xticks=range(STEPS + 1))
    reference = select(rows, part="reference memory")
    for name, style in styles(reference).items():
        curve = select(reference, recipe=name)
        trials, values = [r["trial"] for r in curve], [r["value"] for r in curve]
        days.plot(trials, values, label=name, linewidth=1.5, **style)
    days.axvline(28.5, color=FAINT, linestyle=":", linewidth=1.2)
    days.set(title="one place for seven days, then another", xlabel="trial (four a day)")
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


def _draw_curves(axis: Any, rows: list[Row], along: str) -> None:
    """A curve with its interval for each learner."""
    for name, style in styles(rows).items():
        curve = select(rows, recipe=name)
        at, values, half = ([r[k] for r in curve] for k in (along, "value", "ci95"))
        axis.errorbar(at, values, half, label=name, capsize=2, linewidth=1.6, **style)


def _draw_savings(axis: Any, days: list[Row], names: list[str]) -> None:
    """Trial 2 in per cent of trial 1, a point for each seed."""
    for i, name in enumerate(names):
        first, second = (select(days, recipe=name, trial=t)[0] for t in (1, 2))
        left = 100 * np.array(second["by_seed"]) / np.array(first["by_seed"])
        style = {"color": look(first["setting"]).colour, "alpha": 0.6, "markersize": 5}
        axis.plot(left, np.full(len(left), -i), "o", markeredgewidth=0, **style)
        axis.plot(left.mean(), -i, "|", color=INK, markersize=13)
    axis.axvline(100, color=FAINT, linestyle=":", linewidth=1.2)
    axis.set(yticks=[-i for i in range(len(names))], xlim=(0, None))
    axis.set(xlabel="trial 2 in % of trial 1")
    axis.set_yticklabels([_on_two_lines(name) for name in names], fontsize=7.5)
    axis.set_title("what one trial saves (points: seeds)")


def _on_two_lines(name: str) -> str:
    """A long name, broken before its second half."""
    for word in (" without ", " after ", " with "):
        if len(name) > 26 and word in name:
            return name.replace(word, f"\n{word[1:]}", 1)
    return name


def _draw_training(axis: Any, stages: list[Row]) -> None:
    """RL² in the course of training, by trial."""
    axis.set(title="RL² in the course of training (thin: seeds)", xlabel="training steps")
    if not stages:
        axis.text(0.5, 0.5, "trained before", transform=axis.transAxes, ha="center", color=FAINT)
    for trial in sorted({r["trial"] for r in stages}):
        curve = select(stages, trial=trial)
        steps, colour = [r["steps"] for r in curve], COLOURS[trial - 1]
        for seed in zip(*(r["by_seed"] for r in curve), strict=True):
            axis.plot(steps, seed, color=colour, linewidth=0.7, alpha=0.5)
        values = [r["value"] for r in curve]
        axis.plot(steps, values, color=colour, linewidth=2, label=f"trial {trial}")


def _draw_rats(real: dict[str, dict[str, Any]], folder: Path) -> None:
    figure, axes = new_figure(1, len(real), width=5.2 * len(real), height=3.9)
    agents = (look(Setting.META).colour, look(Setting.SCRATCH).colour)
    for axis, (name, curves), colour in zip(axes[0], real.items(), agents, strict=True):
        trials = np.arange(1, len(curves["real"]) + 1)
        half = 1.96 * np.array(curves["error"])
        rats, agent = CURVES[name]
        style = {"color": COLOURS[1], "marker": "o", "capsize": 2}
        axis.errorbar(trials, curves["real"], half, label=f"{rats}, 95 % interval", **style)
        axis.plot(trials, curves["simulated"], "s-", color=colour, label=agent)
        axis.set(title=name, xlabel="trial", xticks=trials)
        axis.title.set_fontsize(11)
        axis.set_ylim(0, 100)
        axis.legend(frameon=False, fontsize=9, loc="upper right")
    axes[0][0].set_ylabel("latency (s)")
    write_figure(figure, folder, "animals")


def _draw_day(day: dict[str, Any], folder: Path) -> None:
    """The swims of one day next to each other, and one after the other as an animation."""
    arena, platform = Arena(POOL.radius, POOL.platform_radius), np.array(day["platform"])
    swims = [(np.array(swim["times"]), np.array(swim["places"])) for swim in day["trials"]]
    titles = [f"trial {t + 1}: {times[-1]:.0f} s" for t, (times, _) in enumerate(swims)]
    draw_swims(swims, np.stack([platform] * len(swims)), titles, arena, folder, "swims")
    animate_swim(*_joined(swims), platform, arena, folder, "swim", speed=6.0)


def _joined(swims: list[Swim]) -> Swim:
    """Swims one after the other, with a second's rest on the platform."""
    times, places, clock = [], [], 0.0
    for moments, where in swims:
        times.append(moments + clock)
        places.append(where)
        clock = times[-1][-1] + 1.0
    return np.concatenate(times), np.concatenate(places)


def _draw_search(arrays: dict[str, np.ndarray], folder: Path) -> None:
    """Search in probe trials, of all seeds, by the place where the platform had been."""
    groups: dict[tuple[float, float], list[Swim]] = {site: [] for site in SITES}
    for times, places, site in zip(*(arrays[k] for k in ("times", "places", "sites")), strict=True):
        swum = np.isfinite(times)
        groups[SITES[site]].append((times[swum].astype(float), places[swum].astype(float)))
    shown = [site for site in SITES if groups[site]]
    titles = [f"({100 * x:.0f}, {100 * y:.0f}) cm" for x, y in shown]
    searches = [groups[site] for site in shown]
    draw_search_maps(searches, np.array(shown), titles, ARENA, folder, "search", columns=4)
