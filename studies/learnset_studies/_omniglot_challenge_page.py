"""Figures and page of the study of the Omniglot challenge."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure
from learnset.report import Bullets, escaped, Grid, Page, Paragraph, Picture, Section

from ._study import figure_data

LAKE = "Lake, Salakhutdinov & Tenenbaum 2015"
# Error in per cent after 30 background alphabets, and after each official set of five.
PUBLISHED: dict[str, dict[str, Any]] = {
    "people": {"all": 4.5, "source": LAKE},
    "BPL": {"all": 3.3, "set 1": 4.3, "set 2": 4.0, "source": LAKE},
    "BPL without learning to learn": {"all": 11.0, "source": LAKE},
    "BPL without compositionality": {"all": 14.0, "source": LAKE},
    "Siamese network": {"all": 8.0, "source": LAKE + " (Koch et al., augmented)"},
    "deep convolutional network": {"all": 13.5, "set 1": 24.0, "set 2": 22.3, "source": LAKE},
    "hierarchical deep model": {"all": 34.8, "source": LAKE},
    "modified Hausdorff distance": {"all": 38.8, "source": LAKE + "; demo_classification.py"},
}
COMPARED_WITH = {
    "modified Hausdorff": "modified Hausdorff distance",
    "SimpleShot": "deep convolutional network",
}
LINES = {  # in the figure, and their labels
    "BPL": "",
    "people": "BPL, people",
    "deep convolutional network": "convolutional network",
    "modified Hausdorff distance": "modified Hausdorff",
}
COLOUR = {"none": FAINT, "all": COLOURS[0], "set 1": COLOURS[1], "set 2": COLOURS[4]}
MARKER = {"none": "o", "all": "o", "set 1": "s", "set 2": "D"}
ACROSS = 10  # drawings in one line


def draw(result: dict[str, Any], folder: Path) -> None:
    """Writes all figures."""
    _draw_errors(result, folder)
    run = figure_data(result, "run", folder)
    if run is not None:
        with np.load(folder / "drawings.npz") as drawings:
            _draw_run(run, (drawings["train"], drawings["test"]), folder)


def _draw_errors(result: dict[str, Any], folder: Path) -> None:
    """Each learner's error, by what it was trained on, run by run; published ones as lines."""
    part = next(iter(result["exams"]))
    rows, names = _of_part(result, part), _names(result)
    figure, axes = new_figure(1, 1, width=8.6, height=1.7 + 0.62 * len(names))
    axis, labelled = axes[0][0], set()
    for line, name in enumerate(names):
        mine = [(alphabets, row) for (recipe, alphabets), row in rows.items() if recipe == name]
        for place, (alphabets, row) in enumerate(mine):
            at = line + 0.22 * (place - (len(mine) - 1) / 2)
            each = 100 * np.array(list(row["by_run"].values()))
            style = {"color": COLOUR[alphabets], "marker": MARKER[alphabets], "linestyle": "none"}
            faint = style | {"markersize": 3, "alpha": 0.3, "markeredgewidth": 0}
            axis.plot(each, np.full(len(each), at), **faint)
            style |= {"xerr": 100 * row["ci95"], "capsize": 2, "markersize": 6}
            label = None if alphabets in labelled else _trained_on(alphabets, result)
            axis.errorbar(100 * row["value"], at, label=label, **style)
            labelled.add(alphabets)
    for name, label in LINES.items():
        value = PUBLISHED[name]["all"]
        axis.axvline(value, color=INK, linewidth=0.8, linestyle=":")
        axis.text(value + 0.4, -0.62, label, rotation=20, fontsize=8, color=INK, va="bottom")
    axis.set_yticks(range(len(names)), names)
    axis.set(ylim=(len(names) - 0.5, -0.6), xlim=(0, 100))
    axis.set_xlabel(f"error in % ({part}; small points: single runs)")
    figure.suptitle("New alphabets, one drawing of each of 20 characters", fontsize=11)
    _legend_below(figure, axis, columns=4)
    write_figure(figure, folder, "errors")


