"""Pictures and words of the toy problem with two objectives."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import FAINT, INK, new_figure, write_figure

from ._study import markdown_table

STRETCHES, STEPS = 16, 5  # of a drawn path, each of one colour; straight ones of each
FRONT = -8.0  # below this y a point is on the front, or on its last steps to it


def draw(
    scale: float, paths: dict[str, np.ndarray], ground: tuple[np.ndarray, ...], folder: Path
) -> None:
    """`paths-1` or `paths-0.1`: a panel for each method, its paths from all starts over the mean loss's contours."""
    import matplotlib

    columns = 5
    figure, axes = new_figure(2, columns, width=13, height=6.2, sharex=True, sharey=True)
    x, y, mean = ground
    colours = matplotlib.colormaps["viridis"]
    for axis, (name, path) in zip(axes.flat, paths.items(), strict=False):
        axis.grid(False)
        lines = axis.contour(
            x, y, mean, levels=25, colors=FAINT, linewidths=0.5, alpha=0.6, linestyles="solid"
        )
        lines.set_rasterized(True)  # as lines they would be most of the page
        axis.plot(
            [-7, 7], [-8.43, -8.43], color=INK, linewidth=2.5, alpha=0.35, solid_capstyle="round"
        )
        lowest = np.unravel_index(mean.argmin(), mean.shape)
        axis.plot(
            x[lowest[1]],
            y[lowest[0]],
            "*",
            color="#D55E00",
            markersize=12,
            markeredgecolor="white",
            zorder=4,
        )
        for way in path[0]:
            way = way[
                np.linspace(0, len(way) - 1, min(len(way), STRETCHES * STEPS + 1))
                .round()
                .astype(int)
            ]
            stretches = [way[i : i + STEPS + 1] for i in range(0, len(way) - 1, STEPS)]
            coloured = matplotlib.collections.LineCollection(
                stretches,
                colors=colours(np.linspace(0, 0.92, len(stretches))),
                linewidths=2,
                capstyle="round",
            )
            axis.add_collection(coloured)
            axis.plot(*way[0], "o", color=INK, markersize=4.5, zorder=5)
        for ends in path[1:, :, -1]:
            axis.plot(*ends.T, "D", color="white", markersize=4.5, markeredgecolor=FAINT, zorder=5)
        axis.plot(
            *path[0, :, -1].T, "D", color="#CC79A7", markersize=6, markeredgecolor="white", zorder=6
        )
        axis.set_title(name, fontsize=10.5)
        axis.set(
            xlim=(-11, 11), ylim=(-11, 11), aspect="equal", xticks=(-7, 0, 7), yticks=(-8, 0, 8)
        )
    for axis in axes.flat[len(paths) :]:
        axis.axis("off")
    axes[0][columns - 1].tick_params(labelbottom=True)  # nothing is below it
    marks = {
        "start": {"marker": "o", "color": INK},
        "end": {"marker": "D", "color": "#CC79A7", "markeredgecolor": "white"},
        "end of a copy": {"marker": "D", "color": "white", "markeredgecolor": FAINT},
        "least mean loss": {
            "marker": "*",
            "color": "#D55E00",
            "markeredgecolor": "white",
            "markersize": 12,
        },
    }
    handles = [
        axis.plot([], [], linestyle="", label=label, **style)[0] for label, style in marks.items()
    ]
    handles.append(axis.plot([], [], color=INK, alpha=0.35, linewidth=2.5, label="front")[0])
    axes[1][columns - 1].legend(handles=handles, frameon=False, fontsize=10, loc="center")
    write_figure(figure, folder, f"paths-{scale:g}")


def where(point: Any) -> str:
    """An end point in a cell: x, and y where it is not on the front."""
    x, y = point
    return f"{x + 0:.2f}" if y is None or y < FRONT else f"({x:.2f}, {y:.2f})"


def cell(row: dict[str, Any]) -> str:
    """Where a path ended, and where its copies did if that is another place."""
    apart = max(np.subtract(row["most"], row["least"])) > 0.05
    span = f" [{row['least'][0]:.2f} to {row['most'][0]:.2f}]" if apart else ""
    return where(row["end"]) + span + ("" if row.get("agrees", True) else " †")


def table(rows: list[dict[str, Any]], scale: float) -> str:
    """Methods down, starts across, references beneath."""
    here = [r for r in rows if r["scale"] == scale]
    starts = list(dict.fromkeys(tuple(r["start"]) for r in here))
    lines = [["end of the path from", *(f"({x:g}, {y:g})" for x, y in starts)]]
    for name in dict.fromkeys(r["method"] for r in here):
        mine = [r for r in here if r["method"] == name]
        lines.append([f"**{name}**", *map(cell, mine)])
        if "reference" in mine[0]:
            lines.append(["reference", *(where(r["reference"]) for r in mine)])
    return markdown_table(lines)


