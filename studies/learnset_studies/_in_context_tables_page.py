"""Figure and page of the study of single tables in context."""

from pathlib import Path
from typing import Any

from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure
from learnset.report import amount, Bullets, escaped, Grid, Page, Paragraph, Picture, Section

from ._pages import cell, Row, select
from ._table_rivals import FOREST, INNER

IN_CONTEXT = "in context"
FARTHEST = 0.3  # from a forest's score that is drawn
MARKERS = {
    IN_CONTEXT: {"color": COLOURS[2], "marker": "o", "markersize": 7},
    "boosting": {"color": COLOURS[0], "marker": "^", "markersize": 5},
    "logistic or ridge regression": {"color": INK, "marker": "s", "markersize": 4},
    "nearest neighbours": {"color": COLOURS[7], "marker": "x", "markersize": 5},
}


def draw(result: dict[str, Any], folder: Path) -> None:
    """`differences`: scores against a forest's, on each set."""
    rows = select(result["rows"], part="sets")
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    of = {m: list(dict.fromkeys(r["set"] for r in rows if r["measure"] == m)) for m in measures}
    height = 1.3 + 0.42 * max(map(len, of.values()))
    figure, axes = new_figure(1, len(measures), width=11, height=height)
    for axis, (measure, sets) in zip(axes[0], of.items(), strict=True):
        axis.axvline(0, color=FAINT, linewidth=1)
        for number, (name, style) in enumerate(MARKERS.items()):
            own = select(rows, measure=measure, recipe=name)
            gains = [max(-FARTHEST, min(FARTHEST, row["difference"])) for row in own]
            lines = [line + 0.16 * (number - 1.5) for line in range(len(own))]
            halves = [min(row["difference_ci95"], FARTHEST) for row in own]
            options: dict[str, Any] = {"linestyle": "none", "elinewidth": 1, "label": name} | style
            axis.errorbar(gains, lines, xerr=halves, **options)
        axis.set_yticks(range(len(sets)), sets)
        axis.set_ylim(len(sets) - 0.5, -0.5)
        axis.set_xlim(-FARTHEST - 0.01, FARTHEST + 0.01)
        axis.set_xlabel(f"{measure}, difference to a random forest")
    handles, names = axes[0][0].get_legend_handles_labels()
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": len(names)}
    figure.legend(handles, names, frameon=False, fontsize=9, **where)
    write_figure(figure, folder, "differences")


def page(result: dict[str, Any]) -> Page:
    """The page: the verdicts, the figure, and all scores."""
    sizes = result["sizes"]
    about = (
        f"Small tables of up to {sizes['rows']} rows in {sizes['folds']} folds, each with one"
        " target. A transformer that has learnt to learn tables reads the rows of a table and"
        " answers for others in one forward pass: nothing is trained or chosen on the table. Next"
        " to it stands what is usually done with a table, each tuned by a cross-validation in"
        f" {INNER} folds of the rows that are learnt from, as scikit-learn has it."
    )
    parts = [Paragraph(about)]
    if result["missing"]:
        reasons = dict.fromkeys(escaped(reason) for reason in result["missing"].values())
        names = ", ".join(result["missing"])
        parts.append(Paragraph(f"**Not there, and left out**: {names}. {' '.join(reasons)}"))
    measured = [
        Picture(
            "differences",
            "Scores on each set, less that of a random forest on the same folds, with 95 %"
            f" intervals over folds; to the right is better. What is farther than {FARTHEST:g}"
            " stands at the border.",
        ),
        *(_scores(result, measure) for measure in _measures(result)),
    ]
    return Page(
        "One table, one forward pass",
        (
            Section("", tuple(parts)),
            Section("", (Bullets(verdicts(result)),), brief=True),
            Section("Measured", tuple(measured)),
            Section("Seconds", (Paragraph(_about_seconds(result)), _seconds(result))),
            Section("How it was measured", (Paragraph(_method(result)),)),
            Section(
                "Source",
                (
                    Paragraph(
                        "The network: Müller et al. 2022, *Transformers Can Do Bayesian"
                        " Inference*; Hollmann et al. 2025, *Accurate predictions on small tabular"
                        " data with a tabular foundation model*. The protocol is like that of"
                        " Pfefferle et al. 2025, *nanoTabPFN*, on other tables: no published"
                        " numbers are comparable."
                    ),
                ),
            ),
        ),
    )


