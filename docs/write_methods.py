"""Writes a page for each method of methods.md: source, comparisons, published numbers, files.

Usage: python docs/write_methods.py

Numbers are those of the kept results, and papers those of references.bib that a docstring cites.
"""

import dataclasses
import enum
import functools
import importlib
import inspect
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx

from learnset.report import (
    amount,
    escaped,
    Grid,
    Markdown,
    markdown_of,
    Page,
    Paragraph,
    Part,
    Section,
    with_interval,
)
from learnset_studies import published, scores

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = DOCS / "methods"
RESULTS = DOCS / "results"
REPOSITORY = "https://github.com/learnset/learnset/blob/main"
FOLDERS = ("meta", "multitask", "transfer", "rl", "models")
ITALIC = r"(?<![*\w])\*(?=\S)([^*]+?)(?<=\S)\*(?!\*)"
# Of these results all values are the papers', or the measure's, not a method's.
NOT_OF_METHODS = ("nyuv2-delta-m",)
# Names of recipes that are not the method's own, by the result that they are in; "" for all.
RECIPES = {
    "": {
        "1NN": "Unaligned",
        "BitFit": "bitfit",
        "CAGrad (c = 0.4)": "CAGrad",
        "CAGrad (c = 0.5)": "CAGrad",
        "FOMAML": "MAML",
        "H-score": "h_score",
        "LinOT": "LinearTransport",
        "MAML policy": "MAMLPolicy",
        "MGDA-UB": "AtRepresentation",
        "PCA": "JointPCA",
        "REINFORCE from scratch": "OnlineReinforce",
        "SA": "SubspaceAlignment",
        "Thompson": "ThompsonSampling",
        "Train Src": "Unaligned",
        "actor-critic after eight days": "PlaceActorCritic",
        "actor-critic with coordinates after eight days": "CoordinateActorCritic",
        "as it is": "AsIs",
        "averaged + pull to the mean": "SoftSharing",
        "boosting + shrunken offset": "ShrunkOffset",
        "boosting + task": "Boosting",
        "boosting + task, grown anew": "Boosting",
        "class means": "Prototypes",
        "constant": "Constant",
        "distillation": "Distil",
        "equal weights": "Mean",
        "fine-tuning": "FineTune",
        "gradual unfreezing": "Gradual",
        "greedy": "Greedy",
        "in context": "TablePFN",
        "in context, one table": "TablePFN",
        "in context, related tables": "TablePFN",
        "layer-wise rates": "LayerwiseRates",
        "leave-one-out ridge": "leave_one_out",
        "logistic head": "Logistic",
        "matching networks": "MatchingNetwork",
        "mixed model + boosting": "MixedBoosting",
        "mixed model + slopes": "MixedModel",
        "multi-task": "SharedBody",
        "network + task": "TaskEmbedding",
        "new actor-critic each day": "PlaceActorCritic",
        "optimistic Thompson": "OptimisticThompsonSampling",
        "pooled + ridge head": "RidgeToHead",
        "pooled network": "Pooled",
        "raw pixels + logistic head": "",
        "random forest + task": "RandomForest",
        "ridge + task": "TaskRidge",
        "ridge + task × inputs": "TaskRidge",
        "ridge head": "Ridge",
        "ridge with offsets": "OffsetRidge",
        "shared body + ridge head": "RidgeToHead",
        "tuned UCB1": "UCB1",
        "win-stay, lose-shift": "WinStayLoseShift",
        "ε-greedy": "EpsilonGreedy",
        "RL²": "RecurrentAgent",
    },
    "compare-sinusoids": {"pooled + fine-tuning": "Pooled", "pooled + ridge head": "Ridge"},
    "in-context-tables": {
        "boosting": "",
        "logistic or ridge regression": "",
        "nearest neighbours": "",
        "random forest": "",
    },
    "maml-sinusoids": {"pretrained on all tasks": "Pooled"},
    "merging": {
        "plain sum": "TaskVectors",
        "TIES, 20 % kept": "TIES",
        "TIES, 50 % kept": "TIES",
        "DARE, 90 % dropped": "DARE",
        "DARE, 50 % dropped": "DARE",
        "uniform soup": "Soup",
        "greedy soup": "Soup",
    },
    "distillation": {"student of UCB1": "AlgorithmDistillation"},
    "multimnist": {"uniform": "Sum"},
    "navigation": {"MAML": "MAMLPolicy"},
    "office-caltech": {"KMM + SVM": "KMM"},
    "surgical": {"chosen": "Surgical", "all": "FineTune"},
}


