"""One self-contained page of a run: it opens offline and needs nothing beside it."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from scipy.special import ndtri

from ..comparison import Comparison, Setting
from ..core import interval
from ..tasks import AbstractTasks, Episodes, Unrelated
from ._scale import number, scale
from ._table import HEAD, table_rows

CAPTIONS = {
    "steps": "New tasks, against gradient steps (step 0 stands at one half). Bands are 95 % intervals.",
    "shots": "New tasks, against the number of their points or shots, each recipe at its best number of steps.",
    "episode": "One held-out task: what is learnt from, and what is asked.",
    "embeddings": "Features of one held-out task in the plane of their two main directions.",
    "confusion": "Queries of one held-out task: what they are, and what they were taken for.",
    "differences": "Paired difference to scratch: with less error, or more accuracy, past tasks helped.",
}


def write_comparison_page(
    path: Path,
    comparison: Comparison,
    tasks: AbstractTasks,
    shots: int,
    meta: dict[str, Any],
    figures: Sequence[str],
    notes: Sequence[str] = (),
) -> None:
    """Writes the page of a comparison, figures inside of it."""
    shown = scale(comparison.metric)
    sections = {
        "answers": answers(comparison, shots),
        "control": control(comparison, tasks),
        "head": HEAD,
        "rows": table_rows(comparison, shots),
        "failures": comparison.failures,
        "notes": notes,
        "sources": [(o.recipe.name, o.recipe.source) for o in comparison],
        "figures": [
            (Markup(_inline(path.parent / f"{name}.svg")), CAPTIONS[name]) for name in figures
        ],
    }
    sections["measure"] = f"{shown.words[0].upper()}{shown.words[1:]} from {shown.amount(shots)}"
    title = f"Past tasks on {type(tasks).__name__}: does sharing help?"
    _write(path, title=title, tasks=described(tasks), shots=shots, meta=meta, **sections)


def described(tasks: AbstractTasks) -> str:
    """The tasks in words; of few-shot tasks how many classes there are, instead of all of their names.

    >>> import numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((60, 2)), np.repeat(np.arange(6), 10))
    >>> described(ls.Episodes(*classes.split((2, 2, 2)), ways=2))
    'Episodes(ways=2, shots=1, queries=5, augment=None): 2 classes (20 examples) to train, 2 (20) to validate, 2 (20) to test on'
    """
    if not isinstance(tasks, Episodes):
        return repr(tasks)
    sizes = [f"{len(pool):,} ({pool.examples:,})" for pool in (tasks.validation, tasks.test)]
    fields = (
        f"ways={tasks.ways}, shots={tasks.shots}, queries={tasks.queries}, augment={tasks.augment}"
    )
    first = f"{len(tasks.train):,} classes ({tasks.train.examples:,} examples)"
    return f"Episodes({fields}): {first} to train, {sizes[0]} to validate, {sizes[1]} to test on"


def answers(comparison: Comparison, shots: int) -> list[str]:
    """The two promised benefits in a sentence each, and what is best."""
    new = [
        o
        for o in comparison
        if o.tasks == "new"
        and o.recipe.setting in (Setting.TRANSFER, Setting.MULTI_TASK, Setting.META)
    ]
    scratch = next((o for o in comparison if o.recipe.method is None), None)
    if scratch is None or not new:
        return []
    shown = scale(comparison.metric)
    best = min(new, key=lambda o: interval(o.at(shots))[0])
    found = [
        f"{shown.best} on new tasks from {shown.amount(shots)}: {best.recipe.name}, {shown.text(best.at(shots))}; scratch has"
        f" {shown.one(float(scratch.at(shots).mean()))}."
    ]
    faster = [(o, comparison.acceleration(o, shots)) for o in new if o.steps]
    faster = [(o, b) for o, b in faster if b is not None and b.ratio is not None and b.ratio > 1]
    if faster:
        o, b = min(faster, key=lambda pair: (pair[1].reached, float(pair[0].at(shots).mean())))
        found.append(
            f"Faster learning: scratch comes to {shown.one(b.target)} in {b.scratch:.0f} steps, {o.recipe.name} in"
            f" {b.reached:.0f} ({b.ratio:.0f}×)."
        )
    fewer = [(o, comparison.sample_efficiency(o)) for o in new]
    fewer = [(o, b) for o, b in fewer if b is not None and b.ratio is not None and b.ratio > 1]
    if fewer:
        o, b = min(fewer, key=lambda pair: (pair[1].reached, float(pair[0].at(shots).mean())))
        bound = ("at most ", "at least ") if b.at_most else ("", "")
        found.append(
            f"Less data: scratch comes to {shown.one(b.target)} with {shown.amount(int(b.scratch))}, {o.recipe.name} with"
            f" {bound[0]}{b.reached:.3g} ({bound[1]}{b.ratio:.3g}×)."
        )
    return found


def control(comparison: Comparison, tasks: AbstractTasks) -> str:
    """What the control family says: nobody can beat the best constant."""
    if not isinstance(tasks, Unrelated):
        return "Control: “learnset compare unrelated” is a comparison on tasks that share nothing."
    below = below_constant(comparison)
    verdict = (
        f"{', '.join(below)} came out below it: look for a leak."
        if below
        else "no recipe came out below it."
    )
    return (
        f"These tasks share nothing: the best possible error is {number(tasks.floor)}, that of the best constant, and"
        f" {verdict} What the others gain here over scratch is only the common scale."
    )


def below_constant(comparison: Comparison) -> list[str]:
    """Recipes whose error on tasks that share nothing lies below that of the best constant by more than chance explains.

    The difference is paired by task: on the drawn queries the constant itself may be better or worse than is expected.
    Its interval is over tasks, which are independent whatever was trained before, and holds for all recipes and numbers
    of shots at once (Bonferroni).
    """
    constant = comparison["best constant"]
    others = [
        outcome for outcome in comparison if outcome.tasks == "new" and outcome is not constant
    ]
    quantile = float(ndtri(1 - 0.025 / max(1, len(others) * len(comparison.shots))))
    found = []
    for outcome in others:
        for shots in comparison.shots:
            apart = outcome.at(shots) - constant.at(shots)
            if apart.mean() + quantile * apart.std() / apart.size**0.5 < 0:
                found.append(f"{outcome.recipe.name} at {shots} points")
    return found


def write_study_page(path: Path, title: str, markdown: str, meta: dict[str, Any]) -> None:
    """Writes a study's own page, figures inside of it."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    for figure in path.parent.glob("*.svg"):
        body = _replace_image(body, figure)
    _write(path, title=title, body=Markup(body), meta=meta)


def _replace_image(body: str, figure: Path) -> str:
    start = body.find(f'<img src="{figure.name}"')
    if start < 0:
        return body
    return body[:start] + _inline(figure) + body[body.index(">", start) + 1 :]


def _inline(figure: Path) -> str:
    """An SVG without its head, as part of a page."""
    text = figure.read_text()
    return text[text.index("<svg") :]


def _write(path: Path, **values: Any) -> None:
    template = (
        resources.files(__package__ or "learnset.report").joinpath("comparison.html").read_text()
    )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    values = {
        "body": "",
        "answers": [],
        "control": "",
        "head": [],
        "rows": [],
        "failures": {},
        "figures": [],
    } | values
    values = {"tasks": "", "shots": 0, "sources": [], "measure": "", "notes": []} | values
    partial = path.with_name(path.name + ".partial")
    partial.write_text(environment.from_string(template).render(**values))
    partial.replace(path)
