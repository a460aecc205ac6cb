"""Pictures of a comparison on a table."""

from pathlib import Path

import numpy as np

from ..comparison import RowComparison
from ..core import COLOURS, FAINT, INK, new_figure, write_figure
from ._figures import draw_shots
from ._findings import KINDS, MOST_NAMED, TableFindings

LONGEST = 22  # letters of a task's name in a figure


def draw_table(found: TableFindings, folder: Path) -> list[str]:
    """Draws all figures of a comparison on a table.

    **Returns:** their names, without endings.
    """
    draw_recipes(found.rows, folder)
    draw_gains(found.rows, folder)
    draw_affinity(found, folder)
    if found.new is not None:
        draw_shots(found.new, folder)
    return ["recipes", "gains", "affinity", *(["shots"] if found.new is not None else [])]


def draw_recipes(rows: RowComparison, folder: Path) -> None:
    """`recipes`: the measure of each recipe with its interval."""
    outcomes = list(rows)
    figure, axes = new_figure(1, 1, width=7.5, height=1.0 + 0.3 * len(outcomes))
    axis = axes[0][0]
    for i, outcome in enumerate(reversed(outcomes)):
        mean, half = rows.score(outcome)
        colour = KINDS[outcome.setting][0]
        axis.errorbar(
            100 * mean,
            i,
            xerr=100 * half if np.isfinite(half) else None,
            fmt="o",
            color=colour,
            capsize=3,
        )
    axis.set_yticks(range(len(outcomes)), [outcome.name for outcome in reversed(outcomes)])
    axis.set_xlabel(f"{rows.rows.measure} on rows that were not trained on (%)")
    for setting, (colour, words) in KINDS.items():
        if any(outcome.setting is setting for outcome in outcomes):
            axis.plot([], [], "o", color=colour, label=words)
    axis.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    write_figure(figure, folder, "recipes")


def draw_gains(rows: RowComparison, folder: Path) -> None:
    """`gains`: what each task gains from being learnt together, in order."""
    gain, half = (
        100 * values for values in rows.rows.gains(rows.together().answers, rows.alone().answers)
    )
    order = np.argsort(np.where(np.isfinite(gain), gain, -np.inf))
    order = order[np.isfinite(gain[order])]
    half = np.where(np.isfinite(half), half, 0)
    colour = np.where(gain - half > 0, COLOURS[2], np.where(gain + half < 0, COLOURS[1], FAINT))
    unit = "measure" if rows.rows.classes else "variance of the target"
    label = f"gain of learning together over one model each (% of the {unit})"
    if len(order) > MOST_NAMED:
        figure, axes = new_figure(1, 1, width=9, height=4.2)
        axis = axes[0][0]
        for place, i in enumerate(order):
            axis.errorbar(
                place, gain[i], half[i], fmt="o", color=colour[i], markersize=3, linewidth=0.8
            )
        axis.set_xlabel(f"{len(order)} tasks, by what they gain")
        axis.set_xticks([])
        axis.set_ylabel(label.replace(" over", "\nover"))
        axis.axhline(0, color=INK, linewidth=1)
        spread = np.nanpercentile(np.abs(gain) + half, 97)
        axis.set_ylim(-1.1 * spread, 1.1 * spread)
    else:
        figure, axes = new_figure(1, 1, width=7.5, height=1.0 + 0.26 * max(4, len(order)))
        axis = axes[0][0]
        for place, i in enumerate(order):
            axis.errorbar(
                gain[i], place, xerr=half[i], fmt="o", color=colour[i], capsize=2, markersize=4
            )
        axis.set_yticks(range(len(order)), [_short(rows.rows.names[i]) for i in order])
        axis.set_xlabel(label)
        axis.axvline(0, color=INK, linewidth=1)
    write_figure(figure, folder, "gains")


def draw_affinity(found: TableFindings, folder: Path) -> None:
    """`affinity`: cosines of gradients and lookahead, as maps, in the order of likeness."""
    some = found.affinities.ordered()
    size = len(some.index)
    side = max(3.4, min(8.5, 0.24 * size + 1.2))
    figure, axes = new_figure(1, 2, width=2 * side + 2.4, height=side + 0.6)
    names = [_short(found.table.names[i]) for i in some.index]
    off = ~np.eye(size, dtype=bool)
    reach = 100 * max(1e-6, float(np.nanpercentile(np.abs(some.lookahead[off]), 98)))
    near = max(0.02, float(np.nanpercentile(np.abs(some.cosine[off]), 99)))
    panels = (
        (some.cosine, near, "cosine between gradients"),
        (100 * some.lookahead, reach, "% of the loss that a step takes away"),
    )
    for axis, (values, limit, words) in zip(axes[0], panels, strict=True):
        picture = axis.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, aspect="equal")
        small = 9 if size <= 16 else 7 if size <= 30 else 5.5
        axis.set_xticks(range(size), names, rotation=90, fontsize=small)
        axis.set_yticks(range(size), names, fontsize=small)
        axis.grid(False)
        if size <= 14:
            for i, j in np.ndindex(size, size):
                text = f"{values[i, j]:.2f}" if values is some.cosine else f"{values[i, j]:.1f}"
                shade = "white" if abs(values[i, j]) > 0.65 * limit else INK
                axis.text(j, i, text, ha="center", va="center", fontsize=7, color=shade)
        bar = figure.colorbar(picture, ax=axis, shrink=0.8, extend="both")
        bar.set_label(words, fontsize=9)
        bar.ax.tick_params(labelsize=8)
    axes[0][0].set_title("gradients", fontsize=11)
    axes[0][1].set_title("a step for the row's task, seen by the column's", fontsize=11)
    write_figure(figure, folder, "affinity")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