class Method(NamedTuple):
    """A method of the catalogue, with the two cells of its row in methods.md; no idea where several
    methods share the row."""

    folder: str
    name: str
    when: str
    idea: str

    @property
    def thing(self) -> Any:
        return getattr(importlib.import_module(f"learnset.{self.folder}"), self.name)

    @property
    def source(self) -> Path:
        return Path(inspect.getfile(self.thing))


class Reference(NamedTuple):
    """An entry of references.bib."""

    text: str
    surname: str
    title: str
    year: str
    marks: tuple[str, ...]  # the year, and the number in arXiv


def methods() -> dict[str, Method]:
    """All that the first column of a table in methods.md links to, by name."""
    known = {}
    above = ("", "")
    for line in (DOCS / "methods.md").read_text().splitlines():
        if not line.startswith("| "):
            continue
        head, when, idea = (cell.strip() for cell in line.strip("| ").split(" | "))
        when = above[0] if when == "as before" else when.replace("as before", above[0])
        above = when, idea
        names = re.findall(r"\(methods/(\w+)\.md\)", head)
        for name in names:
            folder = next(
                folder
                for folder in FOLDERS
                if hasattr(importlib.import_module(f"learnset.{folder}"), name)
            )
            known[name] = Method(folder, name, when, idea if len(names) == 1 else "")
    return known


def references() -> list[Reference]:
    """The entries of references.bib."""
    entries = (DOCS / "references.bib").read_text().strip().split("\n\n")
    found = []
    for text in entries:
        fields = dict(re.findall(r"^  (\w+) = \{+(.*?)\}+,$", text, flags=re.MULTILINE))
        surname = fields["author"].partition(",")[0]
        marks = (fields["year"], *filter(None, [fields.get("eprint")]))
        found.append(Reference(text, surname, fields["title"], fields["year"], marks))
    return found


def cited(doc: str, known: Iterable[Reference]) -> list[Reference]:
    """The references that a docstring names: by title in italics, or by first author and year where
    no title follows. In the order in which they are named."""
    doc = re.sub(r"`[^`]*`", "", " ".join(doc.split()))
    titles = [(m.start(), _plain(m[1])) for m in re.finditer(ITALIC, doc)]
    places = {}
    for reference in known:
        title = _plain(reference.title)
        places[reference] = [
            at
            for at, name in titles
            if title.startswith(name)
            and any(mark in doc[max(0, at - 9) : at + 200] for mark in reference.marks)
        ]
        untitled = (
            rf"\b{re.escape(reference.surname)}\b[^.;:*()]*(?: al\.)?,? {reference.year}(?!, \*)"
        )
        places[reference] += [match.start() for match in re.finditer(untitled, doc)]
    named = [reference for reference in places if places[reference]]
    return sorted(named, key=lambda reference: min(places[reference]))


def _plain(text: str) -> str:
    return re.sub(r"[^\w²]+", " ", text).strip().casefold()


def method_of(result: str, recipe: str, names: dict[str, str]) -> str | None:
    """The method that a recipe of a result is made of; `names` are those of methods, squashed."""
    for part in (recipe, recipe.removesuffix(" + 1NN"), recipe.rpartition(" + ")[2]):
        for table in (RECIPES.get(result, {}), RECIPES[""]):
            if part in table:
                return table[part] or None
        if _squashed(part) in names:
            return names[_squashed(part)]
    return "RecurrentAgent" if recipe.startswith("RL² trained on") else None


