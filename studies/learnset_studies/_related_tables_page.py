"""Figure and page of the study of related tables."""

from pathlib import Path
from typing import Any

from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure
from learnset.recipes import in_context
from learnset.report import amount, Bullets, escaped, Grid, Page, Paragraph, Picture, Section

from ._boosted_newcomers import BOOSTED
from ._cover import LEVEL
from ._pages import cell, Row, select

IN_CONTEXT, ALONE = in_context.RELATED, in_context.ALONE
BASELINE, CONSTANT = "ridge from scratch", "constant"
MIXED = ("mixed model", "mixed model + slopes")
FEW, MANY = 5, 20  # rows of which something was promised
COLUMNS, HIGHEST = 3, 1.5
STYLES = {
    IN_CONTEXT: {"color": COLOURS[2], "linewidth": 2.4, "marker": "o"},
    ALONE: {"color": COLOURS[2], "linestyle": "--", "marker": "o", "markerfacecolor": "white"},
    MIXED[0]: {"color": COLOURS[7], "marker": "s"},
    MIXED[1]: {"color": COLOURS[7], "linestyle": "--", "marker": "s"},
    BOOSTED: {"color": COLOURS[0], "marker": "^"},
    "boosting + shrunken offset": {"color": COLOURS[5], "linestyle": "--", "marker": "v"},
    "MAML": {"color": COLOURS[4], "linestyle": ":", "marker": "+"},
    "R2D2": {"color": COLOURS[4], "linestyle": "--", "marker": "x"},
    BASELINE: {"color": INK, "linestyle": "-.", "marker": "."},
    CONSTANT: {"color": FAINT, "linestyle": ":"},
}


