"""Figure and page of the study of surgical fine-tuning."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, FAINT, interval, new_figure, write_figure
from learnset.report import Bullets, Grid, Markdown, Page, Paragraph, Picture, Section

from ._pages import cell, Row, select

FIRST, HEAD, ALL = "block 1", "head", "all"
BLOCKS = {FIRST: 0, "block 2": 1, "block 3": 2, HEAD: 3, ALL: None}  # and the layer of each
AS_IT_IS, CHOSEN = "as it is", "chosen"
COLUMNS = (AS_IT_IS, *BLOCKS, CHOSEN)
SOURCE = (
    "Lee et al. 2023, Surgical Fine-Tuning Improves Adaptation to Distribution Shifts, §3 (the"
    " first blocks for corrupted images, the last for labels that are turned about) and §4"
)
DIFFERENT = (
    "Its networks are far deeper and have learnt from far more images than these, so that these"
    " numbers do not contradict it; no published value is of such images. Its proposition for two"
    " layers is a test of `ls.transfer.Surgical`."
)


def draw(result: dict[str, Any], folder: Path) -> None:
    """`blocks`: accuracy on the target by the block that is tuned, a panel for each shift."""
    rows = result["rows"]
    data, shifts = (list(dict.fromkeys(row[field] for row in rows)) for field in ("data", "shift"))
    size = {"width": 2.1 * len(shifts) + 0.6, "height": 2.3 * len(data)}
    figure, axes = new_figure(len(data), len(shifts), sharex=True, sharey="row", **size)
    single = [block for block in BLOCKS if block != ALL]
    for of_data, name in zip(axes, data, strict=True):
        for axis, shift in zip(of_data, shifts, strict=True):
            own = {row["block"]: row for row in select(rows, data=name, shift=shift)}
            values, halves = (
                [own[block][field] for block in single] for field in ("value", "ci95")
            )
            axis.errorbar(range(len(single)), values, halves, fmt="o", color=COLOURS[0], capsize=2)
            for block, line in ((ALL, "-"), (AS_IT_IS, ":")):
                axis.axhline(own[block]["value"], color=FAINT, linestyle=line, linewidth=1.2)
            axis.set_xticks(range(len(single)), ["1", "2", "3", "head"])
            axis.set_xlim(-0.5, len(single) - 0.5)
            if name == data[0]:
                axis.set_title(f"{own[ALL]['kind']}: {shift}", fontsize=9)
        of_data[0].set_ylabel(f"{name}\naccuracy (%)", fontsize=9)
    figure.supxlabel("the block that is tuned", fontsize=9)
    write_figure(figure, folder, "blocks")


def page(result: dict[str, Any]) -> Page:
    """The page: which block is best for which shift."""
    rows, sizes = result["rows"], result["sizes"]
    sources = "; ".join(
        f"{name}, {of['classes']} classes: {of['value']:.1f} ± {of['ci95']:.1f} % of other images"
        for name, of in result["sources"].items()
    )
    about = (
        "A small network (three blocks of a convolution and group normalisation, and a linear"
        f" head) has learnt a source ({sources}). Then the inputs of the target shift, or its"
        " outputs: images are black for white, faint, noisy or blurred; or each class has the name"
        " of the next one, or two classes become one. With a few labelled images of the target one"
        " block is tuned and the others stand still, or all are tuned."
    )
    caption = (
        "Accuracy on the target by the block that is tuned, with 95 % intervals over seeds. The"
        " grey line is tuning all blocks, the dotted one the source's network as it is."
    )
    method = (
        "All blocks take"
        f" {sizes['steps']} steps of Adam on all labelled images of the target; the step size is"
        " chosen on validation images of the target, for each block and seed."
        ' "chosen": the block as well is chosen on them (`ls.transfer.Surgical`). An image has 14 x'
        " 14 pixels. Test images are none of the others. Intervals of differences are paired, over"
        f" {sizes['seeds']} seeds."
    )
    return Page(
        "Surgical fine-tuning: the block that suits the shift",
        (
            Section("", (Paragraph(about),)),
            Section("", (Paragraph(answer(rows), boxed=True), Bullets(findings(rows))), brief=True),
            Section("", (Picture("blocks", caption), *grids(rows))),
            Section("How it was measured", (Paragraph(method),)),
            Section("Source", (Paragraph(f"{SOURCE}. {DIFFERENT}"),)),
        ),
    )


def grids(rows: list[Row]) -> tuple[Grid, ...]:
    """A table for each data set; the best single block of a line is bold."""
    tables = []
    for name in dict.fromkeys(row["data"] for row in rows):
        lines = []
        for shift in dict.fromkeys(row["shift"] for row in rows):
            own = {row["block"]: row for row in select(rows, data=name, shift=shift)}
            best = max((b for b in BLOCKS if b != ALL), key=lambda block: own[block]["value"])
            cells = (
                Markdown(f"**{cell(own[block])}**") if block == best else cell(own[block])
                for block in COLUMNS
            )
            lines.append((own[ALL]["kind"], shift, *cells))
        head = ("shift of", "which", *COLUMNS)
        tables.append(Grid(head, tuple(lines), left=2, title=f"{name}: accuracy (%)"))
    return tuple(tables)


def difference(own: dict[str, Row], one: str, other: str) -> tuple[float, float]:
    """Points by which tuning one block is above another, and half the 95 % interval over seeds."""
    each = np.array(own[one]["by_seed"]) - np.array(own[other]["by_seed"])
    return interval(each[:, None])


def claims(rows: list[Row]) -> list[dict[str, Any]]:
    """For each data set and shift: the block that the paper says, against the other end of the
    network, and against all blocks."""
    found = []
    for name, shift in dict.fromkeys((row["data"], row["shift"]) for row in rows):
        own = {row["block"]: row for row in select(rows, data=name, shift=shift)}
        kind = own[ALL]["kind"]
        said, other = (FIRST, HEAD) if kind == "inputs" else (HEAD, FIRST)
        ends, all_of_it = (difference(own, said, against) for against in (other, ALL))
        about = {"data": name, "shift": shift, "kind": kind, "said": said, "other": other}
        found.append(about | {"ends": ends, "all": all_of_it})
    return found


def answer(rows: list[Row]) -> str:
    """How often the paper's block is better than the other end, and than tuning everything."""
    parts = []
    for kind, said in (("inputs", "the first block"), ("outputs", "the head")):
        own = [claim for claim in claims(rows) if claim["kind"] == kind]
        counts = [
            sum(value - half > 0 for value, half in (claim[field] for claim in own))
            for field in ("ends", "all")
        ]
        worse = sum(value + half < 0 for value, half in (claim["all"] for claim in own))
        other = "the head" if kind == "inputs" else "the first block"
        parts.append(
            f"Shifts of {kind}: tuning {said} is significantly better than tuning {other} in"
            f" {counts[0]} of {len(own)} cases, and than tuning all blocks in {counts[1]}"
            f" (significantly worse in {worse})."
        )
    gains = [
        float(np.mean(np.array(of[CHOSEN]["by_seed"]) - np.array(of[ALL]["by_seed"])))
        for of in (
            {row["block"]: row for row in select(rows, data=name, shift=shift)}
            for name, shift in dict.fromkeys((row["data"], row["shift"]) for row in rows)
        )
    ]
    return (
        " ".join(parts) + " A block that validation images choose is"
        f" {np.mean(gains):+.1f} points from tuning all, in the mean over the"
        f" {len(gains)} cases (from {min(gains):+.1f} to {max(gains):+.1f})."
    )


def findings(rows: list[Row]) -> tuple[str, ...]:
    """A line for each data set and shift."""
    return tuple(
        f"{claim['data']}, {claim['shift']} {claim['kind']}: tuning {claim['said']} is"
        f" {claim['ends'][0]:+.1f} ± {claim['ends'][1]:.1f} points from tuning {claim['other']},"
        f" {claim['all'][0]:+.1f} ± {claim['all'][1]:.1f} from tuning all."
        for claim in claims(rows)
    )
