"""Pictures and words of the study of the Omniglot challenge."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure
from learnset.data import omniglot

from ._study import markdown_table

COLOUR = {"none": FAINT, "all": COLOURS[0], "five, 1": COLOURS[1], "five, 2": COLOURS[4]}
MARKER = {"none": "o", "all": "o", "five, 1": "s", "five, 2": "D"}
BESIDE = {  # lines in the picture, and their labels
    "BPL": "",
    "people": "BPL, people",
    "deep convolutional network": "convolutional network",
    "modified Hausdorff distance": "modified Hausdorff",
}
ACROSS = 10  # drawings in one line


def of_part(rows: list[dict[str, Any]], part: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of one exam by learner and alphabets."""
    return {(row["recipe"], row["alphabets"]): row for row in rows if row["part"] == part}


def names_of(rows: list[dict[str, Any]]) -> list[str]:
    """Learners, in the order of the table."""
    return list(dict.fromkeys(row["recipe"] for row in rows))


def draw_errors(result: dict[str, Any], folder: Path) -> None:
    """`errors`: each learner's error, by what it was trained on, run by run; published ones as lines."""
    part = next(iter(result["exams"]))
    rows, names = of_part(result["rows"], part), names_of(result["rows"])
    figure, axes = new_figure(1, 1, width=8.6, height=1.7 + 0.62 * len(names))
    axis, labelled = axes[0][0], set()
    for line, name in enumerate(names):
        mine = [(alphabets, row) for (recipe, alphabets), row in rows.items() if recipe == name]
        for place, (alphabets, row) in enumerate(mine):
            at = line + 0.22 * (place - (len(mine) - 1) / 2)
            each = 100 * np.array(list(row["by_run"].values()))
            style = {"color": COLOUR[alphabets], "marker": MARKER[alphabets], "linestyle": "none"}
            axis.plot(
                each, np.full(len(each), at), **style, markersize=3, alpha=0.3, markeredgewidth=0
            )
            label = None if alphabets in labelled else said(alphabets, result)
            axis.errorbar(
                100 * row["error"],
                at,
                xerr=100 * row["ci95"],
                capsize=2,
                markersize=6,
                label=label,
                **style,
            )
            labelled.add(alphabets)
    for name, label in BESIDE.items():
        value = result["published"][name]["all"]
        axis.axvline(value, color=INK, linewidth=0.8, linestyle=":")
        axis.text(value + 0.4, -0.62, label, rotation=20, fontsize=8, color=INK, va="bottom")
    axis.set_yticks(range(len(names)), names)
    axis.set(
        ylim=(len(names) - 0.5, -0.6),
        xlim=(0, 100),
        xlabel=f"error in %: {part}, one small point each",
    )
    figure.legend(
        *axis.get_legend_handles_labels(),
        frameon=False,
        fontsize=9,
        loc="outside lower center",
        ncols=4,
    )
    figure.suptitle(
        "20 characters of a new alphabet, one drawing of each (lines: published, official runs)",
        fontsize=11,
    )
    write_figure(figure, folder, "errors")


def said(alphabets: str, result: dict[str, Any]) -> str:
    """What a learner was trained on, in words."""
    if alphabets == "none":
        return "not trained"
    return f"{len(result['alphabets'][alphabets])} alphabets" + alphabets[4:].replace(
        ", ", ", set "
    )


