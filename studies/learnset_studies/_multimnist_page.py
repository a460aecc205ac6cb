"""Pictures and words of two digits laid over each other."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, new_figure, write_figure

from ._study import markdown_table


def draw_images(images: np.ndarray, digits: np.ndarray, folder: Path) -> None:
    """`images`: a few of them, with the two digits that they are made of; `digits` is "2 images"."""
    figure, axes = new_figure(1, len(images), width=1.5 * len(images), height=1.9)
    for axis, image, (left, right) in zip(axes[0], images, digits.T, strict=True):
        axis.grid(False)
        axis.imshow(image, cmap="gray_r")
        axis.set(xticks=(), yticks=())
        axis.set_title(f"left {left}, right {right}", fontsize=9)
    write_figure(figure, folder, "images")


def draw_accuracies(rows: list[dict[str, Any]], folder: Path) -> None:
    """`accuracies`: left against right, every seed and the mean of each method."""
    figure, axes = new_figure(1, 1, width=6.4, height=4.8)
    axis = axes[0][0]
    for name, colour in zip(dict.fromkeys(r["method"] for r in rows), COLOURS, strict=False):
        left, right = (
            [r for r in rows if r["method"] == name and r["digit"] == side][0]
            for side in ("left", "right")
        )
        axis.plot(left["by_seed"], right["by_seed"], "o", color=colour, alpha=0.4, markersize=4)
        axis.plot(left["accuracy"], right["accuracy"], "D", color=colour, markersize=7, label=name)
    axis.set(xlabel="accuracy of the left digit (%)", ylabel="accuracy of the right digit (%)")
    axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, folder, "accuracies")


def page(result: dict[str, Any], study: Any, source: str) -> str:
    """The page of results, all of its numbers from `result`."""
    rows = result["rows"]
    lines = [
        [
            "method",
            "left (%)",
            "right (%)",
            "published left",
            "published right",
            "both, less uniform",
        ]
    ]
    for name in dict.fromkeys(r["method"] for r in rows):
        mine = [r for r in rows if r["method"] == name]
        cells = [f"{r['accuracy']:.2f} ± {r['ci95']:.2f}" for r in mine]
        published = [f"{r['published']:.2f}" if "published" in r else "" for r in mine]
        apart = (
            ""
            if name == "uniform"
            else f"{100 * mine[0]['to_uniform']:+.2f} ± {100 * mine[0]['to_uniform_ci95']:.2f}"
        )
        lines.append([name, *cells, *published, apart])
    others = [
        r for r in rows if r["digit"] == "left" and r["method"] not in ("uniform", "single task")
    ]
    sure = [r["method"] for r in others if abs(r["to_uniform"]) > r["to_uniform_ci95"]]
    vanish = (
        "No way of balancing differs from the uniform sum by more than chance: with step sizes chosen for each, the published"
        " differences are not seen here."
        if not sure
        else f"Different from the uniform sum by more than chance: {', '.join(sure)}."
    )
    lrs = ", ".join(f"{lr:g}" for lr in study.lrs)
    return f"""# MultiMNIST: two digits in one image

Made by `learnset study multimnist`; {study.seeds} seeds, {study.steps:,} steps of {study.batch} images, made of
{result["digits_to_train_on"]:,} digits; step sizes of {lrs}, chosen on validation images for each method and seed. All
numbers are in [result.json](result.json). Source of the published values: {source}.

![Images](images.svg)

{markdown_table(lines)}

± is the 95 % interval, Student's over seeds; "both, less uniform" is the mean accuracy of both digits less that of the uniform
sum, in per cent and paired by seed, on the same {study.scored:,} images of test digits.

{vanish}

![Accuracies](accuracies.svg)

This is a budget for one core: the paper trains on 60,000 digits for 100 epochs, and its network pools where ours goes in steps of
two. Ours sees {study.steps * study.batch:,} images in all, and its accuracies are lower. With {study.seeds} seeds
the intervals are wide. `MGDA-UB` weighs by gradients at the representation, `MGDA` by those of all shared parameters.
"""