def _draw_run(run: dict[str, Any], drawings: tuple[np.ndarray, np.ndarray], folder: Path) -> None:
    """One run as a learner receives it, and the items that each answers right."""
    figure, axes = new_figure(1, 2, width=11, height=3.1)
    titles, numbers = ("to learn from", "to classify"), (range(len(drawings[0])), run["labels"])
    for axis, images, title, below in zip(axes[0], drawings, titles, numbers, strict=True):
        for i, (image, number) in enumerate(zip(images, below, strict=True)):
            line, column = divmod(i, ACROSS)
            extent = (column, column + 0.94, 1.6 * line + 0.94, 1.6 * line)
            axis.imshow(image[..., 0], cmap="gray_r", extent=extent)
            centred = {"ha": "center", "va": "center", "fontsize": 8, "color": INK}
            axis.text(column + 0.47, 1.6 * line + 1.08, str(number + 1), **centred)
        axis.set(xlim=(-0.05, ACROSS), ylim=(3.1, -0.1), xticks=[], yticks=[], aspect="equal")
        axis.set_title(f"{title}: {len(images)} drawings of one person", fontsize=11)
        axis.grid(False)
        axis.spines[:].set_visible(False)
    colours = dict(zip(run["right"], (FAINT, INK, *COLOURS), strict=False))
    for k, (name, right) in enumerate(run["right"].items()):
        for i, is_right in enumerate(right):
            line, column = divmod(i, ACROSS)
            x = column + 0.47 + 0.17 * (k - (len(colours) - 1) / 2)
            fill = {"markerfacecolor": colours[name] if is_right else "none"}
            edge = {"markeredgecolor": colours[name], "markersize": 4}
            axes[0][1].plot(x, 1.6 * line + 1.34, "o", **fill, **edge)
        axes[0][1].plot([], [], "o", color=colours[name], markersize=5, label=name)
    figure.suptitle(run["name"], fontsize=11)
    _legend_below(figure, axes[0][1], columns=5)
    write_figure(figure, folder, "run")


def _legend_below(figure: Any, axis: Any, columns: int) -> None:
    place = {"loc": "outside lower center", "ncols": columns}
    figure.legend(*axis.get_legend_handles_labels(), frameon=False, fontsize=9, **place)


def page(result: dict[str, Any]) -> Page:
    """The page of results, all of its numbers from `result`."""
    grids = tuple(_ours(result, part) for part in result["exams"])
    return Page(
        "The Omniglot challenge: a new alphabet from one drawing of each character",
        (
            Section(
                "", (Paragraph(_answer(result), boxed=True), Paragraph(_made(result))), brief=True
            ),
            Section(
                "Errors",
                (Picture("errors", _ERRORS), *grids, Paragraph(_notes(result))),
                brief=True,
            ),
            Section("Trained on", (_sets(result), Paragraph(_origin_of_sets(result)))),
            Section(
                "Compared with the published errors",
                (_published(result), Paragraph(_agreement(result))),
            ),
            Section(
                "The learners",
                (Bullets(_LEARNERS), Paragraph(_SAME), Picture("run", _RUN)),
            ),
        ),
    )