def draw(result: dict[str, Any], folder: Path) -> None:
    """`errors`: by the number of rows, on each set and in the mean."""
    panels = {"mean over sets": select(result["rows"], part="mean of sets")}
    for one in result["sets"]:
        panels[one["name"]] = select(result["rows"], part="sets", set=one["name"])
    lines = -(-len(panels) // COLUMNS)
    columns = min(COLUMNS, len(panels))
    size: dict[str, Any] = {"width": 3.9 * columns, "height": 1.2 + 2.6 * lines}
    figure, axes = new_figure(lines, columns, **size, sharex=True)
    places = range(len(result["shots"]))
    for axis, (title, rows) in zip(axes.flat, panels.items(), strict=False):
        for name, style in STYLES.items():
            own = [row["value"] for row in select(rows, recipe=name)]
            if own:
                options = {"markersize": 4, "linewidth": 1.2} | style
                axis.plot(places, own, label=name, **options)
        highest = max(row["value"] for row in rows)
        axis.set_ylim(0, min(HIGHEST, 1.05 * highest))
        axis.set_title(title, fontsize=10)
        axis.set_xticks(places, map(str, result["shots"]))
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("error (variances)")
    for axis in axes[-1]:
        axis.set_xlabel("rows of the new task")
    handles, names = axes[0][0].get_legend_handles_labels()
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": min(4, columns + 1)}
    figure.legend(handles, names, frameon=False, fontsize=9, **where)
    write_figure(figure, folder, "errors")


def page(result: dict[str, Any]) -> Page:
    """The page: the verdicts, the figure, all errors, and how often intervals hold."""
    sets = result["sets"]
    about = (
        f"{amount(len(sets), 'table')} of many small related tasks; some tasks are held out, and"
        " each is to be learnt from no row of it, or from a few. A transformer that has learnt to"
        " learn tables reads the rows of a new task and those of its siblings in one forward pass;"
        " nothing is trained on the table. Rivals learn from all tasks that are not held out, and"
        " adapt to the new one."
    )
    parts = [Paragraph(about), _sets(result)]
    if result["missing"]:
        reasons = dict.fromkeys(escaped(reason) for reason in result["missing"].values())
        names = ", ".join(result["missing"])
        parts.append(Paragraph(f"**Not there, and left out**: {names}. {' '.join(reasons)}"))
    if result["failures"]:
        parts.append(Paragraph(f"Diverged, and left out: {', '.join(result['failures'])}."))
    caption = (
        "The mean squared error on other rows of new tasks, in variances of the target, by the"
        " number of rows that are learnt from."
    )
    means = select(result["rows"], part="mean of sets")
    measured = [
        Picture("errors", caption),
        _errors(result, means, f"mean over {amount(len(sets), 'set')}"),
        _against(result, means),
        *(
            _errors(result, select(result["rows"], part="sets", set=one["name"]), one["name"])
            for one in sets
        ),
    ]
    cover = (
        f"The part of rows whose target lies in the {100 * LEVEL:.0f} % interval, and half the"
        " interval's width in standard deviations of the target; mean over sets. The network gives"
        " a normal distribution, and so does a mixed model, whose variances and common effects are"
        " taken for known."
    )
    return Page(
        "New tasks among related tables",
        (
            Section("", tuple(parts)),
            Section("", (Bullets(verdicts(result)),), brief=True),
            Section("Measured", tuple(measured)),
            Section("Intervals", (Paragraph(cover), _cover(result))),
            Section("How it was measured", (Paragraph(_method(result)),)),
            Section(
                "Source",
                (
                    Paragraph(
                        "The network: Müller et al. 2022, *Transformers Can Do Bayesian"
                        " Inference*; siblings as context: *Multi-Task Bayesian In-Context"
                        " Learning*, arXiv 2606.20538. Exam scores: Goldstein 1991. People: Collins"
                        " & Frank 2012. Torques: Vijayakumar & Schaal 2000. No published numbers"
                        " are comparable."
                    ),
                ),
            ),
        ),
    )


def verdicts(result: dict[str, Any]) -> tuple[str, ...]:
    """What was promised, and whether it is so."""
    means = select(result["rows"], part="mean of sets")
    rivals = [row for row in means if row["recipe"] not in (IN_CONTEXT, ALONE, CONSTANT)]
    few = [row for row in rivals if row["shots"] <= FEW]
    better = [row for row in few if row["to_context"] > 0]
    clear = [row for row in few if row["to_context"] > row["to_context_ci95"]]
    word = "yes" if len(better) == len(few) else "no"
    close = min(few, key=lambda row: row["to_context"])
    lines = [
        f"**Better than each rival in the mean over sets, at up to {FEW} rows: {word}.** It is in"
        f" {len(better)} of {len(few)} cells, beyond chance in {len(clear)}. The strongest rival"
        f" there is {close['recipe']} at {_rows(close['shots'])}, whose error less the network's is"
        f" {close['to_context']:+.3f} ± {close['to_context_ci95']:.3f}."
    ]
    mixed = [
        row
        for row in select(result["rows"], part="sets", shots=MANY)
        if row["recipe"] in MIXED and -row["to_context"] > row["to_context_ci95"]
    ]
    named = ", ".join(
        f"{row['set']} ({row['recipe']}: {row['to_context']:+.3f} ± {row['to_context_ci95']:.3f})"
        for row in mixed
    )
    lines.append(
        f"**Nowhere worse than a mixed model beyond chance, at {MANY} rows:"
        f" {'no' if mixed else 'yes'}.**" + (f" It is on {named}." if mixed else "")
    )
    alone = select(means, recipe=ALONE)
    gains = ", ".join(
        f"{row['to_context']:+.3f} ± {row['to_context_ci95']:.3f} ({_rows(row['shots'])})"
        for row in alone
    )
    lines.append(f"**What siblings are worth**: without them its error is higher by {gains}.")
    cover = select(result["rows"], part="mean of cover", recipe=IN_CONTEXT)
    listed = ", ".join(f"{100 * row['cover']:.0f} % ({_rows(row['shots'])})" for row in cover)
    lines.append(f"**Its {100 * LEVEL:.0f} % intervals hold** {listed} of targets, mean over sets.")
    for shots in result["shots"]:
        order = sorted(select(means, shots=shots), key=lambda row: row["value"])
        ranked = ", ".join(f"{row['recipe']} {row['value']:.3f}" for row in order)
        lines.append(f"**{_rows(shots)}**, mean error over sets: {ranked}.")
    return tuple(lines)


def _rows(shots: int) -> str:
    return amount(shots, "row") if shots else "no row"


def _sets(result: dict[str, Any]) -> Grid:
    lines = tuple(
        (one["name"], *(f"{one[key]:,}" for key in ("tasks", "rows", "inputs")))
        for one in result["sets"]
    )
    return Grid(("set", "tasks", "rows", "inputs"), lines)


def _by_shots(result: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_rows(shots) for shots in result["shots"])


def _errors(result: dict[str, Any], rows: list[Row], title: str) -> Grid:
    """A line for each recipe."""
    lines = []
    for name in STYLES:
        own = select(rows, recipe=name)
        if own:
            lines.append((name, own[0]["setting"], *(cell(row, 3) for row in own)))
    head = ("recipe", "setting", *_by_shots(result))
    return Grid(head, tuple(lines), left=2, title=f"error, {title}")


def _against(result: dict[str, Any], rows: list[Row]) -> Grid:
    """How much worse than the network that reads related tables each recipe is."""
    lines = []
    for name in STYLES:
        own = select(rows, recipe=name)
        if own and name != IN_CONTEXT:
            cells = (f"{row['to_context']:+.3f} ± {row['to_context_ci95']:.3f}" for row in own)
            lines.append((name, *cells))
    title = f"error less that of {IN_CONTEXT}, paired by task, mean over sets"
    return Grid(("recipe", *_by_shots(result)), tuple(lines), title=title)


def _cover(result: dict[str, Any]) -> Grid:
    rows = select(result["rows"], part="mean of cover")
    lines = []
    for name in dict.fromkeys(row["recipe"] for row in rows):
        cells = (
            f"{100 * row['cover']:.0f} ± {100 * row['cover_ci95']:.0f} %, {row['half_width']:.2f}"
            for row in select(rows, recipe=name)
        )
        lines.append((name, *cells))
    return Grid(("recipe", *_by_shots(result)), tuple(lines))


def _method(result: dict[str, Any]) -> str:
    sizes = result["sizes"]
    return (
        f"In each of {sizes['divisions']} divisions a fifth of the tasks is scored, and another"
        " fifth chooses settings: penalties, step sizes, numbers of steps, and which of two sizes"
        " of a leaf. Of a task at most 100 rows are used. The network reads"
        f" {in_context.MOST_SIBLINGS} tasks, drawn at random, with {in_context.MOST_ROWS} rows"
        f" each. MAML and R2D2 train for {sizes['steps']} steps on a network"
        f" of two hidden layers of 40. `{BOOSTED}` is scikit-learn's `HistGradientBoosting` on the"
        " rows of the known tasks and the few of the new ones, with the task as a category: it is"
        " the one rival that learns everything anew when tasks are added, and it sees the few rows"
        " of the other new tasks as well. Tasks of `torques` are a joint in one of six regions of"
        " postures, of which other joints and other regions are known; a torque is in standard"
        " deviations of its joint. Targets of `people` are zeros and ones. `constant` is the mean"
        " of the known tasks. ± is half the 95 % interval over tasks; that of a mean over sets"
        " takes the sets as they are. Differences are paired by task."
    )
