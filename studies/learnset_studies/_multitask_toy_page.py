"""Figures and page of the toy problem with two objectives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import FAINT, INK, new_figure, write_figure
from learnset.report import Bullets, Grid, Markdown, Page, Paragraph, Picture, Section

COLUMNS = 5
PIECES = 5  # of a drawn path that have one colour
FRONT = -8.0  # below this y a point is on the front, or on its last steps to it
CHANCE = 0.05  # a spread of ends beyond this is shown
END, STAR = "#CC79A7", "#D55E00"

# Figures.


def draw(scale: str, paths: dict[str, Any], ground: tuple[np.ndarray, ...], folder: Path) -> None:
    """`paths-1` or `paths-0.1`: a panel for each method, its paths from all starts over contours of
    the mean loss."""
    figure, axes = new_figure(2, COLUMNS, width=13, height=6.2, sharex=True, sharey=True)
    for axis, (name, drawn) in zip(axes.flat, paths.items(), strict=False):
        _draw_ground(axis, *ground)
        paths_of_starts = np.array(drawn["paths"]).swapaxes(1, 2)
        for path in paths_of_starts:
            _draw_path(axis, path)
        for ends in np.array(drawn["ends_of_copies"]):
            axis.plot(*ends.T, "D", color="white", markersize=4.5, markeredgecolor=FAINT, zorder=5)
        axis.plot(
            *paths_of_starts[:, -1].T,
            "D",
            color=END,
            markersize=6,
            markeredgecolor="white",
            zorder=6,
        )
        axis.set_title(name, fontsize=10.5)
        axis.set(xlim=(-11, 11), ylim=(-11, 11), aspect="equal")
        axis.set(xticks=(-7, 0, 7), yticks=(-8, 0, 8))
    for axis in axes.flat[len(paths) :]:
        axis.axis("off")
    axes[0][COLUMNS - 1].tick_params(labelbottom=True)  # nothing is below it
    _draw_legend(axes[1][COLUMNS - 1])
    write_figure(figure, folder, f"paths-{scale}")


def _draw_ground(axis: Any, x: np.ndarray, y: np.ndarray, mean: np.ndarray) -> None:
    """Contours of the mean loss, its minimum, and the front."""
    axis.grid(False)
    style: dict[str, Any] = {"linewidths": 0.5, "alpha": 0.6, "linestyles": "solid"}
    lines = axis.contour(x, y, mean, levels=25, colors=FAINT, **style)
    lines.set_rasterized(True)  # as lines they would be most of the page
    style = {"linewidth": 2.5, "alpha": 0.35, "solid_capstyle": "round"}
    axis.plot([-7, 7], [-8.43, -8.43], color=INK, **style)
    row, column = np.unravel_index(mean.argmin(), mean.shape)
    style = {"markersize": 12, "markeredgecolor": "white", "zorder": 4}
    axis.plot(x[column], y[row], "*", color=STAR, **style)


def _draw_path(axis: Any, path: np.ndarray) -> None:
    """A path from its start, dark at first and bright at last."""
    import matplotlib
    from matplotlib.collections import LineCollection

    pieces = [path[i : i + PIECES + 1] for i in range(0, len(path) - 1, PIECES)]
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, len(pieces)))
    axis.add_collection(LineCollection(pieces, colors=colours, linewidths=2, capstyle="round"))
    axis.plot(*path[0], "o", color=INK, markersize=4.5, zorder=5)


def _draw_legend(axis: Any) -> None:
    star = {"marker": "*", "color": STAR, "markeredgecolor": "white", "markersize": 12}
    marks: dict[str, dict[str, Any]] = {
        "start": {"marker": "o", "color": INK},
        "end": {"marker": "D", "color": END, "markeredgecolor": "white"},
        "end of a copy": {"marker": "D", "color": "white", "markeredgecolor": FAINT},
        "least mean loss": star,
    }
    handles = [
        axis.plot([], [], linestyle="", label=label, **style)[0] for label, style in marks.items()
    ]
    handles += axis.plot([], [], color=INK, alpha=0.35, linewidth=2.5, label="front")
    axis.legend(handles=handles, frameon=False, fontsize=10, loc="center")


# The page.


def page(result: dict[str, Any], steps: dict[float, int]) -> Page:
    """The page, all of its numbers from `result`; `steps` are those of each scale at most."""
    rows, sizes = result["rows"], result["sizes"]
    at_one, at_tenth = (min(sizes["steps"], steps[scale]) for scale in (1.0, 0.1))
    about = (
        "The toy problem of CAGrad (Liu et al. 2021); with the first objective at a tenth of its"
        " size, also that of Nash-MTL (Navon et al. 2022) and FAMO (Liu et al. 2023). Each"
        " objective has its minimum at one end of a front, x = 7 for the first and x = -7 for the"
        " second, and a steep valley on the way. The mean of both is least at x = 0 when the scales"
        " are equal."
        f" Adam with a step size of 0.001, double precision, {at_one:,} steps at scale 1 and"
        f" {at_tenth:,} at scale 0.1."
    )
    caption = (
        "A path from each start (dot), dark at first and bright at last, to its end (pink). White:"
        " ends of copies of the path (see below). Grey bar: the front. Star: the minimum of the"
        " mean loss. Contours: the mean loss."
    )
    end = (
        "This is one problem, made to show a weakness of the mean. The studies `school`, `sarcos`,"
        " `tox21` and `multimnist` show what is left of it on data, with all methods tuned alike."
    )
    one, tenth = Picture("paths-1.svg", caption), Picture("paths-0.1.svg", caption)
    return Page(
        "Two objectives, two parameters",
        (
            Section("", (Paragraph(about),)),
            Section("What was published, and what the paths do", (_claims(rows),), brief=True),
            Section("Both objectives at one scale", (one, _grid(rows, 1.0)), brief=True),
            Section("The first objective at a tenth", (tenth, _grid(rows, 0.1))),
            Section("Compared with the reference", (Paragraph(_reference(rows)),)),
            Section("What is left to chance", (Paragraph(_chance(rows, sizes["copies"])),)),
            Section("What it is worth", (Paragraph(end),)),
        ),
    )


def _grid(rows: list[dict[str, Any]], scale: float) -> Grid:
    """Methods down, starts across, references beneath."""
    here = [row for row in rows if row["scale"] == scale]
    starts = dict.fromkeys(tuple(row["start"]) for row in here)
    head = ("end of the path from", *(f"({x:g}, {y:g})" for x, y in starts))
    lines = []
    for name in dict.fromkeys(row["method"] for row in here):
        of_method = [row for row in here if row["method"] == name]
        lines.append((Markdown(f"**{name}**"), *map(_cell, of_method)))
        if "reference" in of_method[0]:
            lines.append(("reference", *(_place(row["reference"]) for row in of_method)))
    return Grid(head, tuple(lines))


def _cell(row: dict[str, Any]) -> str:
    """Where a path ended, and where its copies did if that is another place."""
    (low, _), (high, _) = row["least"], row["most"]
    span = f" [{_number(low)} to {_number(high)}]" if _left_to_chance(row) else ""
    return _place(row["end"]) + span + ("" if row.get("agrees", True) else " †")


def _place(point: Any) -> str:
    """A point in a cell: x, and y where it is not on the front."""
    x, y = point
    return _number(x) if y is None or y < FRONT else f"({_number(x)}, {_number(y)})"


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # no negative zero


def _left_to_chance(row: dict[str, Any]) -> bool:
    return max(np.subtract(row["most"], row["least"])) > CHANCE


def _claims(rows: list[dict[str, Any]]) -> Bullets:
    def ends(name: str, scale: float) -> dict[tuple[float, ...], list[float]]:
        return {
            tuple(row["start"]): row["end"]
            for row in rows
            if row["method"] == name and row["scale"] == scale
        }

    mean, cagrad = ends("Mean", 1.0), ends("CAGrad (c = 0.4)", 1.0)
    stuck = sum(y > FRONT for _, y in mean.values())
    minimum = sum(abs(x) < 0.25 and y < FRONT for x, y in cagrad.values())
    start = next(iter(mean))
    drift = [ends(name, 0.1)[start][0] for name in ("CAGrad (c = 0.4)", "Mean")]
    at_front = []
    for name in ("MGDA", "PCGrad"):
        places = [x for x, y in ends(name, 1.0).values() if y < FRONT]
        at_front.append(f"{name} from {len(places)} of {len(mean)} starts, at x = {_list(places)}")
    nash = ends("Nash-MTL", 1.0), ends("Nash-MTL", 0.1)
    pairs = "; ".join(_list([nash[0][at][0], nash[1][at][0]]) for at in nash[0] if at in nash[1])
    return Bullets(
        (
            f"The mean of the losses gets stuck in a valley: from {stuck} of {len(mean)} starts at"
            " scale 1.",
            f"CAGrad reaches the minimum of the mean loss: from {minimum} of {len(cagrad)} starts"
            " at scale 1.",
            "At scale 0.1 CAGrad drifts to the second task, as the mean does: from"
            f" ({start[0]:g}, {start[1]:g}) they end at x = {_list(drift)}.",
            "MGDA and PCGrad reach the front, at a place that depends on the start:"
            f" {'; '.join(at_front)}, at scale 1.",
            "Nash-MTL does not depend on the scale: from the starts that both scales have in common"
            f" it ends at x = {pairs}.",
        )
    )


def _list(values: Sequence[float]) -> str:
    *first, last = map(_number, values) if values else ("none",)
    return f"{', '.join(first)} and {last}" if first else last


def _reference(rows: list[dict[str, Any]]) -> str:
    compared = [row for row in rows if "reference" in row]
    off = [row for row in compared if not row["agrees"]]
    words = (
        "Cells show x on the front, and (x, y) for a path that has not reached it. The reference is"
        " where the paths ended in a separate computation, from the formulas of the papers'"
        " programs; the papers show figures, and print no end points. † differs from the reference"
        f" by more than {CHANCE}. {len(compared) - len(off)} of {len(compared)} agree."
    )
    if off:
        words += f" These differ: {'; '.join(map(_difference, off))}."
    if any(row["method"] == "Nash-MTL" for row in off):
        words += (
            " Nash-MTL's direction keeps its length on the front, where the gradients point against"
            " each other, so that a path slides on along the front. How far depends on what keeps"
            " the formula from dividing by zero there: a small number in the reference, which ours"
            " does without."
        )
    return words


def _difference(row: dict[str, Any]) -> str:
    x, y = row["start"]
    return (
        f"{row['method']} at scale {row['scale']:g} from ({x:g}, {y:g}): {_place(row['end'])},"
        f" reference {_place(row['reference'])}"
    )


def _chance(rows: list[dict[str, Any]], copies: int) -> str:
    loose = [row for row in rows if _left_to_chance(row)]
    names = ", ".join(dict.fromkeys(row["method"] for row in loose)) or "none"
    return (
        f"Each path was followed {copies} times, from the start and from points a millionth away."
        f" Brackets hold the least and the largest x of their ends, where these are more than"
        f" {CHANCE} apart: {len(loose)} of {len(rows)} cells ({names}). There rounding decides"
        " where a path ends, as it crosses a valley to and fro, and a program that adds in another"
        " order ends elsewhere. For two tasks `UPGrad` is half of `PCGrad`, and Adam is blind to"
        " the factor: the difference between these two rows is chance, too."
    )