def _squashed(name: str) -> str:
    return re.sub(r"[\W_]", "", name.replace("++", "PlusPlus")).casefold()


class Line(NamedTuple):
    """A recipe of a method in a field of rivals."""

    field: scores.Field
    entry: scores.Entry


class Facts(NamedTuple):
    """All that pages are made of."""

    methods: dict[str, Method]
    references: list[Reference]
    lines: dict[str, list[Line]]
    published: dict[str, dict[str, list[dict[str, Any]]]]
    toy: dict[str, list[bool]]


def facts() -> Facts:
    """Reads the catalogue, the bibliography and the kept results."""
    known = methods()
    names = {_squashed(name): name for name in known}
    lines: dict[str, list[Line]] = {name: [] for name in known}
    for field in scores.fields(RESULTS):
        for entry in field.entries:
            if (name := method_of(field.result, entry.recipe, names)) in lines:
                lines[name].append(Line(field, entry))
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in known}
    toy: dict[str, list[bool]] = {name: [] for name in known}
    for path in sorted(RESULTS.glob("*/result.json")):
        result, where = json.loads(path.read_text()), path.parent.name
        for row in published.published_rows(result) if where not in NOT_OF_METHODS else ():
            recipe = row.get("recipe") or row.get("method")
            if recipe and (name := method_of(where, recipe, names)) in rows:
                rows[name].setdefault(where, []).append(row)
        for row in result["rows"] if where == "multitask-toy" else ():
            if "agrees" in row and (name := method_of(where, row["method"], names)) in toy:
                toy[name].append(row["agrees"])
    return Facts(known, references(), lines, rows, toy)


def page(method: Method, known: Facts) -> Page:
    """The page of a method."""
    name = method.name
    where = f"learnset.{method.folder}.{name}"
    doc = f"::: {where}\n    options: {{show_root_heading: false, show_root_toc_entry: false}}"
    papers = cited(inspect.getdoc(method.thing) or "", known.references)
    blocks = "\n\n".join(f"```bibtex\n{paper.text}\n```" for paper in papers)
    sections = [
        Section("", (Paragraph(_introduction(method)), Paragraph(_signature(method)))),
        Section("", (Paragraph(doc),)),
        Section("Papers", (Paragraph(blocks),)) if papers else None,
        Section("In our comparisons", _comparisons(known.lines[name], known.toy[name])),
        _published(known.published[name]),
        Section("Implementation", (Paragraph(_implementation(method, known)),)),
    ]
    return Page(name, tuple(filter(None, sections)))


def _introduction(method: Method) -> str:
    idea = f" {method.idea[0].upper()}{method.idea[1:]}." if method.idea else ""
    return f"[All methods](../methods.md). Choose it when {method.when}.{idea}"


def _signature(method: Method) -> str:
    """The settings with their defaults, as one writes them."""
    front = importlib.import_module("learnset")
    prefix = "ls." if getattr(front, method.name, None) is method.thing else f"ls.{method.folder}."
    settings = inspect.signature(method.thing).parameters.values()
    made = {
        field.name: field.default_factory()
        for field in getattr(method.thing, "__dataclass_fields__", {}).values()
        if field.default_factory is not dataclasses.MISSING
    }
    parts, starred = [], False
    for setting in settings:
        if setting.kind is setting.KEYWORD_ONLY and not starred:
            parts, starred = [*parts, "*"], True
        default = made.get(setting.name, setting.default)
        default = "" if default is setting.empty else f"={_default(default)}"
        parts.append(f"{'*' * (setting.kind is setting.VAR_POSITIONAL)}{setting.name}{default}")
    line = f"{prefix}{method.name}({', '.join(parts)})"
    if len(line) > 88:
        line = f"{prefix}{method.name}(\n    " + ",\n    ".join(parts) + ",\n)"
    return f"```python\n{line}\n```"


