"""Pictures of a comparison on a table."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..core import attempt, COLOURS, FAINT, INK, new_figure, short, write_figure
from ._figures import draw_shots
from ._look import BAD, look, Numbers
from ._table_result import TableResult

MOST_NAMED = 40  # tasks with a line of their own in a figure or a table
LONGEST = 22  # letters of a task's name in a figure
EDGE = -20.0  # per cent; what is below stands here, with an arrow
GAIN, LOSS = COLOURS[2], BAD


def draw_table(result: TableResult, folder: Path) -> list[str]:
    """Draws all figures of a comparison on a table.

    **Returns:** their names, without endings.
    """
    names = attempt("recipes", lambda: draw_recipes(result, folder))
    gains, new = result.gains(), result.new
    if gains is not None and np.isfinite(gains[0]).any():
        names += attempt("gains", lambda: draw_gains(result, *gains, folder))
    if len(result.affinities.index) > 1:
        names += attempt("affinity", lambda: draw_affinity(result, folder))
    if new is not None:
        names += attempt("shots", lambda: draw_shots(new, folder, unit="row"))
    return names


def draw_recipes(result: TableResult, folder: Path) -> None:
    """`recipes`: the measure of each recipe with its interval."""
    seen, numbers = result.seen, Numbers(result.seen.measure)
    outcomes = list(seen)
    values = [tuple(float(numbers.scaled(v)) for v in seen.value(o)) for o in outcomes]
    figure, axes = new_figure(1, 1, width=7.5, height=1.0 + 0.3 * len(outcomes))
    axis = axes[0][0]
    for place, (outcome, (mean, half)) in enumerate(
        zip(reversed(outcomes), reversed(values), strict=True)
    ):
        colour = look(outcome.recipe.setting).colour
        if numbers.measure.percent and mean < EDGE:  # useless: the others are what one looks at
            axis.plot(EDGE, place, "<", color=colour)
            axis.annotate(f"  {mean:.0f}", (EDGE, place), va="center", fontsize=8)
            continue
        xerr = half if np.isfinite(half) else None
        axis.errorbar(mean, place, xerr=xerr, fmt="o", color=colour, capsize=3)
    axis.set_yticks(range(len(outcomes)), [outcome.name for outcome in reversed(outcomes)])
    axis.set_xlabel(f"{numbers.label} on rows that were not trained on")
    for setting in dict.fromkeys(outcome.recipe.setting for outcome in outcomes):
        axis.plot([], [], "o", color=look(setting).colour, label=look(setting).name)
    axis.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    write_figure(figure, folder, "recipes")


def draw_gains(
    result: TableResult,
    gain: Float[np.ndarray, "tasks"],
    half: Float[np.ndarray, "tasks"],
    folder: Path,
) -> None:
    """`gains`: what each task gains from being learnt together, in order."""
    rows = result.seen.rows
    gain, half = 100 * gain, 100 * half
    order = np.argsort(np.where(np.isfinite(gain), gain, -np.inf))
    order = order[np.isfinite(gain[order])]
    half = np.where(np.isfinite(half), half, 0)
    better, worse = result.significant()
    colour = np.where(better, GAIN, np.where(worse, LOSS, FAINT))
    label = f"gain of learning together over one model per task ({rows.unit_of_gains})"
    if len(order) > MOST_NAMED:
        figure, axes = new_figure(1, 1, width=9, height=4.2)
        axis = axes[0][0]
        for place, i in enumerate(order):
            options = {"color": colour[i], "markersize": 3, "linewidth": 0.8}
            axis.errorbar(place, gain[i], half[i], fmt="o", **options)
        axis.set_xlabel(f"{len(order)} tasks, by their gain")
        axis.set_xticks([])
        axis.set_ylabel(label.replace(" over", "\nover").replace(" (", "\n("))
        axis.axhline(0, color=INK, linewidth=1)
        spread = np.nanpercentile(np.abs(gain) + half, 97)
        axis.set_ylim(-1.1 * spread, 1.1 * spread)
    else:
        figure, axes = new_figure(1, 1, width=7.5, height=1.0 + 0.26 * max(4, len(order)))
        axis = axes[0][0]
        for place, i in enumerate(order):
            options = {"color": colour[i], "capsize": 2, "markersize": 4}
            axis.errorbar(gain[i], place, xerr=half[i], fmt="o", **options)
        axis.set_yticks(range(len(order)), [short(rows.names[i], LONGEST) for i in order])
        axis.set_xlabel(label)
        axis.axvline(0, color=INK, linewidth=1)
    write_figure(figure, folder, "gains")


def draw_affinity(result: TableResult, folder: Path) -> None:
    """`affinity`: cosines of gradients and lookahead, as maps, in the order of likeness."""
    some = result.affinities.ordered()
    size = len(some.index)
    side = max(3.4, min(9.0, 0.22 * size + 1.2))
    # Next to each other where both can be read in the width of a page, otherwise one above the
    # other.
    wide = size <= 14
    sizes = (2 * side + 2.4, side + 0.6) if wide else (side + 1.8, 2 * side + 1.2)
    figure, axes = new_figure(*((1, 2) if wide else (2, 1)), width=sizes[0], height=sizes[1])
    names = [short(result.table.names[i], LONGEST) for i in some.index]
    off = ~np.eye(size, dtype=bool)
    reach = 100 * max(1e-6, float(np.nanpercentile(np.abs(some.lookahead[off]), 98)))
    near = max(0.02, float(np.nanpercentile(np.abs(some.cosine[off]), 99)))
    panels = (
        (some.cosine, near, "cosine between gradients"),
        (100 * some.lookahead, reach, "% of the loss that a step removes"),
    )
    for axis, (values, limit, words) in zip(axes.flat, panels, strict=True):
        picture = axis.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, aspect="equal")
        small = 9 if size <= 16 else 8 if size <= 30 else 7
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
    axes.flat[0].set_title("gradients", fontsize=11)
    axes.flat[1].set_title("effect of a step for the row's task on the column's", fontsize=11)
    write_figure(figure, folder, "affinity")
