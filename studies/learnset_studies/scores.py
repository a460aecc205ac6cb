"""The scores of every recipe in the kept results, each next to the others that solved the same."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from learnset.report import amount

from .published import condition

# Measures of which less is better, in any result.
LESS = (
    "mean squared error",
    "squared error",
    "error",
    "error on unseen inputs",
    "expected regret",
    "latency, s",
)
OF = {
    "tasks": "{} tasks",
    "siblings": "{} siblings",
    "trial": "trial {}",
    "data": "{}",
    "feature_error": "features off by {:g}",
    "transductive": "queries see each other",
    "measure": "",  # a field says it anyway
}
# Rows of a new task in `benchmarks/new_tasks.py`, in the order of its errors.
SHOTS = (2, 5, 10, 20)


class Entry(NamedTuple):
    """The score of one recipe.

    **Arguments:**

    - `half`: half the 95 % interval; NaN where there is none.
    - `setting`: a bound (`"bound"`) is in a field for orientation and has no place in it.
    - `paired`: the difference to the baseline of its page, and half its interval, where the page
      pairs them by task or division.
    """

    recipe: str
    value: float
    half: float
    setting: str = ""
    paired: tuple[float, float] | None = None


class Field(NamedTuple):
    """Recipes that solved the same problem, the best first.

    **Arguments:**

    - `result`: the folder of the result. `of`: the conditions that differ within it.
    - `measure`: its name. `less`: whether less is better.
    - `baseline`: the entry that the others are compared with, if there is one.
    """

    result: str
    of: str
    measure: str
    less: bool
    entries: tuple[Entry, ...]
    baseline: Entry | None

    @property
    def best(self) -> Entry:
        return self.contestants[0]

    @property
    def contestants(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.setting != "bound")

    def against_baseline(self, entry: Entry) -> int | None:
        """1 if it is better than the baseline, -1 if it is worse, and 0 if the difference may be
        chance: by the interval of the paired difference or, without one, by both intervals together
        (the root of the sum of their squares). None without baseline or intervals."""
        if self.baseline is None or entry.recipe == self.baseline.recipe:
            return None
        alone = entry.value - self.baseline.value, math.hypot(entry.half, self.baseline.half)
        gain, half = entry.paired or alone
        if math.isnan(half):
            return None
        return 0 if abs(gain) <= half else 1 if (gain < 0) is self.less else -1


class _Reading(NamedTuple):
    """The way to read the rows of a result: which of them, and what tells fields apart.

    **Arguments:**

    - `keys`: conditions that all rows of a field share. `where`: values that rows must have.
    - `baseline`: names of recipes, of which the best is the baseline; default: that from which rows
      have paired differences, or else those of the setting "from scratch".
    - `bounds`: recipes that are bounds without being called so.
    - `value`, `measure`: the number's key; the measure, if rows do not name it.
    - `share`: whether values are shares, to be shown in %.
    """

    keys: tuple[str, ...]
    where: dict[str, tuple] = {}
    baseline: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    value: str = "value"
    measure: str = ""
    share: bool = False


_MEANS = {"chosen": (True,), "seed": (None,)}
_RECIPES = {"part": ("recipes",)}
READINGS = {
    "compare-school": _Reading(("tasks", "shots"), _MEANS, share=True),
    "compare-sinusoids": _Reading(("tasks", "shots"), _MEANS),
    "compare-sign-digits": _Reading(("tasks", "shots"), _MEANS, share=True),
    "school": _Reading(("tasks",), _RECIPES, share=True),
    "sarcos": _Reading(("tasks",), _RECIPES, share=True),
    "tox21": _Reading(("tasks",), _RECIPES, share=True),
    "multimnist": _Reading(("digit",), baseline=("single task",)),
    "maml-sinusoids": _Reading(
        ("shots", "steps"), {"part": ("table 2",)}, measure="mean squared error"
    ),
    "glyphs": _Reading(("protocol", "tasks", "ways", "shots", "transductive")),
    "omniglot": _Reading(("protocol", "tasks", "ways", "shots", "transductive")),
    "omniglot-challenge": _Reading(("part",), {"alphabets": ("all", "none")}),
    "in-context-linear": _Reading(
        ("siblings", "shots"), {"siblings": (20,)}, measure="squared error"
    ),
    "in-context-tables": _Reading(("measure",), {"part": ("means",)}),
    "related-tables": _Reading(("shots",), {"part": ("mean of sets",)}),
    "transfer": _Reading(("shots",), value="on_target", measure="accuracy on the target"),
    "merging": _Reading((), baseline=("a network for each task",)),
    "lp-ft": _Reading(("feature_error",), value="unseen", measure="error on unseen inputs"),
    "surgical": _Reading(("data", "shift"), baseline=("as it is",), measure="accuracy"),
    "office-caltech": _Reading(("task",), {"task": ("mean",)}, baseline=("1NN",)),
    "simulated-shifts": _Reading(
        ("shift",), {"chosen_by": ("reverse",)}, ("Train Src",), ("Train Tgt",)
    ),
    "bandits": _Reading(("arms", "pulls")),
    "wang": _Reading(("tasks",), {"part": ("bandits",), "quantity": ("expected regret",)}),
    "harlow": _Reading(("trial",), {"part": ("trials",), "trial": (2, 6)}),
    "navigation": _Reading(
        ("steps",), {"part": ("returns",), "episodes": (20,), "steps": (1, 2, 3)}
    ),
    "water-maze": _Reading(("trial",), {"part": ("matching to place",), "trial": (2, 4)}),
}


def fields(folder: Path) -> tuple[Field, ...]:
    """All fields of the results in a folder, in the order of `READINGS`."""
    paths = [(name, folder / name / "result.json") for name in READINGS]
    read = [_fields(name, json.loads(path.read_text())) for name, path in paths if path.exists()]
    for name, others in (("benchmarks-new-tasks", _of_new_tasks), ("source-ranking", _of_rankings)):
        if (path := folder / name / "result.json").exists():
            read.append(others(name, json.loads(path.read_text())))
    return tuple(field for group in read for field in group)


def _fields(name: str, result: dict[str, Any]) -> Iterator[Field]:
    reading = READINGS[name]
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        if all(row.get(key) in values for key, values in reading.where.items()):
            groups.setdefault(tuple(row.get(key) for key in reading.keys), []).append(row)
    varied = [key for i, key in enumerate(reading.keys) if len({group[i] for group in groups}) > 1]
    for rows in groups.values():
        entries = [entry for row in rows if (entry := _entry(row, reading))]
        measure = reading.measure or rows[0].get("measure") or rows[0].get("quantity")
        of = ", ".join(filter(None, (_of(key, rows[0].get(key)) for key in varied)))
        if len(entries) > 1:
            yield _field(name, of, str(measure), entries, reading.baseline)


def _field(
    name: str, of: str, measure: str, entries: list[Entry], baseline: tuple[str, ...]
) -> Field:
    less = measure in LESS
    if len({entry.recipe for entry in entries}) < len(entries):
        raise ValueError(f"{name}, {of}: a recipe occurs twice; name the condition in READINGS")
    entries = sorted(entries, key=lambda entry: entry.value, reverse=not less)
    plain = [entry for entry in entries if entry.paired == (0, 0)] or [
        entry
        for entry in entries
        if (entry.recipe in baseline if baseline else entry.setting == "from scratch")
    ]
    return Field(name, of, measure, less, tuple(entries), plain[0] if plain else None)


def _entry(row: dict[str, Any], reading: _Reading) -> Entry | None:
    """Nothing for a recipe without a number, as one that diverged."""
    recipe = row.get("recipe") or row.get("method") or row.get("block")
    value = row[reading.value]
    if recipe is None or value is None:
        return None
    half = row.get("ci95" if reading.value == "value" else f"{reading.value}_ci95")
    scale = 100.0 if reading.share and row.get("measure") not in LESS else 1.0
    setting = "bound" if recipe in reading.bounds else row.get("setting", "")
    half = math.nan if half is None else scale * half
    gain, gain_half = row.get("difference"), row.get("difference_ci95")
    paired = None if gain is None or gain_half is None else (gain, gain_half)
    return Entry(recipe, scale * value, half, setting, paired)


def _of(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    return OF[key].format(value) if key in OF else condition(key, value)


def _of_new_tasks(name: str, result: dict[str, Any]) -> Iterator[Field]:
    for table, of in result.items():
        for i, shots in enumerate(SHOTS if "recipes" in of else ()):
            errors = {recipe: row["errors"][i] for recipe, row in of["recipes"].items()}
            entries = [
                Entry(recipe, error, half, "bound" if recipe == "constant" else "")
                for recipe, (error, half) in errors.items()
            ]
            alone = tuple(entry.recipe for entry in entries if "from scratch" in entry.recipe)
            rows = amount(shots, "row")
            yield _field(name, f"{table}, {rows}", "mean squared error", entries, alone)


def _of_rankings(name: str, result: dict[str, Any]) -> Iterator[Field]:
    """Scores of sources are compared by how their rankings agree with what sources then gave."""
    rows = result["rankings"]
    for after in dict.fromkeys(row["measure"] for row in rows):
        entries = [
            Entry(row["score"], row["tau"], row["tau_ci95"])
            for row in rows
            if row["measure"] == after
        ]
        yield _field(name, f"sources for {after}", "weighted τ", entries, ())