def draw_run(
    run: omniglot.OneShotRun, rights: dict[tuple[str, str], Bool[np.ndarray, "items"]], folder: Path
) -> None:
    """`run`: one run as a learner gets it, and who answers which item right."""
    shown = {
        name: right for (name, alphabets), right in rights.items() if alphabets in ("none", "all")
    }
    figure, axes = new_figure(1, 2, width=11, height=3.1)
    for axis, images, title in zip(
        axes[0], (run.train, run.test), ("to learn from", "to classify"), strict=True
    ):
        for i, image in enumerate(images):
            line, column = divmod(i, ACROSS)
            axis.imshow(
                image[..., 0],
                cmap="gray_r",
                extent=(column, column + 0.94, 1.6 * line + 0.94, 1.6 * line),
            )
        axis.set(xlim=(-0.05, ACROSS), ylim=(3.1, -0.1), xticks=[], yticks=[], aspect="equal")
        axis.set_title(f"{title}: {len(images)} drawings of one person", fontsize=11)
        axis.grid(False)
        axis.spines[:].set_visible(False)
    colours = dict(zip(shown, (FAINT, INK, *COLOURS), strict=False))
    for i in range(len(run.test)):
        line, column = divmod(i, ACROSS)
        axes[0][0].text(
            column + 0.47,
            1.6 * line + 1.2,
            str(i + 1),
            ha="center",
            va="center",
            fontsize=8,
            color=INK,
        )
        axes[0][1].text(
            column + 0.47,
            1.6 * line + 1.06,
            str(run.labels[i] + 1),
            ha="center",
            va="center",
            fontsize=8,
            color=INK,
        )
        for k, (name, right) in enumerate(shown.items()):
            at = column + 0.47 + 0.17 * (k - (len(shown) - 1) / 2)
            fill = colours[name] if right[i] else "none"
            axes[0][1].plot(
                at,
                1.6 * line + 1.32,
                "o",
                markersize=4,
                markerfacecolor=fill,
                markeredgecolor=colours[name],
            )
    for name, colour in colours.items():
        axes[0][1].plot([], [], "o", color=colour, markersize=5, label=name)
    figure.legend(
        *axes[0][1].get_legend_handles_labels(),
        frameon=False,
        fontsize=9,
        loc="outside lower center",
        ncols=5,
    )
    figure.suptitle(
        f"{run.name}: below an item its class, and a full point for who is right", fontsize=11
    )
    write_figure(figure, folder, "run")


def page(result: dict[str, Any], steps: int, filters: int) -> str:
    """The page of results, all of its numbers from `result`."""
    exams = result["exams"]
    complete = exams.get("official runs", {}).get("runs") == 20
    parts = "\n\n".join(
        f"**{part}** ({about['runs']}, {about['from']}):\n\n{ours(result, part)}"
        for part, about in exams.items()
    )
    main = next(iter(exams))
    agreement = (
        " ".join(agreed(row) for row in result["rows"] if row.get("agrees") is not None)
        if complete
        else "The 20 official runs were not at hand, so nothing here can be held against the published numbers: those are"
        " of other characters. Put `all_runs.zip` of github.com/brendenlake/omniglot (folder"
        " `python/one-shot-classification`) into `$LEARNSET_DATA/omniglot/`, and this study trains on all 30 background"
        " alphabets, scores on those runs alone, and says whether each number agrees."
    )
    sets = "\n".join(
        f"- {said(name, result)} ({result['characters'][name]} characters)"
        + (f": {', '.join(alphabets)}." if name != "all" else ".")
        for name, alphabets in result["alphabets"].items()
    )
    seconds = result["training"]
    return f"""# The Omniglot challenge: a new alphabet from one drawing of each character

Made by `learnset study omniglot-challenge`; {steps:,} steps for each training, four strided convolutions of {filters}
filters. All numbers are in [result.json](result.json).

A run shows 20 characters of one alphabet, drawn once by one person, and asks which of them each of 20 drawings by another
person is. Chance is 95 % error. No alphabet of a run was trained on.

![Errors](errors.svg)

{parts}

{verdict(result)} Each training saw {160 * steps:,} images, which is little: `--steps` gives more, and `--full`
much more.

± is the 95 % interval over runs. Each learner was trained once for each set, so it says nothing of the chance in training.

Trained on:

{sets}

The sets of five are {sets_of_five(result, complete)}. {len(seconds)} trainings took {sum(seconds.values()):.0f} s
together, without compilation.

## Beside the published

{published(result, main)}

Error in %, all published ones on the 20 official runs. {agreement}

"Recalled, unverified" marks numbers that we have not read in the paper or in its authors' code; they are no test of anything.

## What is compared

- *Modified Hausdorff*: the distance between two drawings as sets of inked pixels, at the original 105×105, centred
  on their means; the nearest drawing's class is the answer (Dubuisson & Jain 1994). Nothing is learnt, nothing is chance:
  on the official runs it must give 38.8 %.
- *Nearest raw pixels*: the same by squared differences of 28×28 pixels.
- *Transfer*: a classifier of all training characters, their turned images being characters of their own; in a run its
  features are centred, brought to length one, and the nearest answers (SimpleShot).
- *ProtoNet* is trained on one-shot tasks of 40 characters with three queries each, *MAML* on four tasks of 20 characters
  with one query each, one step of gradient descent; three in a run. A step sees 160 images in each of the three.

Tasks of training mix alphabets; those of a run do not, which makes them harder than the usual 20-way tasks. Every item is
answered by itself: normalisation is by statistics of the training drawings of the run, or of training images.

![One run](run.svg)
"""


