"""Pictures of a comparison on new tasks, and of tasks."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..comparison import Comparison, Outcome, Setting
from ..core import (
    attempt,
    COLOURS,
    FAINT,
    in_legend,
    INK,
    interval,
    new_figure,
    Split,
    write_figure,
)
from ..tasks import AbstractTasks, Sinusoids
from ._look import amount, DASHES, LINES, look, Numbers

PANELS = (Setting.POOLED, Setting.TRANSFER, Setting.MULTI_TASK, Setting.META)


def draw_comparison(
    comparisons: Sequence[Comparison], shots: int, folder: Path, *, unit: str
) -> list[str]:
    """Draws all figures of a comparison on new tasks; `differences` is of all comparisons.

    **Returns:** the names of those that would not be empty, without endings.
    """
    new = comparisons[0]
    names: list[str] = []
    if any(o.steps for o in new if o.recipe.setting in PANELS):
        names += attempt("steps", lambda: draw_steps(new, shots, folder, unit=unit))
    if any(o.recipe.setting in PANELS for o in new):
        names += attempt("shots", lambda: draw_shots(new, folder, unit=unit))
    compared = [o.recipe.setting for c in comparisons if c.baseline() is not None for o in c]
    if any(setting is not Setting.SCRATCH for setting in compared):
        names += attempt(
            "differences", lambda: draw_differences(comparisons, shots, folder, unit=unit)
        )
    return names


def draw_steps(comparison: Comparison, shots: int, folder: Path, *, unit: str) -> None:
    """`steps`: the measure against gradient steps, a panel for each setting, with learning from
    scratch in all of them."""
    numbers = Numbers(comparison.measure)
    most = max(outcome.steps for outcome in comparison)

    def curve(axis, outcome: Outcome, **style) -> None:
        values = np.array(
            [interval(numbers.scaled(outcome.at(shots, step))) for step in outcome.watched]
        )
        # Step 0 stands at one half, because a logarithmic axis has no zero; a line without steps is
        # level.
        steps = np.maximum(outcome.watched, 0.5) if outcome.steps else np.array([0.5, most])
        values = values if outcome.steps else np.repeat(values, 2, axis=0)
        # Dots where not every step is watched: nothing is known between them.
        some = outcome.watched != tuple(range(outcome.steps + 1))
        axis.plot(steps, values[:, 0], marker="o" if some else None, markersize=3, **style)
        low, high = values[:, 0] - values[:, 1], values[:, 0] + values[:, 1]
        finite = values[:, 1] < 10 * np.abs(values[:, 0])  # a diverged line has no band
        low = np.maximum(low, 1e-9) if numbers.logarithmic else low
        axis.fill_between(
            steps, low, high, where=finite, color=style["color"], alpha=0.12, linewidth=0
        )

    label = f"gradient steps on the new task ({amount(shots, unit)})"
    _panels(comparison, label, curve, folder, "steps")


def draw_shots(comparison: Comparison, folder: Path, *, unit: str) -> None:
    """`shots`: the measure against the number of support points, each at its best number of steps,
    a panel for each setting, with learning from scratch in all of them."""
    numbers, tried = Numbers(comparison.measure), comparison.shots

    def curve(axis, outcome: Outcome, **style) -> None:
        values = np.array([comparison.value(outcome, shots) for shots in tried])
        values = numbers.scaled(values)
        halves = np.nan_to_num(values[:, 1], nan=0, posinf=0)
        axis.errorbar(tried, values[:, 0], halves, capsize=2, marker="o", markersize=3, **style)

    ticks = [shots for shots in tried if shots is not None]
    _panels(comparison, f"{unit}s of the new task", curve, folder, "shots", ticks)


def _panels(
    comparison: Comparison,
    label: str,
    curve: Callable,
    folder: Path,
    name: str,
    ticks: Sequence[int] = (),
) -> None:
    outcomes, numbers = list(comparison), Numbers(comparison.measure)
    settings = [s for s in PANELS if any(outcome.recipe.setting is s for outcome in outcomes)]
    width = 4 * max(2, len(settings))
    figure, axes = new_figure(1, max(1, len(settings)), width=width, height=5.2, sharey=True)
    for axis, setting in zip(axes[0], settings, strict=False):
        alone = [outcome for outcome in outcomes if outcome.recipe.setting is Setting.SCRATCH]
        for outcome, style in zip(alone, ("-", ":", "-."), strict=False):
            curve(
                axis,
                outcome,
                color=INK,
                label=in_legend(outcome.name),
                linewidth=2,
                linestyle=style,
            )
        for outcome in outcomes:
            if outcome.recipe.setting is Setting.BOUND:
                curve(axis, outcome, color=FAINT, label=in_legend(outcome.name), linestyle="--")
        members = [outcome for outcome in outcomes if outcome.recipe.setting is setting]
        for i, outcome in enumerate(members):
            dashes, colour = divmod(i, len(LINES))  # where colours end, dashes begin
            style = {"color": LINES[colour], "linestyle": DASHES[dashes % len(DASHES)]}
            curve(axis, outcome, label=in_legend(outcome.name), **style)
        axis.set_title(look(setting).name, fontsize=11)
        axis.set_xlabel(label)
        axis.set_xscale("log")
        if ticks:
            axis.set_xticks(ticks, [str(tick) for tick in ticks])
            axis.minorticks_off()
        if numbers.logarithmic:
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(_twos_and_fives)
        axis.legend(
            frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16)
        )
    axes[0][0].set_ylabel(numbers.label)
    if numbers.logarithmic:
        _limit(axes[0], outcomes)
    else:
        axes[0][0].set_ylim(None, 100.5)
    write_figure(figure, folder, name)


def _twos_and_fives(value: float, place: int | None) -> str:
    """The label of a tick between powers of ten.

    >>> [_twos_and_fives(value, None) for value in (0.2, 0.3, 0.5)]
    ['0.2', '', '0.5']
    """
    text = f"{value:g}"
    return text if f"{value:.0e}"[0] in "25" else ""


def _limit(axes, outcomes: list[Outcome]) -> None:
    """Cuts what diverges off at the top: twice the largest error before any step."""
    before = np.array([outcome.overall[:, :, 0].mean() for outcome in outcomes])
    best = min(float(outcome.overall.mean(axis=1).min()) for outcome in outcomes)
    for axis in axes:
        axis.set_ylim(0.7 * max(best, 1e-4), 2 * before[np.isfinite(before)].max())


def draw_differences(
    comparisons: Sequence[Comparison], shots: int, folder: Path, *, unit: str
) -> None:
    """`differences`: the paired difference of every recipe to the baseline, with its interval."""
    rows: list[tuple[str, Setting, float, float]] = []
    for comparison in comparisons:
        baseline = comparison.baseline()
        if baseline is None:
            continue
        for outcome in comparison:
            at = shots if shots in outcome.shots else outcome.shots[0]
            mean, half = comparison.difference(outcome, baseline, at)
            if outcome.recipe.setting is not Setting.SCRATCH and np.isfinite(mean):
                seen = " (seen tasks)" if comparison.question.tasks == "seen" else ""
                rows.append((outcome.name + seen, outcome.recipe.setting, mean, half))
    numbers = Numbers(comparisons[0].measure)
    figure, axes = new_figure(1, 1, width=7.5, height=0.8 + 0.28 * max(len(rows), 3))
    axis = axes[0][0]
    for place, (_, setting, mean, half) in enumerate(reversed(rows)):
        mean, half = float(numbers.scaled(mean)), float(numbers.scaled(half))
        colour = look(setting).colour
        axis.errorbar(mean, place, xerr=half, fmt="o", color=colour, capsize=3, markersize=5)
    axis.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
    axis.axvline(0, color=INK, linewidth=1)
    at = "" if comparisons[0].shots[0] is None else f"{amount(shots, unit)}, "
    better = "right" if comparisons[0].measure.higher_is_better else "left"
    axis.set_xlabel(
        f"{numbers.label} minus that of the baseline, paired by task\n"
        f"({at}each at its best; better is to the {better})"
    )
    for setting in dict.fromkeys(setting for _, setting, *_ in rows):
        axis.plot([], [], "o", color=look(setting).colour, label=look(setting).name)
    axis.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    write_figure(figure, folder, "differences")


def draw_tasks(
    tasks: AbstractTasks, folder: Path, name: str, *, seed: int, number: int = 6
) -> None:
    """Draws sampled tasks: support and query sets, and the true function where it is known."""
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
        f"{type(tasks).__name__}: {number} tasks, {tasks.shots} support and {tasks.queries} query"
        " points"
    )
    write_figure(figure, folder, name)
