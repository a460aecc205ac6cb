"""Figures and page of the study of transfer."""

from pathlib import Path
from typing import Any

from learnset.core import COLOURS, FAINT, new_figure, write_figure
from learnset.report import Bullets, DASHES, Grid, Page, Paragraph, Picture, Section

from ._pages import Row, select

KEEP = ("L2-SP", "LoRA", "distillation", "WiSE")


def draw(result: dict[str, Any], folder: Path) -> None:
    """`labels`: accuracy on the target against the number of labels. `forgotten`: accuracy on the
    source against that on the target, with the fewest and the most labels."""
    rows = result["rows"]
    names = list(dict.fromkeys(row["recipe"] for row in rows))
    style = {
        name: {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS)]}
        for i, name in enumerate(names)
    }
    shots = sorted({row["shots"] for row in rows})
    figure, axes = new_figure(1, 1, width=7.5, height=4.2)
    axis = axes[0][0]
    for name in names:
        values = [row["on_target"] for row in select(rows, recipe=name)]
        axis.plot(shots, values, marker="o", markersize=3, label=name, **style[name])
    axis.set(xscale="log", xlabel="labels of each class", ylabel="accuracy on the target (%)")
    axis.set_xticks(shots, [str(n) for n in shots])
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, folder, "labels")

    figure, axes = new_figure(1, len(shots), width=13, height=3.8, sharey=True)
    for axis, count in zip(axes[0], shots, strict=True):
        for row in select(rows, shots=count):
            if row["recipe"] != "scratch":
                colour = style[row["recipe"]]["color"]
                marker = "o" if style[row["recipe"]]["linestyle"] == "-" else "s"
                axis.plot(
                    row["on_target"], row["on_source"], marker, color=colour, label=row["recipe"]
                )
        axis.axhline(result["source"]["value"], color=FAINT, linewidth=0.8, linestyle=":")
        axis.set(title=f"{count} of each class", xlabel="target (%)")
    axes[0][0].set_ylabel("source, after the transfer (%)")
    axes[0][-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, folder, "forgotten")


def page(result: dict[str, Any]) -> Page:
    """The page: what few labels and many give, and what the source loses."""
    rows, before = result["rows"], result["source"]
    shots = sorted({row["shots"] for row in rows})
    about = (
        "A network has learnt handwritten digits. Its target is other images of them, turned by 40"
        " degrees, with few labels or with all. Each recipe's step size or strength is chosen on"
        " validation images of the target, for each seed and number of labels; scratch as well."
        " After the transfer, held-out images of the source are scored again: before it, the"
        f" network had {before['value']:.1f} ± {before['ci95']:.1f} % of them right."
    )
    return Page(
        "Transfer with few labels and with many, and what is forgotten",
        (
            Section("", (Paragraph(about),)),
            Section("", (Bullets(findings(rows, before["value"])),), brief=True),
            Section(
                "The target",
                (
                    Picture("labels", "Means over seeds."),
                    grid(rows, "on_target", shots, "Accuracy on the target (%)"),
                ),
            ),
            Section(
                "The source, after the transfer",
                (
                    Picture("forgotten", "The dotted line is the source before the transfer."),
                    grid(
                        rows, "on_source", shots, "Accuracy on the source, after the transfer (%)"
                    ),
                ),
            ),
            Section(
                "Source",
                (
                    Paragraph(
                        "The images are those of Alpaydin & Kaynak 1998, as scikit-learn has them."
                        " No published numbers are comparable. With full data plain fine-tuning is"
                        " hard to beat in published comparisons, and with few labels gains are of"
                        " points (You et al. 2020, Co-Tuning, on CUB-200: 2 to 6)."
                    ),
                ),
            ),
        ),
    )


def grid(rows: list[Row], measure: str, shots: list[int], title: str) -> Grid:
    """A line for each recipe, a column for each number of labels."""
    names = dict.fromkeys(row["recipe"] for row in rows)
    lines = []
    for name in names:
        own = [select(rows, recipe=name, shots=count)[0] for count in shots]
        if measure == "on_target" or name != "scratch":
            cells = (f"{row[measure]:.1f} ± {row[f'{measure}_ci95']:.1f}" for row in own)
            lines.append((name, *cells))
    head = ("recipe", *(f"{count} of each class" for count in shots))
    return Grid(head, tuple(lines), title=title)


def findings(rows: list[Row], before: float) -> tuple[str, ...]:
    """The page's sentences, from the numbers."""
    shots = sorted({row["shots"] for row in rows})

    def of(name: str, count: int) -> Row:
        return select(rows, recipe=name, shots=count)[0]

    def best(count: int) -> Row:
        others = [r for r in select(rows, shots=count) if r["recipe"] != "scratch"]
        return max(others, key=lambda row: row["validation"])

    few, most = shots[0], shots[-1]
    lines = []
    for count in (few, most):
        top, plain, scratch = best(count), of("fine-tuning", count), of("scratch", count)
        gain = f"{top['on_target'] - scratch['on_target']:+.1f} points against scratch"
        if top is not plain:
            gain += f" and {top['on_target'] - plain['on_target']:+.1f} against fine-tuning"
        lines.append(
            f"**{count} of each class**: {top['recipe']}, the best on validation images, reaches"
            f" {top['on_target']:.1f} % on the target, {gain}."
        )
    plain = of("fine-tuning", most)
    kept = "; ".join(
        f"{name} {row['on_source'] - before:+.1f} on the source and"
        f" {row['on_target'] - plain['on_target']:+.1f} on the target against fine-tuning"
        for name, row in ((name, of(name, most)) for name in KEEP)
    )
    lines.append(
        f"**Forgetting**: with all labels fine-tuning changes the source by"
        f" {plain['on_source'] - before:+.1f} points. {kept}."
    )
    return tuple(lines)