def _balanced(row: dict[str, Any]) -> bool:
    return abs(row["end"][0]) < 0.25 and row["end"][1] < FRONT


def page(result: dict[str, Any], study: Any) -> str:
    """The page of results, all of its numbers from `result`."""
    rows = result["rows"]
    compared = [r for r in rows if "reference" in r]
    agree = sum(r["agrees"] for r in compared)
    off = [r for r in compared if not r["agrees"]]
    chance = [r for r in rows if max(np.subtract(r["most"], r["least"])) > 0.05]
    loose = ", ".join(dict.fromkeys(r["method"] for r in chance)) or "none"

    def one(name: str, scale: float) -> list[dict[str, Any]]:
        return [r for r in rows if r["method"] == name and r["scale"] == scale]

    stuck = sum(r["end"][1] > FRONT for r in one("Mean", 1.0))
    minimum = sum(_balanced(r) for r in one("CAGrad, c = 0.4", 1.0))
    same = [
        (r["end"][0], s["end"][0])
        for r in one("Nash-MTL", 1.0)
        for s in one("Nash-MTL", 0.1)
        if tuple(r["start"]) == tuple(s["start"])
    ]
    both = "; ".join(f"{a:.2f} and {b:.2f}" for a, b in same)
    differ = "; ".join(
        f"{r['method']} at scale {r['scale']:g} from ({r['start'][0]:g}, {r['start'][1]:g}): {where(r['end'])}, reference"
        f" {where(r['reference'])}"
        for r in off
    )
    why = (
        " Nash-MTL's direction keeps its length on the front, where the gradients point against each other, so that a path"
        " slides on along the front. How far depends on what keeps the formula from dividing by zero there: a small number in"
        " the reference, which ours does without."
        if any(r["method"] == "Nash-MTL" for r in off)
        else ""
    )
    return f"""# Two objectives, two parameters

Made by `learnset study multitask-toy`; Adam with a step size of 0.001, double precision, {min(study.steps, 100_000):,} steps at
scale 1 and {min(study.steps, 50_000):,} at scale 0.1. All numbers are in [result.json](result.json).

The toy problem of CAGrad (Liu et al. 2021), with the first objective at a tenth of its size also that of Nash-MTL (Navon et al.
2022) and FAMO (Liu et al. 2023). Each objective has its minimum at the end of a front, x = 7 for the first and x = -7 for
the second, and a steep valley on the way. The mean of both is least at x = 0 with the scales equal.

## Both objectives at one scale

![Paths at scale 1](paths-1.svg)

*A path from each start (dot), dark at first and bright at last, to its end (pink). White ends: of copies of the path, see below.
Grey bar: the front. Star: the minimum of the mean loss. Contours: the mean loss.*

{table(rows, 1.0)}

## The first objective at a tenth

![Paths at scale 0.1](paths-0.1.svg)

{table(rows, 0.1)}

Cells have x on the front, and (x, y) of a path that has not come there. "Reference" is where the paths ended in a
computation of its own, from the formulas of the papers' programs; the papers show figures, and print no end points. † differs
from the reference by more than 0.05. {agree} of {len(compared)} agree.{" These differ: " + differ + "." if off else ""}{why}

## What is chance

Each path was followed {study.copies} times, from the start and from points a millionth beside it. Brackets hold the least and the
largest x of their ends, where these are more than 0.05 apart: {len(chance)} of {len(rows)} cells ({loose}). There the end
is decided by rounding, when the path crosses a valley to and fro, and a program that adds in another order ends elsewhere.
For two tasks `UPGrad` is half of `PCGrad`, and Adam does not see the half: what differs between these two rows is chance too.

## What was published, and holds

- The mean of the losses gets stuck in a valley from {stuck} of 3 starts at scale 1.
- CAGrad comes to the minimum of the mean loss from {minimum} of 3 starts at scale 1, and like the mean drifts to the second task
  at scale 0.1.
- MGDA and PCGrad come to the front, where on it depends on the start.
- Nash-MTL does not see the scale: from the starts that both scales have in common it ends at x = {both}.

This is one problem, made to show a weakness of the mean. See the studies `school`, `sarcos`, `tox21` and `multimnist` for
what is left of it on data, all methods tuned alike.
"""