def _default(value: Any) -> str:
    """A default as one would write it; an ellipsis for what is not written in one word."""
    if not isinstance(value, eqx.Module) and isinstance(getattr(value, "__name__", None), str):
        return value.__name__
    text = re.sub(r"<function (\w+)>", r"\1", " ".join(repr(value).split()))
    return str(value) if isinstance(value, enum.Enum) else "..." if " at 0x" in text else text


def _comparisons(lines: list[Line], toy: list[bool]) -> tuple[Part, ...]:
    ends = (
        f"On the toy problem of CAGrad's authors it ends where the paper's formula leads from"
        f" {sum(toy)} of {len(toy)} starts ([study](../results/multitask-toy/README.md))."
    )
    after = (Paragraph(ends),) if toy else ()
    if not lines:
        return after or (Paragraph("None of the kept comparisons has it."),)
    parts: list[Part] = [Paragraph(_summary(lines))]
    for result, measure in dict.fromkeys((field.result, field.measure) for field, _ in lines):
        of = [line for line in lines if line.field[0] == result and line.field.measure == measure]
        recipes = {entry.recipe for _, entry in of}
        words = measure.removesuffix(" (%)") + " (%)" * measure.startswith(PERCENT)
        only = f" of {escaped(*recipes)}" if len(recipes) == 1 else ""
        parts += [_heading(result, words + only), _grid(of, several=len(recipes) > 1)]
    return (*parts, *after)


def _heading(result: str, words: str) -> Paragraph:
    return Paragraph(f"**[{result}](../results/{result}/README.md)**: {words}")


def _grid(lines: list[Line], several: bool) -> Grid:
    """The lines of one comparison and measure; columns without a word are left out."""
    rows = [
        (
            field.of,
            entry.recipe if several else "",
            _outcome(field, entry),
            _score(field, entry),
            _place(field, entry),
            _baseline(field, entry),
            "" if entry is field.best else _named(field, field.best),
        )
        for field, entry in lines
    ]
    head = ("problem", "recipe", "against the baseline", "score", "place", "baseline", "best")
    shown = [i for i, cells in enumerate(zip(*rows, strict=True)) if any(cells)]
    kept = tuple(tuple(row[i] for i in shown) for row in rows)
    return Grid(tuple(head[i] for i in shown), kept, left=len({0, 1, 2} & set(shown)))


def _summary(lines: list[Line]) -> str:
    """How often it won and lost, each problem once."""
    won: dict[scores.Field, int] = {}
    for field, entry in lines:
        if (outcome := field.against_baseline(entry)) is not None:
            won[field] = max(won.get(field, -1), outcome)
    first = sum(entry is field.best for field, entry in lines)
    text = f"**First of its rivals in {first} of {amount(len({f for f, _ in lines}), 'problem')}"
    if won:
        better, worse = (sum(outcome == sign for outcome in won.values()) for sign in (1, -1))
        text += f"; better than the baseline in {better} of {len(won)}, worse in {worse}"
    explained = (
        " The baseline is the best recipe that learns each task alone or does nothing; for the"
        " tasks of a table it is the best without multi-task learning. Better and worse are by more"
        " than the 95 % interval of the difference; other differences may be chance."
    )
    return f"{text}.**{explained if won else ''}"


PERCENT = ("accuracy", "explained variance", "ROC-AUC", "percent correct")


def _score(field: scores.Field, entry: scores.Entry) -> Markdown:
    """The value and half its interval, without a line's end between them."""
    if not field.measure.startswith(PERCENT):
        return _unbroken(with_interval(entry.value, entry.half))
    digits = 1
    while 0 < entry.half < 0.5 * 10**-digits:  # an interval is not shown as nothing
        digits += 1
    half = "" if math.isnan(entry.half) else f" ± {entry.half:.{digits}f}"
    return _unbroken(f"{entry.value:.{digits}f}{half}")


