"""Figure and page of the study of rankings of sources."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, FAINT, new_figure, write_figure
from learnset.report import Grid, Markdown, Page, Paragraph, Picture, Section

from ._pages import Row, select

HEAD, TUNED = "logistic head", "fine-tuning"
ELSEWHERE = "accuracy on the other targets"
PUBLISHED = {"H-score": 0.67, "LogME": 0.67, "NCE": 0.50, "LEEP": 0.29}
SOURCE = (
    "means over 8 data sets of natural images, printed with the code of the library TLlib (Jiang et"
    " al., Transfer-Learning-Library, examples/model_selection)"
)


def draw(result: dict[str, Any], folder: Path) -> None:
    """`tau`: the weighted rank correlation of each score, a panel for each way of learning."""
    judged = result["rankings"]
    figure, axes = new_figure(1, 2, width=9.5, height=3.4, sharey=True, sharex=True)
    for axis, measure in zip(axes[0], (HEAD, TUNED), strict=True):
        rows = select(judged, measure=measure)
        places = np.arange(len(rows))[::-1]
        axis.errorbar(
            [row["tau"] for row in rows],
            places,
            xerr=[row["tau_ci95"] for row in rows],
            fmt="o",
            color=COLOURS[0],
            capsize=2,
            label="here",
        )
        known = [(PUBLISHED[r["score"]], p) for r, p in zip(rows, places, strict=True)
                 if r["score"] in PUBLISHED]  # fmt: skip
        axis.plot(*zip(*known, strict=True), "D", color=FAINT, label="published, natural images")
        axis.axvline(0, color=FAINT, linewidth=0.8)
        axis.set_yticks(places, [row["score"] for row in rows])
        axis.set(title=f"accuracy by {measure}", xlabel="weighted τ", xlim=(-1, 1.05))
    axes[0][1].legend(frameon=False, fontsize=8, loc="upper left")
    write_figure(figure, folder, "tau")


def page(result: dict[str, Any]) -> Page:
    """The page: how right each score was."""
    rows, judged, sizes = result["rows"], result["rankings"], result["sizes"]
    targets, sources = ({row[field] for row in rows} for field in ("target", "source"))
    about = (
        f"{len(sources)} sources, {len(targets)} targets: three networks trained on photographs"
        " (EfficientNet-Lite), five small ones trained here on characters or digits, a random one,"
        " and pixels. Scores see the features of the few images that a head learns from, and rank"
        " the sources; then each source is tried. τ is 1 for a right ranking, and errors at its top"
        " weigh more. Regret is what the source that is ranked first gives less than the best one."
    )
    caption = (
        "Weighted τ of each score and its 95 % interval over targets. Published: fine-tuning of"
        " other sources for natural images."
    )
    return Page(
        "Which pretrained network? Scores of sources against what the sources gave",
        (
            Section("", (Paragraph(about),)),
            Section("", (Paragraph(answer(judged), boxed=True), ranking_grid(judged)), brief=True),
            Section("", (Picture("tau", caption),)),
            Section(
                "What each source gave", (accuracy_grid(rows, HEAD), accuracy_grid(rows, TUNED))
            ),
            Section("How it was measured", (Paragraph(method(sizes)),)),
        ),
    )


def answer(judged: list[Row]) -> str:
    """The best score for each measure, and whether it beats knowing the other targets."""
    parts = []
    for measure in (HEAD, TUNED):
        own = [row for row in select(judged, measure=measure) if row["score"] != ELSEWHERE]
        least = min(own, key=lambda row: row["regret"])
        best = max(own, key=lambda row: row["tau"])
        other = select(judged, measure=measure, score=ELSEWHERE)[0]
        parts.append(
            f"Accuracy by {measure}: {best['score']} has the highest τ,"
            f" {best['tau']:.2f} ± {best['tau_ci95']:.2f}; the source that {least['score']} ranks"
            f" first gives {least['regret']:.1f} ± {least['regret_ci95']:.1f} points less than the"
            f" best one, a source at random {least['chance']:.1f}, and the one that is best on the"
            f" other targets {other['regret']:.1f} ± {other['regret_ci95']:.1f}."
        )
    return " ".join(parts)


def ranking_grid(judged: list[Row]) -> Grid:
    """A line for each score and way of learning."""
    lines = []
    for row in judged:
        tau = f"{row['tau']:.2f} ± {row['tau_ci95']:.2f}"
        regret = f"{row['regret']:.1f} ± {row['regret_ci95']:.1f}"
        published = f"{PUBLISHED[row['score']]:.2f}" if row["score"] in PUBLISHED else ""
        size = str(len(row["sources"]))
        chance = f"{row['chance']:.1f}"
        lines.append((row["measure"], row["score"], size, tau, published, regret, chance))
    head = ("accuracy by", "score", "sources", "τ", "τ, published", "regret", "at random")
    return Grid(head, tuple(lines), left=2)


def accuracy_grid(rows: list[Row], measure: str) -> Grid:
    """A line for each target, a column for each source; the best of a line is bold."""
    rows = [row for row in rows if measure in row]
    sources = tuple(dict.fromkeys(row["source"] for row in rows))
    lines = []
    for target in dict.fromkeys(row["target"] for row in rows):
        own = {row["source"]: row[measure] for row in select(rows, target=target)}
        best = max(sources, key=lambda source: own[source]["value"])
        values = (f"{own[s]['value']:.1f}" for s in sources)
        cells = (
            Markdown(f"**{value}**") if s == best else value
            for s, value in zip(sources, values, strict=True)
        )
        lines.append((target, *cells))
    return Grid(("target", *sources), tuple(lines), title=f"Accuracy by {measure} (%)")


def method(sizes: dict[str, Any]) -> str:
    """How it was measured."""
    return (
        "A target is ten or twenty classes with twelve images each: six that heads learn from, two"
        f" that choose a setting, four to test on, in {sizes['divisions']} divisions. Heads are"
        " logistic regressions on frozen features, with one of two penalties; fine-tuning moves"
        f" everything from a new head, {sizes['tuning']} steps of Adam with one of two step sizes,"
        " for the networks that were trained here alone: fine-tuning the EfficientNets was not"
        " tried. Those are trained on images of 14×14 pixels, of other alphabets and scripts than"
        f" the targets', in {sizes['steps']} steps. LEEP and NCE rank the sources that have"
        " classes; N-LEEP has one component for each class, as there are six images. Accuracies"
        " are means over divisions, of 40 or 80 test images each; ± of τ and regret is over"
        " targets. "
        f'"{ELSEWHERE}" looks at no image of the target. Published τ: {SOURCE}.'
    )
