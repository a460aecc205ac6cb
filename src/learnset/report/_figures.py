"""Pictures of a comparison and of tasks."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..comparison import Comparison, Outcome, Setting
from ..core import COLOURS, FAINT, INK, interval, new_figure, Split, write_figure
from ..tasks import AbstractTasks, Sinusoids
from ._scale import scale

PANELS = (Setting.TRANSFER, Setting.MULTI_TASK, Setting.META)


def draw_comparison(comparison: Comparison, shots: int, folder: Path) -> list[str]:
    """Draws all figures of a comparison.

    **Returns:** their names, without endings.
    """
    draw_steps(comparison, shots, folder)
    draw_shots(comparison, folder)
    draw_differences(comparison, shots, folder)
    return ["steps", "shots", "differences"]


def draw_steps(comparison: Comparison, shots: int, folder: Path) -> None:
    """Error against gradient steps, a panel for each setting, scratch in all of them."""
    shown = scale(comparison.metric)

    def curve(axis, outcome: Outcome, **style) -> None:
        values = np.array([interval(shown(outcome.at(shots, s))) for s in outcome.watched])
        # Step 0 stands at one half, because a logarithmic axis has no zero; what takes no steps is level.
        steps = (
            np.maximum(outcome.watched, 0.5)
            if outcome.steps
            else np.array([0.5, _most_steps(comparison)])
        )
        values = values if outcome.steps else np.repeat(values, 2, axis=0)
        # Dots where not every step is watched: what is between them was not seen.
        some = outcome.watched != tuple(range(outcome.steps + 1))
        axis.plot(steps, values[:, 0], marker="o" if some else None, markersize=3, **style)
        low, high = values[:, 0] - values[:, 1], values[:, 0] + values[:, 1]
        narrow = low > 0  # what diverges has a band that covers everything
        axis.fill_between(
            steps, low, high, where=narrow, color=style["color"], alpha=0.12, linewidth=0
        )

    _panels(
        comparison,
        f"gradient steps on the new task ({shown.amount(shots)})",
        curve,
        folder,
        "steps",
    )


def draw_shots(comparison: Comparison, folder: Path) -> None:
    """Error against shots, each at its best number of steps, a panel for each setting, scratch in all of them."""
    shown = scale(comparison.metric)

    def curve(axis, outcome: Outcome, **style) -> None:
        values = np.array([interval(shown(outcome.at(shots))) for shots in comparison.shots])
        axis.errorbar(
            comparison.shots,
            values[:, 0],
            values[:, 1],
            capsize=2,
            marker="o",
            markersize=3,
            **style,
        )

    _panels(comparison, f"{shown.unit}s of the new task", curve, folder, "shots", comparison.shots)


def _panels(
    comparison: Comparison,
    label: str,
    curve: Callable,
    folder: Path,
    name: str,
    ticks: Sequence[int] = (),
) -> None:
    new = [outcome for outcome in comparison if outcome.tasks == "new"]
    settings = [
        setting for setting in PANELS if any(outcome.recipe.setting is setting for outcome in new)
    ]
    figure, axes = new_figure(
        1, max(1, len(settings)), width=4 * max(2, len(settings)), height=5.2, sharey=True
    )
    for axis, setting in zip(axes[0], settings, strict=False):
        alone = [outcome for outcome in new if outcome.recipe.setting is Setting.SCRATCH]
        for outcome, style in zip(alone, ("-", ":", "-."), strict=False):
            curve(axis, outcome, color=INK, label=outcome.recipe.name, linewidth=2, linestyle=style)
        for outcome in new:
            if outcome.recipe.setting is Setting.BOUND:
                curve(axis, outcome, color=FAINT, label=outcome.recipe.name, linestyle="--")
        mine = [outcome for outcome in new if outcome.recipe.setting is setting]
        for i, outcome in enumerate(mine):
            curve(axis, outcome, color=COLOURS[i % len(COLOURS)], label=outcome.recipe.name)
        axis.set_title(setting.value, fontsize=11)
        axis.set_xlabel(label)
        axis.set_xscale("log")
        if ticks:
            axis.set_xticks(ticks, [str(tick) for tick in ticks])
            axis.minorticks_off()
        if scale(comparison.metric).logarithmic:
            axis.set_yscale("log")
        axis.legend(
            frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16)
        )
    axes[0][0].set_ylabel(scale(comparison.metric).words)
    if scale(comparison.metric).logarithmic:
        _limit(axes[0], new)
    else:
        axes[0][0].set_ylim(None, 100.5)
    write_figure(figure, folder, name)


def _most_steps(comparison: Comparison) -> int:
    return max(outcome.steps for outcome in comparison)


def _limit(axes, outcomes: list[Outcome]) -> None:
    """Cuts what diverges off at the top: twice the largest error before any step."""
    before = [float(outcome.errors[:, :, :, 0].mean()) for outcome in outcomes]
    best = [float(np.nanmin(outcome.errors.mean(axis=(1, 2)))) for outcome in outcomes]
    for axis in axes:
        axis.set_ylim(0.7 * max(min(best), 1e-4), 2 * np.nanmax(before))


def draw_differences(comparison: Comparison, shots: int, folder: Path) -> None:
    """The paired difference to scratch of every recipe, with its interval: with less error, past tasks helped."""
    found = []
    for outcome in comparison:
        at = shots if shots in outcome.shots else outcome.shots[0]
        difference = comparison.difference(outcome, at)
        if (
            difference is not None
            and outcome.recipe.setting is not Setting.SCRATCH
            and np.isfinite(difference[0])
        ):
            found.append((outcome, difference))
    figure, axes = new_figure(1, 1, width=7.5, height=0.8 + 0.28 * max(len(found), 3))
    axis, shown = axes[0][0], scale(comparison.metric)
    sign = 1 if shown.logarithmic else -100  # of errors, or of accuracy in per cent
    colours = {
        Setting.TRANSFER: COLOURS[0],
        Setting.MULTI_TASK: COLOURS[1],
        Setting.META: COLOURS[2],
    }
    for i, (outcome, (mean, half)) in enumerate(reversed(found)):
        colour = colours.get(outcome.recipe.setting, FAINT)
        axis.errorbar(
            sign * mean, i, xerr=abs(sign) * half, fmt="o", color=colour, capsize=3, markersize=5
        )
    names = [
        o.recipe.name + (" (seen tasks)" if o.tasks == "seen" else "") for o, _ in reversed(found)
    ]
    axis.set_yticks(range(len(found)), names)
    axis.axvline(0, color=INK, linewidth=1)
    measure = "error" if shown.logarithmic else "accuracy (%)"
    axis.set_xlabel(
        f"{measure} minus that of scratch, paired by task ({shown.amount(shots)}, each at its best)"
    )
    for setting, colour in colours.items():
        if any(outcome.recipe.setting is setting for outcome, _ in found):
            axis.plot([], [], "o", color=colour, label=setting.value)
    axis.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    write_figure(figure, folder, "differences")


def draw_tasks(
    tasks: AbstractTasks, folder: Path, name: str, *, seed: int, number: int = 6
) -> None:
    """Draws sampled tasks: support and query sets, and the function behind them where it is known."""
    batch = tasks.draw(number, Split.TRAIN, key=jr.key(seed))
    columns = min(3, number)
    lines = -(-number // columns)
    figure, axes = new_figure(
        lines, columns, width=3.6 * columns, height=0.6 + 2.6 * lines, sharex=True, sharey=True
    )
    for i, axis in enumerate(axes.flat):
        if i >= number:
            axis.set_visible(False)
            continue
        if isinstance(tasks, Sinusoids):
            grid = jnp.linspace(*tasks.inputs, 200)
            axis.plot(
                grid,
                tasks.function(batch.latents[i], grid),
                color=FAINT,
                label="the task",
                linewidth=1.2,
            )
        query, support = batch.query, batch.support
        axis.plot(
            query.x[i, :, 0],
            query.y[i, :, 0],
            "o",
            color=COLOURS[0],
            markersize=4,
            alpha=0.6,
            label="query",
        )
        axis.plot(
            support.x[i, :, 0],
            support.y[i, :, 0],
            "^",
            color=COLOURS[1],
            markersize=7,
            label="support",
        )
        axis.set_title(f"task {i + 1}", fontsize=10)
    first = (
        "x" if batch.support.x.shape[-1] == 1 else f"first of {batch.support.x.shape[-1]} inputs"
    )
    for axis in axes[-1]:
        axis.set_xlabel(first)
    for axis in axes[:, 0]:
        axis.set_ylabel("y")
    axes.flat[0].legend(frameon=False, fontsize=8)
    figure.suptitle(
        f"{type(tasks).__name__}: {number} tasks, {tasks.shots} support and {tasks.queries} query points"
    )
    write_figure(figure, folder, name)
