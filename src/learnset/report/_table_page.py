"""A comparison on a table as a page: the answers first, then tables, figures, and how it was
done."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..comparison import Comparison, described, ExplainedVariance, Outcome, RowLogLoss
from ..core import short
from ..data import Table
from ..multitask import delta_m
from ._look import number, Numbers
from ._reading import reading_sections
from ._table_answers import answers, listed, overall_error, recommendation, who
from ._table_figures import MOST_NAMED
from ._table_result import TableResult
from ._values import Bullets, code, escaped, Grid, Markdown, Page, Paragraph, Picture, Section

LONGEST = 80  # letters of a task's name on the page
CAPTIONS = {
    "recipes": "Each recipe on rows that were not trained on, with its 95 % interval over"
    " divisions.",
    "gains": "The gain of each task from being learnt together, compared with one model per task,"
    " with its 95 % interval. Red: a significant loss; green: a significant gain (for all tasks at"
    " once); grey: not to be told from none.",
    "affinity": "First: cosines between the gradients of tasks for the parameters that they share."
    " Second: the part of the loss of the column's task that a step for the row's task alone"
    " removes. Red is conflict. Means over the training of a shared body; tasks whose gradients"
    " point alike stand side by side.",
    "shots": "Held-out tasks, against the number of their rows that are learnt from.",
}
EXPLANATION = (
    "A *recipe* is a way to learn, with its settings: *from scratch* is one model for each task,"
    " *pooled* one for all rows, *multi-task* learns tasks together, with something of its own for"
    " each, and a *bound* is no contestant. ± is half the 95 % interval over divisions of"
    " the rows, which allows for the rows that they share (the corrected resampled t-test of Nadeau"
    " & Bengio 2003); differences are paired by division. Settings and recommendations are chosen"
    " on validation rows, for each division; nothing is chosen on the rows that are scored. Δm is"
    " the mean over tasks of the relative change in error, in per cent, compared with one model per"
    " task: lower is better."
)


def page_of_table(result: TableResult, figures: Sequence[str], command: str, folder: Path) -> Page:
    """The page of a comparison on a table, whose run is in `folder`."""
    table, seen = result.table, result.seen
    lead = (
        f"{len(table.x):,} rows, {table.x.shape[1]} inputs, {len(table)} tasks, {_target(table)}."
        f" Made by {code(command)}."
    )
    failures = tuple(Paragraph(str(escaped(message))) for message in seen.failures.values())
    pictures = tuple(Picture(name, CAPTIONS[name]) for name in figures)
    new = () if result.new is None else (Section("New tasks", _new_parts(result.new, table)),)
    advice = recommendation(result, folder)
    boxed = (Paragraph("\n\n".join(advice), boxed=True),) if advice else ()
    title = seen.measure.name[0].upper() + seen.measure.name[1:]
    return Page(
        "Does learning together help?",
        (
            Section("", (*boxed, *map(Paragraph, answers(result))), brief=True),
            Section(
                f"{title} on rows that were not trained on", (_recipe_grid(result),), brief=True
            ),
            Section("", (Paragraph(EXPLANATION), *failures, *pictures)),
            Section("Tasks", _task_parts(result)),
            *new,
            *reading_sections(table),
            Section("How it was done", (Paragraph(lead), *_method(result))),
        ),
    )


def _target(table: Table) -> str:
    names = listed(table.targets[:12]) + (", …" if len(table.targets) > 12 else "")
    if table.classes:
        return f"target: {names} ({len(table.classes)} classes)"
    return f"target: {names}"


# Tables


def _recipe_grid(result: TableResult) -> Grid:
    seen, rows, numbers = result.seen, result.seen.rows, Numbers(result.seen.measure)
    alone = result.alone
    base = None if alone is None else rows.errors(alone.predictions).mean(axis=0)
    error = "wrong (%)" if rows.classes else "root mean squared error"
    second = _second(seen)
    best = list(result.contrasted().items())
    lines = []
    for title, outcome in [*((outcome.name, outcome) for outcome in seen), *best]:
        errors = rows.errors(outcome.predictions).mean(axis=0)
        delta = ""
        if base is not None and (base > 0).all():
            delta = f"{float(delta_m(errors, base, [False] * len(base))):+.1f}"
        apart = ""
        if alone is not None and outcome is not alone and not _same(outcome, alone):
            apart = numbers.difference(*seen.difference(outcome, alone))
        is_best = (title, outcome) in best
        lines.append(
            (
                Markdown(f"**best of: {escaped(title)}**") if is_best else title,
                outcome.recipe.setting.value,
                numbers.text(*seen.value(outcome)).removesuffix(" %"),
                apart,
                *((_at_a_mean(second, seen, outcome),) if second else ()),
                overall_error(seen, outcome),
                delta,
                who(outcome) if is_best else _settings(outcome),
                f"{outcome.cost.train_seconds:.1f}" if outcome.cost.train_seconds else "",
            )
        )
    head = (
        "recipe",
        "setting",
        numbers.label,
        "minus one model per task",
        *((Numbers(second).label,) if second else ()),
        error,
        "Δm",
        "chosen",
        "seconds",
    )
    return Grid(head, tuple(lines), left=2, brief=(0, 1, 2, 3))


def _same(outcome: Outcome, other: Outcome) -> bool:
    return np.array_equal(outcome.predictions, other.predictions)


def _second(seen: Comparison) -> Any:
    """A measure next to that of the comparison: log loss of classes, and explained variance of
    counts."""
    if seen.rows.classes:
        return None if isinstance(seen.measure, RowLogLoss) else RowLogLoss()
    return ExplainedVariance() if seen.rows.zero is not None else None


def _at_a_mean(measure: Any, seen: Comparison, outcome: Outcome) -> str:
    value = float(np.nanmean(measure.of_all(outcome.predictions, seen.rows)))
    return Numbers(measure).one(value).removesuffix(" %")


def _settings(outcome: Outcome) -> str:
    """The settings that validation rows chose, in short."""

    def brief(text: str) -> str:
        pairs = re.findall(r"\b(l2|alpha|lr|decay|to_mean|slopes)=([^,()\s]+)", text)
        return ", ".join(f"{name} {value}" for name, value in pairs) or "as it is"

    learners = [described(outcome.recipe, choice)["learner"] for choice in outcome.chosen[-1]]
    return "; ".join(dict.fromkeys(map(brief, learners)))


def _task_parts(result: TableResult) -> tuple[Paragraph | Grid, ...]:
    records = result.of_tasks()
    heads = [k for k in records[0] if k not in ("task", "scored_rows", "gain", "gain_ci95")]
    gains = [-np.inf if record.get("gain") is None else float(record["gain"]) for record in records]
    order = sorted(
        range(len(records)),
        key=lambda i: gains[i],
        reverse=True,
    )
    shown = order if len(order) <= MOST_NAMED else [*order[:10], *order[-10:]]
    lead = "The ten tasks that gain most and the ten that gain least; `tasks.csv` has all."
    lines = []
    for i in shown:
        record = records[i]
        gain, half = record.get("gain"), record.get("gain_ci95")
        text = "" if gain is None else f"{100 * gain:+.1f}"
        text += "" if half is None else f" ± {100 * half:.1f}"
        cells = ("" if record[head] is None else number(record[head]) for head in heads)
        lines.append((short(record["task"], LONGEST), f"{record['scored_rows']:.0f}", *cells, text))
    grid = Grid(
        ("task", "rows scored", *heads, f"gain ({result.seen.rows.unit_of_gains})"), tuple(lines)
    )
    return (grid,) if len(shown) == len(order) else (Paragraph(lead), grid)


def _new_parts(new: Comparison, table: Table) -> tuple[Grid | Paragraph, ...]:
    numbers = Numbers(new.measure)
    lines = []
    for outcome in new:
        benefit = new.sample_efficiency(outcome)
        needed = "" if benefit is None else str(benefit)
        if benefit is not None and outcome.recipe.baseline:
            needed = f"{benefit.baseline:.3g}"
        cells = (numbers.text(*new.value(outcome, shots)) for shots in new.shots)
        lines.append((outcome.name, outcome.recipe.setting.value, *cells, needed))
    shots = [f"{shots} rows" for shots in new.shots]
    head = ("recipe", "setting", *shots, "rows needed")
    assert new.question.units is not None  # tasks of a table are the units of chance
    divisions, names = new.question.seeds, np.unique(new.question.units)
    words = (
        f"{new.measure.name[0].upper()}{new.measure.name[1:]} on held-out tasks: {len(names)}"
        f" tasks, other ones in each of {divisions} divisions; ± is half the 95 % interval over"
        " these tasks. *Rows needed*: to do as well as learning from scratch at its best. Targets"
        " are scaled by training tasks, so that a network that begins near zero begins near their"
        " mean."
    )
    if table.time is not None:
        words += (
            " A held-out task is learnt from its earliest rows and scored on the next ones; rows of"
            " other tasks are learnt from whatever their time."
        )
    if table.group is not None:
        words += " One row of each group is used, so that none is on both sides."
    return (Grid(head, tuple(lines), left=2), Paragraph(words))


def _division(result: TableResult) -> str:
    table, seeds = result.table, result.seen.question.seeds
    scaling = " Scaling, filled-in values and known words come from training rows alone."
    if table.part is not None:
        return f"One division of the rows, as a column of the table gives it.{scaling}"
    if table.time is not None:
        return (
            f"{seeds} divisions by time: the past trains, what comes next chooses settings, and"
            f" what comes after it is scored; each division moves on.{scaling}"
        )
    groups = " Rows of one group are in the same part." if table.group is not None else ""
    return (
        f"{seeds} divisions; each gives six tenths of each task's rows to training, two to"
        f" validation and two to scoring.{groups}{scaling}"
    )


def _method(result: TableResult) -> tuple[Bullets | Grid, ...]:
    entries = [
        _division(result),
        "Networks are trained by AdamW on all tasks at once; step size, decay and when to stop are"
        " chosen on validation rows, by the same grid for one network per task, the pooled one, and"
        " those with a shared body.",
        "*Best of* takes, for each division, the recipe that is best on validation rows.",
        *(str(escaped(note)) for note in result.table.notes),
    ]
    sources = tuple((outcome.name, outcome.recipe.source) for outcome in result.seen)
    return (Bullets(tuple(entries)), Grid(("recipe", "source"), sources, left=2))
