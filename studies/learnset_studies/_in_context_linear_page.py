"""Figure and page of the study of linear tasks in context."""

from pathlib import Path
from typing import Any

from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure
from learnset.report import Bullets, Grid, Page, Paragraph, Picture, Section

from ._pages import Row, select

NEAR, HARM = 3.0, 1.0  # percent
LEAST = 0.1  # percent that are shown; less stands there
STYLES = {
    "in context": {"color": COLOURS[2], "linewidth": 2.4, "marker": "o"},
    "mixed model": {"color": COLOURS[7], "marker": "s"},
    "pooled ridge": {"color": COLOURS[0], "marker": "v"},
    "ridge from scratch": {"color": INK, "marker": "^"},
    "R2D2": {"color": COLOURS[2], "linestyle": "--", "marker": "x"},
    "MAML": {"color": COLOURS[2], "linestyle": ":", "marker": "+"},
    "CNP": {"color": COLOURS[2], "linestyle": "-.", "marker": "."},
}


def draw(result: dict[str, Any], folder: Path) -> None:
    """`gaps`: errors against the floor, and how far above it they are."""
    rows = result["rows"]
    siblings = sorted({row["siblings"] for row in rows})
    figure, axes = new_figure(2, len(siblings), width=12, height=6, sharex=True, sharey="row")
    for (upper, lower), count in zip(axes.T, siblings, strict=True):
        floor = select(rows, recipe="in context", siblings=count)
        shots = [row["shots"] for row in floor]
        upper.fill_between(shots, [row["floor"] for row in floor], color=FAINT, alpha=0.35)
        for name, style in STYLES.items():
            own = select(rows, recipe=name, siblings=count)
            if own:
                options = {"markersize": 4, "linewidth": 1.2} | style
                upper.plot(shots, [row["value"] for row in own], label=name, **options)
                lower.plot(shots, [max(row["gap"], LEAST) for row in own], **options)
        lower.axhline(NEAR, color=FAINT, linewidth=1)
        upper.set(title=f"{count} siblings", xscale="log", yscale="log")
        lower.set(yscale="log", xlabel="rows of the task")
        lower.set_xticks(shots, [str(n) for n in shots])
        lower.minorticks_off()
    axes[0][0].set(ylabel="squared error", ylim=(0.2, 4))
    axes[1][0].set(ylabel="above the best there is (%)", ylim=(LEAST, 1000))
    axes[0][-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, folder, "gaps")


def page(result: dict[str, Any]) -> Page:
    """The page: the verdicts, the figure, and all gaps."""
    rows, sizes = result["rows"], result["sizes"]
    stages = result["stages"]
    seconds = sum(stage["seconds"] for stage in stages)
    about = (
        "Each task is a linear regression with two inputs, and comes with rows of its siblings, 10"
        " of each. Tasks of a group share a part of their weights, which is 0, 50, 90 or 99 % of"
        " the variance; no learner knows which. For such tasks the Bayes-optimal prediction and"
        " its expected error are known in closed form: the floor. A transformer of"
        " `TablePFN` reads the rows of a task and those of its siblings in one pass. It was"
        f" trained on groups of this prior: {sum(stage['steps'] for stage in stages)} steps,"
        f" {seconds / 60:.0f} minutes on one thread of a shared processor, one seed."
    )
    rivals = (
        "Rivals learn from the siblings of each group: pooled ridge regression takes all rows for"
        " those of one task, the mixed model has random slopes, and MAML, R2D2 and CNP are trained"
        f" for {sizes['sibling_steps']} steps on the siblings. Without siblings these three are"
        f" trained on tasks of the prior for {sizes['rival_steps']} steps. Step sizes, penalties"
        f" and numbers of steps are chosen on {sizes['validation']} other groups."
    )
    return Page(
        "Linear tasks and their siblings: how far from the best there is?",
        (
            Section("", (Paragraph(about), Paragraph(rivals))),
            Section("", (Bullets(verdicts(result)),), brief=True),
            Section(
                "Measured",
                (
                    Picture(
                        "gaps",
                        "Above, the mean squared error on new points, noise included; no learner"
                        " can enter the grey area. Below, by how many percent an error is above"
                        f" it; the line is at {NEAR:g} %, and what is below {LEAST:g} % stands at"
                        " the border.",
                    ),
                    *(grid(rows, count) for count in sorted({row["siblings"] for row in rows})),
                ),
            ),
            Section(
                "Siblings that share nothing",
                (
                    Paragraph(
                        "The network's error with siblings that have nothing in common with the"
                        " task, against its own error without siblings, in percent; in brackets"
                        " what it costs the Bayes-optimal learner, which is not told either."
                    ),
                    of_unrelated(result["unrelated"]),
                ),
            ),
            Section(
                "Source",
                (
                    Paragraph(
                        "The floor: Lindley & Smith 1972, *Bayes Estimates for the Linear Model*."
                        " The network: Müller et al. 2022, *Transformers Can Do Bayesian"
                        " Inference*; Pfefferle et al. 2025, *nanoTabPFN*. No published numbers are"
                        " comparable."
                    ),
                ),
            ),
        ),
    )