def ours(result: dict[str, Any], part: str) -> str:
    """Our errors in one exam as a table."""
    rows, sets = of_part(result["rows"], part), list(result["alphabets"])
    table = [["error in %", *[said(name, result) for name in sets]]]
    for name in names_of(result["rows"]):
        found = [rows.get((name, alphabets)) or rows.get((name, "none")) for alphabets in sets]
        table.append([name, *[with_interval(row) if row else "" for row in found]])
    return markdown_table(table)


def with_interval(row: dict[str, Any]) -> str:
    """Error and interval; of fewer than ten runs there is none to be had."""
    half = f" ± {100 * row['ci95']:.1f}" if len(row["by_run"]) >= 10 else ""
    return f"{100 * row['error']:.1f}{half}"


def verdict(result: dict[str, Any]) -> str:
    """Who beats the distance, of those trained on most alphabets."""
    rows = of_part(result["rows"], next(iter(result["exams"])))
    bound = rows["modified Hausdorff", "none"]["error"]
    better = [
        name
        for (name, alphabets), row in rows.items()
        if alphabets == "all" and row["error"] < bound
    ]
    if better:
        return f"Of the networks trained on most alphabets these beat the distance, which learns nothing: {', '.join(better)}."
    return "No network trained on most alphabets beats the distance, which learns nothing."


def published(result: dict[str, Any], part: str) -> str:
    """What was published, the nearest of ours beside it."""
    rows = [row for row in result["rows"] if row["part"] == part]
    table = [
        [
            "",
            "30 alphabets",
            "5 alphabets, set 1 / set 2",
            f"ours ({part})",
            "source of the published",
        ]
    ]
    for name, about in result["published"].items():
        five = [about[each] for each in ("five, 1", "five, 2") if each in about]
        words = " / ".join(map(str, five)) or (
            f"{about['five, mean']} (mean)" if "five, mean" in about else ""
        )
        mine = [row for row in rows if row.get("beside") == name]
        values = ", ".join(
            f"{with_interval(row)} ({said(row['alphabets'], result)})" for row in mine
        )
        table.append([name, str(about["all"]), words, values, str(about["source"])])
    return markdown_table(table)


def agreed(row: dict[str, Any]) -> str:
    """Whether ours is as published, in one sentence."""
    verdict = "agrees" if row["agrees"] else "does not agree"
    ours, theirs = 100 * row["error"], 100 * row["published"]
    trained = "" if row["alphabets"] == "none" else f" ({row['alphabets']})"
    return f"{row['recipe']}{trained}: {ours:.2f} %, published {theirs:.1f} %, {verdict}."


def sets_of_five(result: dict[str, Any], complete: bool) -> str:
    """Where the smaller sets are from."""
    if complete and result["official_sets"]:
        which = ", ".join(result["official_sets"])
        return f"the official ones of the zips at hand ({which}), others drawn by seed {result['seed_of_sets']}"
    return (
        f"drawn from those by seed {result['seed_of_sets']}, and not the official `images_background_small1.zip` and"
        " `...2.zip` (136 and 156 characters)"
    )
