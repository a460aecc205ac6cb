"""The parts of the studies of characters: what they are called, and what those answered that have
ended."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from learnset.comparison import slug
from learnset.core import InputError
from learnset.training import checked_json

from ._characters_recipes import BY_SHOTS

UNTRAINED = "nothing learnt"
BASELINES = "raw pixels", "from scratch"  # the recipes of the part in which nothing is learnt
OF_OTHERS = "published", "source", "agrees", "chance"  # fields of a row that are not measured


class Part(NamedTuple):
    """A unit of work: what a learner answers. `ways` and `shots` are those of its training, and
    zero where one training serves all cells."""

    protocol: str
    learner: str
    ways: int = 0
    shots: int = 0

    @property
    def name(self) -> str:
        """Of its folder."""
        cell = f" {self.ways}-way {self.shots}-shot" if self.shots else ""
        return slug(self.learner.replace("+", " plus") + cell)

    @property
    def label(self) -> str:
        """For the page."""
        ways = f" {self.ways}-way" if self.ways > 5 and self.learner not in BY_SHOTS else ""
        return self.learner + ways + (f" {self.shots}-shot" if self.shots else "")


def named(labels: Sequence[str], parts: Sequence[Part]) -> list[Part]:
    """The parts with these labels, in this order.

    **Raises:** `InputError` for a label that no part has.
    """
    known = list(dict.fromkeys(part.label for part in parts))
    for label in labels:
        if label not in known:
            raise InputError(f"`only={label}` is no part of the study. There are {known}.")
    return [part for label in labels for part in parts if part.label == label]


def place(folder: Path, part: Part) -> Path:
    """The folder of a part in that of the run."""
    return folder / slug(part.protocol) / part.name


def done(folder: Path, options: dict[str, Any], part: Part) -> dict[str, Any] | None:
    """What a part answered in a run that is resumed, if it was done."""
    if options.get("resume"):
        with contextlib.suppress(OSError, ValueError):
            return json.loads((place(folder, part) / "answers.json").read_text())
    return None


def ended(
    study: Any, folder: Path, parts: Sequence[Part]
) -> tuple[dict[Part, dict[str, Any]], list[dict[str, Any]]]:
    """What parts answered of which a result in the folder has the numbers, and how that and the
    results before it came about.

    **Raises:** `InputError` where it is damaged, or of a study of other sizes.
    """
    path = folder / "result.json"
    if not path.is_file():
        return {}, []
    result, _ = checked_json(path, "Restore the file from a copy, or delete it.")
    if result["sizes"] != json.loads(json.dumps(vars(study))):
        raise InputError(f"{path} is of a study of other sizes. Choose another directory.")
    kept = {}
    for about in result["protocols"]:
        for part in parts:
            if part.protocol == about["protocol"] and part.label not in about.get("left", ()):
                found = _found(study, result["rows"], about, part)
                if found["rows"] or "diverged" in found:
                    kept[part] = found
    return kept, [*result.get("earlier", ()), result["meta"]] if kept else []


def _found(
    study: Any, rows: Sequence[dict[str, Any]], about: dict[str, Any], part: Part
) -> dict[str, Any]:
    """What a part answered, of the rows of a result and what is said about its protocol."""
    recipes = BASELINES if part.learner == UNTRAINED else (part.learner,)
    mine = [
        {name: value for name, value in row.items() if name not in OF_OTHERS}
        for row in rows
        if row["protocol"] == part.protocol
        and row["recipe"] in recipes
        and study.is_asked(part, row["recipe"], row["ways"], row["shots"])
    ]
    found: dict[str, Any] = {"rows": mine}
    for name, field in (("training", "seconds"), ("devices", "device")):
        if part.label in about.get(name, {}):
            found[field] = about[name][part.label]
    for name in ("diverged", "shared"):
        if part.label in about.get(name, ()):
            found[name] = True
    return found