_ERRORS = (
    "Error of each learner, by the alphabets that it was trained on, with 95 % intervals over runs."
    " Dotted lines: published errors on the 20 official runs."
)
_RUN = (
    "One run as a learner receives it. Below an item stand the number of its character and a point"
    " for each learner, filled where the answer is right."
)
_LEARNERS = (
    "*Modified Hausdorff*: the distance between two drawings as sets of inked pixels, at the"
    " original 105×105, centred on their means; the class of the nearest drawing is the answer"
    " (Dubuisson & Jain 1994). Nothing is learnt and nothing is left to chance: on the official"
    " runs it must err in 38.8 %.",
    "*Nearest raw pixels*: the same by squared differences of 28×28 pixels.",
    "*SimpleShot* (transfer): a classifier of all training characters, whose turned images are"
    " characters of their own. In a run its features are centred and brought to length one, and"
    " the nearest answers.",
    "*ProtoNet* (meta-learning) is trained on one-shot tasks of 40 characters with three queries"
    " each.",
    "*MAML* (meta-learning) is trained on four tasks of 20 characters with one query each, by one"
    " step of gradient descent; in a run it takes three.",
)
_SAME = (
    "One training step sees 160 images in each of the three. Training tasks mix alphabets and those"
    " of a run do not, which makes them harder than the usual 20-way tasks. Every item is answered"
    " by itself: normalisation is by statistics of the training drawings of the run, or of training"
    " images."
)


