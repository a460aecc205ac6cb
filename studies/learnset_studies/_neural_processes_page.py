"""Figures and page of the study of neural processes."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, INK, new_figure, write_figure
from learnset.report import Grid, Page, Paragraph, Picture, Section

NAMES = {"rbf": "RBF (trained on)", "matern": "Matérn 5/2", "periodic": "periodic"}
STYLES = {
    "CNP": {"color": COLOURS[2], "marker": "o"},
    "exact Gaussian process": {"color": INK, "linestyle": ":", "marker": "s"},
}


def draw(result: dict[str, Any], folder: Path) -> None:
    """`curves`: what is predicted of one curve of each kernel; `points`: log-likelihood by number
    of points."""
    figure, axes = new_figure(1, 3, width=11, height=3.2, sharey=True)
    for axis, curve in zip(axes[0], result["figures"]["curves"], strict=True):
        for name, style in STYLES.items():
            mean, std = map(np.array, curve[name])
            line = {key: style[key] for key in ("color", "linestyle") if key in style}
            axis.plot(curve["at"], mean, label=name, linewidth=1.4, **line)
            low, high = mean - 1.96 * std, mean + 1.96 * std
            axis.fill_between(curve["at"], low, high, color=style["color"], alpha=0.15, linewidth=0)
        axis.plot(curve["x"], curve["y"], "o", color=INK, markersize=4, label="points")
        axis.set(title=NAMES[curve["kernel"]], xlabel="x")
    axes[0][0].set(ylabel="y")
    axes[0][-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, folder, "curves")
    figure, axes = new_figure(1, 3, width=11, height=3.2, sharey=False)
    for axis, kernel in zip(axes[0], NAMES, strict=True):
        for line in result["figures"]["points"]:
            if line["kernel"] == kernel:
                options = {"markersize": 4} | STYLES[line["recipe"]]
                axis.plot(line["points"], line["value"], label=line["recipe"], **options)
        axis.set(title=NAMES[kernel], xlabel="points to learn from", xscale="log")
        axis.set_xticks([3, 5, 10, 20, 40], ["3", "5", "10", "20", "40"])
        axis.minorticks_off()
    axes[0][0].set(ylabel="log-likelihood per point")
    axes[0][-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, folder, "points")


def page(result: dict[str, Any]) -> Page:
    """The page, all of its numbers from `result`."""
    training, sizes = result["training"], result["sizes"]
    about = (
        "Each task is a curve that is drawn from a Gaussian process whose length and scale are"
        " not given. A conditional neural process (`learnset.CNP`) reads 3 to 46 of its points, and"
        " predicts the others, with a standard deviation. It was trained on curves of the RBF"
        f" kernel: {training['steps']:,} steps of {sizes['batch']} curves, Adam with a rate of"
        f" 0.0005 that falls by a cosine, one seed, {training['seconds'] / 60:.0f} minutes on one"
        " thread of a shared processor. The network is that of the source's code, two encoders of"
        " four"
        " and two layers of 128 units and a decoder of three; only the initialisation is ours. The"
        f" log-likelihood is that of new points, over {sizes['curves']:,} curves of each kernel."
        " Published numbers are mean and standard deviation of five runs; ours agrees if it is at"
        " least as high as one more run would be, in 95 % of cases."
    )
    bound = (
        "The exact Gaussian process knows length, scale and period of each curve: no learner has a"
        " higher log-likelihood. A network of this kind averages what it read, predicts no standard"
        " deviation below 0.1, and so stays far from that bound; on curves of the periodic kernel,"
        " which it was not trained on, it is sure of wrong predictions."
    )
    return Page(
        "Neural processes on Gaussian processes",
        (
            Section("", (Paragraph(about), Paragraph(bound))),
            Section(
                "Measured",
                (
                    _table(result["rows"]),
                    Picture("curves", "What is predicted from ten points of a curve, with 95 %"),
                    Picture("points", "Log-likelihood per point, by number of points"),
                ),
            ),
        ),
    )


def _table(rows: list[dict[str, Any]]) -> Grid:
    lines = []
    for row in rows:
        known = "published" in row
        published = f"{row['published']:.3f} ± {row['published_spread']:.3f}" if known else ""
        agrees = ("yes" if row["agrees"] else "no") if known else ""
        value = f"{row['value']:.3f} ± {row['ci95']:.3f}"
        lines.append((NAMES[row["kernel"]], row["recipe"], value, published, agrees))
    head = ("kernel", "learner", "log-likelihood per point", "published", "agrees")
    return Grid(head, tuple(lines), left=2)