def _named(field: scores.Field, entry: scores.Entry) -> Markdown:
    return Markdown(f"{escaped(entry.recipe)} {_score(field, entry)}")


def _baseline(field: scores.Field, entry: scores.Entry) -> str:
    if field.baseline is None:
        return ""
    return "itself" if entry.recipe == field.baseline.recipe else _named(field, field.baseline)


def _unbroken(text: str) -> Markdown:
    return Markdown(text.replace(" ", "&nbsp;"))


def _outcome(field: scores.Field, entry: scores.Entry) -> str:
    return {1: "better", 0: "may be chance", -1: "worse", None: ""}[field.against_baseline(entry)]


def _place(field: scores.Field, entry: scores.Entry) -> str:
    if entry not in field.contestants:
        return "bound"
    return _unbroken(f"{field.contestants.index(entry) + 1} of {len(field.contestants)}")


def _published(of: dict[str, list[dict[str, Any]]]) -> Section | None:
    """The rows of each study and source, with the conditions that vary within the study."""
    parts: list[Part] = []
    for where, rows in of.items():
        varied = published.varied_conditions(rows)
        for source in dict.fromkeys(row["source"] for row in rows):
            lines = [
                (published.name_of(row), *published.values_of(row, varied))
                for row in rows
                if row["source"] == source
            ]
            head = ("recipe", "of", "published", "ours", "agrees")
            words = f"{published.measure_of(rows)}, {source}"
            parts += [_heading(where, words), Grid(head, tuple(lines), left=2)]
    return Section("Published numbers next to ours", tuple(parts)) if parts else None


def _implementation(method: Method, known: Facts) -> str:
    source = method.source.relative_to(ROOT / "src")
    module = importlib.import_module(f"learnset.{method.folder}")
    others = [
        f"[`{name}`](../interface/{method.folder}.md#learnset.{method.folder}.{name})"
        for name in sorted(dir(module), key=str.casefold)
        if name[0] != "_"
        and name not in known.methods
        and getattr(getattr(module, name), "__module__", "") == method.thing.__module__
        and not name.startswith("Abstract")
    ]
    lines = [f"- Code: [{source}]({REPOSITORY}/src/{source})"]
    if tests := _tests(method):
        links = ", ".join(f"[{path}]({REPOSITORY}/{path})" for path in tests)
        lines.append(f"- Tests: {links}")
    if others:
        lines.append(f"- In the same file: {', '.join(others)}")
    if re.search("[a-z][A-Z]|[A-Z][A-Z][a-z]", method.name):  # the search reads these as two words
        lines.append(f"- In the search also: {method.name.lower()}")
    return "\n".join(lines)


def _tests(method: Method) -> list[Path]:
    """The test file with its file's name, or those of its folder that name it; else of others."""
    naming = [path for path, names in _names_in_tests().items() if method.name in names]
    same = [path for path in naming if path.stem == f"test{method.source.stem}"]
    near = [path for path in naming if path.parent.name == method.folder]
    return [path.relative_to(ROOT) for path in (same or near or naming)[:3]]


@functools.cache
def _names_in_tests() -> dict[Path, set[str]]:
    paths = sorted((ROOT / "tests").glob("*/test_*.py"))
    return {path: set(re.findall(r"\w+", path.read_text())) for path in paths}


def written() -> dict[str, str]:
    """The pages by their names."""
    known = facts()
    return {f"{name}.md": markdown_of(page(m, known)) for name, m in known.methods.items()}


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    pages = written()
    for name, text in pages.items():
        (PAGES / name).write_text(text)
    for path in set(PAGES.glob("*.md")) - {PAGES / name for name in pages}:
        path.unlink()
