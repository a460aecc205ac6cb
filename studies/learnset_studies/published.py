"""Every published number next to ours, from the results that are kept.

Usage: python -m learnset_studies.published docs/results

Writes README.md of the folder from the `result.json` of each study in it: rows that have a
`published` value, and what they say of it.
"""

import json
import sys
from pathlib import Path
from typing import Any

from learnset.core import write_file
from learnset.report import amount, Grid, Markdown, markdown_of, Page, Paragraph, Section

from ._pages import Row

TITLE = "Published numbers next to ours"
AGREES = {True: "yes", False: "no", None: "cannot be said"}
# What a row is about, in the order in which it is said, where rows differ in it; a word
# without a place for the value is counted.
CONDITIONS = {
    "part": "{}",
    "protocol": "{}",
    "alphabets": "trained on alphabets: {}",
    "task": "{}",
    "digit": "{} digit",
    "ways": "{}-way",
    "shots": "{}-shot",
    "steps": "step",
    "pulls": "pull",
    "arms": "arm",
    "shift": "{}",
    "kernel": "{} kernel",
    "chosen_by": "chosen by {}",
}
NOT_HERE = (
    (
        "miniImageNet, tieredImageNet, Meta-Dataset",
        "images of ImageNet, which may not be passed on",
    ),
    ("CIFAR-FS, FC100, CUB-200", "downloads of images"),
    ("NYUv2, Cityscapes, CelebA, QM9", "downloads of images and molecules, and days of a GPU"),
    ("Office-31, Office-Home, VisDA, DomainNet", "downloads of images, and a network of ImageNet"),
    ("MAML and RL² on locomotion", "the simulator MuJoCo, and days of training"),
    ("RL² on visual mazes", "the simulator ViZDoom"),
)


def page(folder: Path) -> Page:
    """The page of all results in a folder."""
    results = {path.parent.name: json.loads(path.read_text()) for path in _numbers(folder)}
    of = {name: rows for name, result in results.items() if (rows := published_rows(result))}
    return Page(
        TITLE,
        (
            Section("", (Paragraph(_summary(of)), _counts(of))),
            *(Section(name, (_table(rows),)) for name, rows in of.items()),
            Section(
                "Not made again", (Grid(("numbers on", "what it would need"), NOT_HERE, left=2),)
            ),
        ),
    )


def main(folder: str) -> None:
    write_file(Path(folder) / "README.md", markdown_of(page(Path(folder))))


def _numbers(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/result.json"))


def published_rows(result: dict[str, Any]) -> list[Row]:
    """The rows of a study that have a published value."""
    rows = result.get("rows", ()) if "study" in result else ()
    return [row for row in rows if "published" in row]


def _count(rows: list[Row], agrees: bool | None) -> int:
    return sum(row.get("agrees") is agrees for row in rows)


def _summary(of: dict[str, list[Row]]) -> str:
    rows = [row for part in of.values() for row in part]
    return (
        f"{len(rows)} numbers of papers, made again under the papers' protocols:"
        f" **{_count(rows, True)} agree**, {_count(rows, False)} do not, and of"
        f" {_count(rows, None)} it cannot be said, because data or network are not quite the"
        " paper's. The page of each study says when a number agrees (within chance, within the"
        " paper's rounding, or at least as good), how it was measured, and what is known about each"
        " difference. ± is half of a 95 % interval."
        " Written by `python -m learnset_studies.published docs/results`."
    )


def _counts(of: dict[str, list[Row]]) -> Grid:
    lines = [
        (
            Markdown(f"[{name}]({name}/README.md)"),
            Markdown("; ".join(dict.fromkeys(row["source"] for row in rows))),
            *(str(_count(rows, agrees)) for agrees in AGREES),
        )
        for name, rows in of.items()
    ]
    return Grid(("study", "source", "agree", "do not", "cannot be said"), tuple(lines), left=2)


def _table(rows: list[Row]) -> Grid:
    varied = varied_conditions(rows)
    lines = [(name_of(row), *values_of(row, varied)) for row in rows]
    title = f"Values are of: {measure_of(rows)}."
    return Grid(("recipe", "of", "published", "ours", "agrees"), tuple(lines), left=2, title=title)


def varied_conditions(rows: list[Row]) -> list[str]:
    """The conditions in which rows differ."""
    return [key for key in CONDITIONS if len({row.get(key) for row in rows}) > 1]


def name_of(row: Row) -> str:
    """The recipe of a row."""
    return row.get("recipe") or row["method"]


def measure_of(rows: list[Row]) -> str:
    """The measure of the rows of a study."""
    measure = rows[0].get("quantity") or rows[0].get("measure") or "squared error"
    return str(measure).replace("_", " ")


def condition(key: str, value: Any) -> str:
    """A condition in words."""
    words = CONDITIONS[key]
    return words.format(value).replace("_", " ") if "{" in words else amount(value, words)


def values_of(row: Row, varied: list[str]) -> tuple[str, ...]:
    """The conditions of a row, its published value, ours, and whether they agree."""
    return (
        ", ".join(condition(key, row[key]) for key in varied if key in row),
        f"{row['published']:.{_digits(row)}f}",
        _ours(row),
        AGREES[row.get("agrees")],
    )


def _ours(row: Row) -> str:
    """With as many digits as the paper prints; the interval with enough to be more than zero."""
    value, chance, digits = f"{row['value']:.{_digits(row)}f}", row.get("ci95"), _digits(row)
    if chance is None:
        return value
    while 0 < chance < 0.5 * 10**-digits:
        digits += 1
    return f"{value} ± {chance:.{digits}f}"


def _digits(row: Row) -> int:
    """How many the paper prints after the point, and one at least."""
    return max(1, len(f"{row['published']:.4g}".partition(".")[2]))


if __name__ == "__main__":
    main(*sys.argv[1:])
