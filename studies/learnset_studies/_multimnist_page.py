"""Figures and page of two digits laid over each other."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, new_figure, write_figure
from learnset.report import Grid, Page, Paragraph, Picture, Section

BASELINES = ("uniform", "single task")


def draw_images(images: dict[str, Any], folder: Path) -> None:
    """`images`: a few of them, with the two digits that they are made of."""
    pixels, digits = np.array(images["pixels"]), zip(images["left"], images["right"], strict=True)
    figure, axes = new_figure(1, len(pixels), width=1.5 * len(pixels), height=1.9)
    for axis, image, (left, right) in zip(axes[0], pixels, digits, strict=True):
        axis.grid(False)
        axis.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.set(xticks=(), yticks=())
        axis.set_title(f"left {left}, right {right}", fontsize=9)
    write_figure(figure, folder, "images")


def draw_accuracies(rows: list[dict[str, Any]], folder: Path) -> None:
    """`accuracies`: left against right, every seed and the mean of each method."""
    figure, axes = new_figure(1, 1, width=6.4, height=4.8)
    axis = axes[0][0]
    for (name, (left, right)), colour in zip(by_method(rows).items(), COLOURS, strict=False):
        axis.plot(left["by_seed"], right["by_seed"], "o", color=colour, alpha=0.4, markersize=4)
        axis.plot(left["value"], right["value"], "D", color=colour, markersize=7, label=name)
    axis.set(xlabel="accuracy of the left digit (%)", ylabel="accuracy of the right digit (%)")
    axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, folder, "accuracies")


def by_method(rows: list[dict[str, Any]]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """The rows of the left and of the right digit, by method."""
    return {
        left["method"]: (left, right)
        for left in rows
        for right in rows
        if left["method"] == right["method"]
        and (left["digit"], right["digit"]) == ("left", "right")
    }


def page(result: dict[str, Any], source: str) -> Page:
    """The page, all of its numbers from `result`."""
    sizes = result["sizes"]
    about = (
        "One network reads the digit on the left and the digit on the right of the same image, and"
        f" its two losses are balanced in several ways. {sizes['seeds']} seeds, {sizes['steps']:,}"
        f" steps of {sizes['batch']} images, made of {result['digits_to_train_on']:,} digits; step"
        f" sizes of {' and '.join(f'{lr:g}' for lr in sizes['lrs'])}, chosen on validation images"
        " for each method and seed."
    )
    words = (
        "± is the 95 % interval, Student's over seeds. The last column is the mean accuracy of both"
        " digits less that of the uniform sum, in percentage points, paired by seed, on the same"
        f" {sizes['scored']:,} test images. Source of the published values: {source}."
    )
    budget = (
        "This is a budget for one core: the paper trains on 60,000 digits for 100 epochs, and its"
        " network has max-pooling where ours has strides. Ours sees"
        f" {sizes['steps'] * sizes['batch']:,} images in all, and its accuracies are lower. With"
        f" {sizes['seeds']} seeds the intervals are wide. `MGDA-UB` weighs the losses by gradients"
        " at the representation, `MGDA` by those of all shared parameters."
    )
    answer = Paragraph(_answer(result["rows"]), boxed=True)
    return Page(
        "MultiMNIST: two digits in one image",
        (
            Section("", (Paragraph(about), Picture("images", "Images, and the digits in them."))),
            Section("", (answer, _grid(result["rows"])), brief=True),
            Section("", (Paragraph(words),)),
            Section("", (Picture("accuracies", "Seeds (dots) and means (diamonds)."),)),
            Section("Where the study differs from the paper", (Paragraph(budget),)),
        ),
    )


def _grid(rows: list[dict[str, Any]]) -> Grid:
    head = ("method", "left (%)", "right (%)", "published left", "published right")
    lines = []
    for name, (left, right) in by_method(rows).items():
        both = (left, right)
        ours = tuple(f"{row['value']:.2f} ± {row['ci95']:.2f}" for row in both)
        published = tuple(f"{row['published']:.2f}" if "published" in row else "" for row in both)
        gain = f"{left['to_uniform']:+.2f} ± {left['to_uniform_ci95']:.2f}"
        lines.append((name, *ours, *published, gain if name != "uniform" else "the baseline"))
    return Grid((*head, "both, less uniform"), tuple(lines))


def _answer(rows: list[dict[str, Any]]) -> str:
    balancers = [left for name, (left, _) in by_method(rows).items() if name not in BASELINES]
    better = [row["method"] for row in balancers if row["to_uniform"] > row["to_uniform_ci95"]]
    worse = [row["method"] for row in balancers if -row["to_uniform"] > row["to_uniform_ci95"]]
    if not better and not worse:
        return (
            "No balancer differs significantly from the uniform sum: with step sizes chosen for"
            " each, the published differences do not appear."
        )
    return (
        f"**Significantly better than the uniform sum**: {', '.join(better) or 'none'}."
        f" **Significantly worse**: {', '.join(worse) or 'none'}. (The 95 % interval of the paired"
        " difference excludes zero.)"
    )