def verdicts(result: dict[str, Any]) -> tuple[str, ...]:
    """What was promised, and whether it is so."""
    lines = []
    for measure in _measures(result):
        means = {row["recipe"]: row for row in _means(result, measure)}
        own, forest = means[IN_CONTEXT], means[FOREST]
        gain, half = own["difference"], own["difference_ci95"]
        word = "yes" if gain >= 0 else "no"
        apart = "" if abs(gain) > half else ", which may be chance"
        order = sorted(means.values(), key=lambda row: row["value"], reverse=True)
        listed = ", ".join(f"{row['recipe']} {row['value']:.3f}" for row in order)
        sets = amount(own["num_sets"], "set")
        lines.append(
            f"**{measure}, at least a random forest's mean: {word}.** Over {sets}"
            f" the network has {own['value']:.3f}, a forest {forest['value']:.3f}; the difference"
            f" is {gain:+.3f} ± {half:.3f}{apart}. It is the best of all on {own['best_on']}. In"
            f" order: {listed}."
        )
    took = {name: sum(of) for name, of in _mean_seconds(result).items()}
    own = took.pop(IN_CONTEXT)
    each = ", ".join(f"{name} {seconds:.2f}" for name, seconds in took.items())
    lines.append(
        f"**Seconds from rows to answers**, mean over sets: in context {own:.2f}; with tuning"
        f" {each}."
    )
    return tuple(lines)


def _measures(result: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["measure"] for row in result["rows"]))


def _means(result: dict[str, Any], measure: str) -> list[Row]:
    return select(result["rows"], part="means", measure=measure)


def _scores(result: dict[str, Any], measure: str) -> Grid:
    """A line for each set, and one for the mean over sets."""
    means = _means(result, measure)
    names = [row["recipe"] for row in means]
    rows = select(result["rows"], part="sets", measure=measure)
    about = {one["name"]: one for one in result["sets"]}
    lines = []
    for one in dict.fromkeys(row["set"] for row in rows):
        of = about[one]
        size = f"{of['rows']} × {of['inputs']}"
        size += f", {of['classes']} classes" if of["classes"] else ""
        own = {row["recipe"]: cell(row, 3) for row in select(rows, set=one)}
        lines.append((one, size, *(own[name] for name in names)))
    lines.append(("mean over sets", "", *(cell(row, 3) for row in means)))
    best = (f"{row['best_on']} of {row['num_sets']}" for row in means)
    lines.append(("the best on", "", *best))
    return Grid(("set", "rows × inputs", *names), tuple(lines), left=2, title=measure)


def _mean_seconds(result: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Seconds of fit and of prediction by recipe, means over sets."""
    rows = select(result["rows"], part="sets")
    found = {}
    for name in dict.fromkeys(row["recipe"] for row in rows):
        own = select(rows, recipe=name)
        fit, predict = (
            sum(row[f"{what}_seconds"] for row in own) / len(own) for what in ("fit", "predict")
        )
        found[name] = (fit, predict)
    return found


def _about_seconds(result: dict[str, Any]) -> str:
    return (
        "Seconds of a fold on one shared processor, means over all sets: rivals with the choice of"
        " their settings. The network reads the rows of a table when it is asked, and its program"
        " is compiled before, once for each shape of a table, which is not in these seconds."
        f" Rivals have grids of 4 to 12 settings, and {result['sizes']['trees']} trees or rounds."
    )


def _seconds(result: dict[str, Any]) -> Grid:
    lines = tuple(
        (name, f"{fit:.3f}" if fit else "", f"{predict:.3f}")
        for name, (fit, predict) in _mean_seconds(result).items()
    )
    return Grid(("recipe", "fit, with tuning", "predict"), lines)


def _method(result: dict[str, Any]) -> str:
    return (
        "Of larger sets as many rows are drawn, the same for all recipes. Folds of classes have"
        " equal shares of each. ROC AUC of several classes is the mean of each against all others."
        " Digits are reduced to 4 × 4 points, and the 1,024 bits of a molecule to 64 counts,"
        " because the network reads at most 100 inputs. Moons, ball, clusters, houses and"
        " Friedman's are simulated; houses resemble those of California. ± is half the 95 %"
        " interval over folds, corrected for the rows that they share (Nadeau & Bengio 2003); that"
        " of a mean over sets takes the sets as they are, and folds of different sets as"
        " independent. Differences are paired by fold."
    )
