"""Figure and page of the study of merging."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, FAINT, INK, interval, new_figure, write_figure
from learnset.report import Bullets, Grid, Page, Paragraph, Picture, Section

from ._pages import cell, Row, select

START, SEPARATE, EQUAL = "the start", "a network for each task", "equal weights"
SUM = "plain sum"
SOURCE = (
    "Ilharco et al. 2023 (task arithmetic), Yadav et al. 2023 (TIES), Yu et al. 2024 (DARE),"
    " Wortsman et al. 2022 (soups), Yu et al. 2020 (PCGrad), Quinton & Rey 2024 (UPGrad). Their"
    " networks are larger, and none of their numbers is comparable."
)
LINES = {SEPARATE: (INK, "-"), EQUAL: (INK, "--"), START: (FAINT, ":")}


def draw(result: dict[str, Any], folder: Path) -> None:
    """`scales`: the mean accuracy of merged networks against the scale of the vector that is added
    to the start."""
    rows, data = result["rows"], result["figures"]["scales"]
    figure, axes = new_figure(1, 1, width=7.5, height=3.8)
    axis = axes[0][0]
    for (name, values), colour in zip(data["curves"].items(), COLOURS, strict=False):
        axis.plot(data["scales"], values, "o-", color=colour, markersize=3, label=name)
    for name, (colour, line) in LINES.items():
        value = select(rows, recipe=name)[0]["value"]
        axis.axhline(value, color=colour, linestyle=line, linewidth=1.2, label=name)
    axis.set(xlabel="scale of the merged vector", ylabel="accuracy, mean of the tasks (%)")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, folder, "scales")


def page(result: dict[str, Any]) -> Page:
    """The page: what is lost by merging, and what by learning together."""
    rows, sizes = result["rows"], result["sizes"]
    about = (
        "Six tasks, each of ten classes of small grey images with 40 labelled ones of a class:"
        " handwritten digits, the same turned by a quarter, and black for white (no image is in two"
        " tasks); coarser digits; hands that show digits, and the same turned. One network that has"
        " learnt Latin letters in many fonts is the start of all. It may be trained on each task by"
        " itself, which gives six networks; these may be merged into one, without any further"
        " training and without the tasks' images; or one network may learn all tasks together."
    )
    caption = (
        "Test accuracy of one merged network against the scale of the vector that is added to the"
        " start; at 0 nothing is. Lines: a network for each task, one that learnt all tasks with"
        " equal weights, and the start."
    )
    method = (
        "A task's vector is the difference between the body of its network and that of the start."
        " Heads are in no vector: each task has its own, which learns the task's images on the"
        " start and then stands still in all recipes, so that it fits merged bodies. All train by"
        f" {sizes['steps']} steps of Adam with 32 images of each task a step, so that six networks"
        " and one for all see as many images. The step size (0.001 or 0.003) and, for merged"
        " vectors, the scale are chosen on 10 validation images of a class by the mean accuracy of"
        " all tasks, for each recipe and seed; test images, 30 of a class, are none of the others."
        " The uniform soup is the plain sum at a scale of one sixth; the greedy soup leaves out"
        " bodies that make the mean validation accuracy worse. Intervals are Student's over"
        f" {sizes['seeds']} seeds, and those of differences are paired."
    )
    return Page(
        "Merging networks, or learning their tasks together",
        (
            Section("", (Paragraph(about),)),
            Section("", (Paragraph(answer(rows), boxed=True), Bullets(findings(rows))), brief=True),
            Section("", (Picture("scales", caption), table(rows))),
            Section("How it was measured", (Paragraph(method),)),
            Section("Source", (Paragraph(SOURCE),)),
        ),
    )


def table(rows: list[Row]) -> Grid:
    """A line for each recipe, a column for each task."""
    lines = []
    for row in rows:
        tasks = (f"{of['value']:.1f} ± {of['ci95']:.1f}" for of in row["by_task"].values())
        apart = (
            "" if row["recipe"] == SEPARATE else words(difference(rows, row["recipe"], SEPARATE))
        )
        lines.append((row["kind"], row["recipe"], *tasks, cell(row), apart))
    head = ("bodies", "recipe", *rows[0]["by_task"], "mean", "less separate networks")
    return Grid(head, tuple(lines), left=2, title="Accuracy (%)")


def difference(rows: list[Row], one: str, other: str) -> tuple[float, float]:
    """Points by which the mean accuracy of one recipe is above another's, and half the 95 %
    interval over seeds."""
    values = (np.array(select(rows, recipe=name)[0]["by_seed"]) for name in (one, other))
    first, second = values
    return interval((first - second)[:, None])


def words(of: tuple[float, float]) -> str:
    """A difference and its interval.

    >>> words((-1.25, 0.5))
    '-1.2 ± 0.5'
    """
    return f"{of[0]:+.1f} ± {of[1]:.1f}"


def best(rows: list[Row], kind: str) -> Row:
    """The recipe of a kind with the highest mean accuracy."""
    return max(select(rows, kind=kind), key=lambda row: row["value"])


def answer(rows: list[Row]) -> str:
    """The sentence of the page, from the numbers."""
    start, apart = (select(rows, recipe=name)[0] for name in (START, SEPARATE))
    gain = apart["value"] - start["value"]

    def share(row: Row) -> str:
        return f"{(row['value'] - start['value']) / gain:.0%}"

    together, merged = best(rows, "together"), best(rows, "merged")
    return (
        f"A network for each task has {apart['value']:.1f} % of the images right, {gain:.1f} points"
        " more than the start. Of that gain the best network that learns all tasks together"
        f" ({together['recipe']}, {together['value']:.1f} %) has {share(together)}, and the best of"
        f" those merged without training ({merged['recipe']}, {merged['value']:.1f} %)"
        f" {share(merged)}."
    )


def findings(rows: list[Row]) -> tuple[str, ...]:
    """Differences between the kinds, and within them."""
    merged = best(rows, "merged")
    lines = [
        f"Merging: the best, {merged['recipe']}, is"
        f" {words(difference(rows, merged['recipe'], EQUAL))} points from learning together with"
        f" equal weights, and {words(difference(rows, merged['recipe'], START))} from the start.",
    ]
    others = [row["recipe"] for row in select(rows, kind="together") if row["recipe"] != EQUAL]
    lines.append(
        "Balancers against equal weights: "
        + "; ".join(f"{name} {words(difference(rows, name, EQUAL))}" for name in others)
        + " points."
    )
    ways = [row["recipe"] for row in select(rows, kind="merged") if row["recipe"] != SUM]
    lines.append(
        "Ways to merge against the plain sum at its best scale: "
        + "; ".join(f"{name} {words(difference(rows, name, SUM))}" for name in ways)
        + " points."
    )
    return tuple(lines)