def _of_part(result: dict[str, Any], part: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of one exam by learner and alphabets."""
    rows = [row for row in result["rows"] if row["part"] == part]
    return {(row["recipe"], row["alphabets"]): row for row in rows}


def _names(result: dict[str, Any]) -> list[str]:
    """Learners, in the order of the table."""
    return list(dict.fromkeys(row["recipe"] for row in result["rows"]))


def _trained_on(alphabets: str, result: dict[str, Any]) -> str:
    """A set of alphabets in words."""
    if alphabets == "none":
        return "not trained"
    number = f"{len(result['alphabets'][alphabets])} alphabets"
    return number if alphabets == "all" else f"{number}, {alphabets}"


def _with_interval(row: dict[str, Any]) -> str:
    """Error and interval in per cent; of fewer than ten runs without the interval."""
    half = f" ± {100 * row['ci95']:.1f}" if len(row["by_run"]) >= 10 else ""
    return f"{100 * row['value']:.1f}{half}"


def _is_complete(result: dict[str, Any]) -> bool:
    """Whether the 20 official runs were scored."""
    return result["exams"].get("official runs", {}).get("runs") == 20


def _answer(result: dict[str, Any]) -> str:
    """The best network trained on all alphabets, against the distance that learns nothing."""
    part, exam = next(iter(result["exams"].items()))
    rows = _of_part(result, part)
    distance = rows["modified Hausdorff", "none"]
    trained = [row for (_, alphabets), row in rows.items() if alphabets == "all"]
    best = min(trained, key=lambda row: row["value"])
    better = [row["recipe"] for row in trained if row["value"] < distance["value"]]
    number = _trained_on("all", result)
    verdict = (
        f"better are the networks of {', '.join(better)}, trained on {number}; the best,"
        if better
        else f"no network trained on {number} is better: the best,"
    )
    return (
        f"On {exam['runs']} {part} the modified Hausdorff distance, which learns nothing, errs in"
        f" **{_with_interval(distance)} %**; {verdict} {best['recipe']}, errs in"
        f" **{_with_interval(best)} %**. Chance errs in 95 %."
    )


def _made(result: dict[str, Any]) -> str:
    sizes = result["sizes"]
    return f"""A run shows 20 characters of one alphabet, drawn once by one person, and asks for the
class of each of 20 drawings by another person. No alphabet of a run was trained on.

Made by `learnset study omniglot-challenge`: {sizes["steps"]:,} steps for each training, four
strided convolutions of {sizes["filters"]} filters. All numbers are in
[result.json](result.json)."""


def _ours(result: dict[str, Any], part: str) -> Grid:
    """Our errors in one exam."""
    rows, sets, exam = _of_part(result, part), list(result["alphabets"]), result["exams"][part]
    head = ("error in %", *(_trained_on(name, result) for name in sets))
    lines = []
    for name in _names(result):
        untrained = rows.get((name, "none"))
        each = [rows.get((name, alphabets), untrained) for alphabets in sets]
        lines.append((name, *("" if row is None else _with_interval(row) for row in each)))
    title = f"{exam['runs']} {part} {exam['from'].replace('_', ' ')}"
    return Grid(head, tuple(lines), title=title)


def _notes(result: dict[str, Any]) -> str:
    seconds = sum(each["train_seconds"] for each in result["training"])
    return f"""± is the 95 % interval over runs. Each learner was trained once on each set, so that
the interval does not cover the chance in training.

Each training saw {160 * result["sizes"]["steps"]:,} images, which is little: `--steps` gives more,
and `--full` much more. The {len(result["training"])} trainings took {seconds:.0f} s together,
without compilation."""


def _sets(result: dict[str, Any]) -> Bullets:
    entries = []
    for name, alphabets in result["alphabets"].items():
        listed = ", ".join(escaped(alphabet.replace("_", " ")) for alphabet in alphabets)
        words = f"{_trained_on(name, result)} ({result['characters'][name]} characters)"
        entries.append(f"{words}." if name == "all" else f"{words}: {listed}.")
    return Bullets(tuple(entries))


def _origin_of_sets(result: dict[str, Any]) -> str:
    official, seed = result["official_sets"], result["seed_of_sets"]
    if official and len(official) == len(result["alphabets"]) - 1:
        return "The sets of five are the official ones."
    if official:
        return f"Official is {', '.join(official)}; the other set of five is drawn by seed {seed}."
    return (
        f"The sets of five are drawn by seed {seed}; they are not the official"
        " `images_background_small1.zip` and `images_background_small2.zip` (136 and 156"
        " characters)."
    )


def _published(result: dict[str, Any]) -> Grid:
    """The published errors, and ours where they can be compared."""
    main = next(iter(result["exams"]))
    rows = _of_part(result, main)
    sets = [name for name in result["alphabets"] if name != "all"]
    numbers = [_trained_on(name, result) for name in result["alphabets"]]
    head = ("error in %", "30 alphabets", "set 1", "set 2")
    head += tuple(f"ours, {number}" for number in numbers)
    lines = []
    for name, about in PUBLISHED.items():
        values = [about.get(each, "") for each in ("all", "set 1", "set 2")]
        mine = {key: row for key, row in rows.items() if row.get("compared_with") == name}
        recipe = next((recipe for recipe, _ in mine), "")
        ours = [mine.get((recipe, each)) for each in ("all", *sets)]
        ours[0] = ours[0] or mine.get((recipe, "none"))
        cells = ["" if row is None else _with_interval(row) for row in ours]
        lines.append((name, *map(str, values), *cells))
    return Grid(head, tuple(lines))


def _agreement(result: dict[str, Any]) -> str:
    """Which of ours agree, and the sources of the published errors."""
    pairs = ", ".join(f"{ours} with the {theirs}" for ours, theirs in COMPARED_WITH.items())
    sources = f"""All published errors are on the 20 official runs: {LAKE}; the Siamese network is
that of Koch et al., with augmented images; the distance also in the authors'
`demo_classification.py`. Compared are {pairs}."""
    if not _is_complete(result):
        return f"""{sources}

The 20 official runs were not at hand, so our errors are of other characters and cannot be held
against the published ones. Put `all_runs.zip` of github.com/brendenlake/omniglot (folder
`python/one-shot-classification`) into `$LEARNSET_DATA/omniglot/`: the study then trains on all 30
background alphabets, scores on those runs alone, and says whether each number agrees."""
    agreed = [_agreed(row) for row in result["rows"] if row.get("agrees") is not None]
    return f"{sources}\n\n{' '.join(agreed)}"


def _agreed(row: dict[str, Any]) -> str:
    """Whether ours is as published, in one sentence."""
    verdict = "agrees" if row["agrees"] else "does not agree"
    ours, theirs = 100 * row["value"], 100 * row["published"]
    trained = "" if row["alphabets"] == "none" else f" ({row['alphabets']})"
    return f"{row['recipe']}{trained}: {ours:.2f} %, published {theirs:.1f} %, {verdict}."