def grid(rows: list[Row], siblings: int) -> Grid:
    """A line for each recipe: percent above the floor."""
    own = select(rows, siblings=siblings)
    shots = sorted({row["shots"] for row in own})
    lines = []
    for name in STYLES:
        of_name = select(own, recipe=name)
        if of_name:
            cells = (f"{row['gap']:.1f} ± {row['gap_ci95']:.1f}" for row in of_name)
            lines.append((name, of_name[0]["setting"], *cells))
    floor = (f"{row['floor']:.3f}" for row in select(own, recipe="in context"))
    lines.append(("the floor itself", "squared error", *floor))
    head = ("recipe", "setting", *(f"{count} rows" if count > 1 else "1 row" for count in shots))
    return Grid(head, tuple(lines), left=2, title=f"{siblings} siblings: % above the floor")


def of_unrelated(rows: list[Row]) -> Grid:
    """A line for each number of siblings."""
    shots = sorted({row["shots"] for row in rows})
    lines = tuple(
        (
            f"{count} siblings",
            *(
                f"{row['more']:+.1f} ± {row['more_ci95']:.1f} ({row['bayes_more']:+.1f})"
                for row in select(rows, siblings=count)
            ),
        )
        for count in sorted({row["siblings"] for row in rows})
    )
    return Grid(("", *(f"{n} rows" if n > 1 else "1 row" for n in shots)), lines)


def verdicts(result: dict[str, Any]) -> tuple[str, ...]:
    """What was promised, and whether it is so."""
    own = select(result["rows"], recipe="in context")
    near = [row for row in own if row["gap"] <= NEAR]
    worst = max(own, key=lambda row: row["gap"])
    lines = [
        f"**Within {NEAR:g} % of the best there is: {'yes' if len(near) == len(own) else 'no'}.**"
        f" The network is in {len(near)} of {len(own)} cells; at worst it is"
        f" {worst['gap']:.1f} ± {worst['gap_ci95']:.1f} % above, with {worst['shots']} rows and"
        f" {worst['siblings']} siblings."
    ]
    harm = max(result["unrelated"], key=lambda row: row["more"])
    fine = harm["more"] <= HARM
    lines.append(
        f"**Never worse than without siblings by more than {HARM:g} %, where these share nothing:"
        f" {'yes' if fine else 'no'}.** At worst {harm['more']:+.1f} ± {harm['more_ci95']:.1f} %,"
        f" with {harm['shots']} rows and {harm['siblings']} siblings; the Bayes-optimal learner,"
        f" which has to find out as well, has {harm['bayes_more']:+.1f} % there."
    )
    for count in sorted({row["siblings"] for row in own}):
        rows = select(result["rows"], siblings=count)
        of = {}
        for row in rows:
            of.setdefault(row["recipe"], []).append(row["gap"])
        means = {name: sum(gaps) / len(gaps) for name, gaps in of.items()}
        order = sorted(means, key=lambda name: means[name])
        listed = ", ".join(f"{name} {means[name]:.1f}" for name in order)
        lines.append(
            f"**{count} siblings**, mean % above the floor over numbers of rows: {listed}."
        )
    return tuple(lines)
