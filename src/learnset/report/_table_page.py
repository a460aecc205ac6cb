"""A comparison on a table as a page: the answers first, then tables, figures, and how it was
done."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..comparison import BestOf, Comparison, described, Outcome, Setting
from ..core import short
from ..data import Table
from ..multitask import delta_m
from ._look import number, Numbers, percent
from ._reading import reading_sections
from ._table_figures import MOST_NAMED
from ._table_result import TableResult
from ._values import Bullets, code, escaped, Grid, Markdown, Page, Paragraph, Picture, Section

LONGEST = 80  # letters of a task's name on the page
CAPTIONS = {
    "recipes": "Each recipe on rows that were not trained on, with its 95 % interval over"
    " divisions.",
    "gains": "The gain of each task from being learnt together, compared with one model per task,"
    " with its 95 % interval.",
    "affinity": "Left: cosines between the gradients of tasks for the parameters that they share."
    " Right: the part of the loss of the column's task that a step for the row's task alone"
    " removes. Red is conflict. Means over the training of a shared body; tasks whose gradients"
    " point alike stand side by side.",
    "shots": "Held-out tasks, against the number of their rows that are learnt from.",
}


def page_of_table(result: TableResult, figures: Sequence[str], command: str) -> Page:
    """The page of a comparison on a table."""
    table, seen = result.table, result.seen
    lead = (
        f"{len(table.x):,} rows, {table.x.shape[1]} inputs, {_target(table)}. Made by"
        f" {code(command)}."
    )
    failures = tuple(Paragraph(str(escaped(message))) for message in seen.failures.values())
    pictures = tuple(Picture(name, CAPTIONS[name]) for name in figures)
    new = () if result.new is None else (Section("New tasks", _new_parts(result.new)),)
    return Page(
        "Does learning together help?",
        (
            Section("", (Paragraph(lead),)),
            Section("", (Paragraph("\n\n".join(answers(result)), boxed=True),), brief=True),
            Section(
                f"{seen.measure.name[0].upper()}{seen.measure.name[1:]} on rows that were not"
                " trained on",
                (_recipe_grid(result),),
                brief=True,
            ),
            Section("", (Paragraph(EXPLANATION), *failures, *pictures)),
            Section("Tasks", _task_parts(result)),
            *new,
            *reading_sections(table),
            Section("How it was done", _method(result)),
        ),
    )


EXPLANATION = (
    "± is half the 95 % interval over divisions of the rows (seeds), and differences are paired by"
    " them. Divisions share rows, so that intervals are a little too narrow. Settings are chosen on"
    " validation rows, for each division; nothing is chosen on the rows that are scored. Δm is the"
    " mean over tasks of the relative change in error, in per cent, compared with one model per"
    " task: lower is better."
)


# Sentences


def answers(result: TableResult) -> list[str]:
    """The questions that the page answers, in a paragraph each."""
    together, alone = result.together, result.alone
    paragraphs = []
    if together is not None and alone is not None:
        paragraphs += [_does_it_help(result, together, alone), _for_which(result, together, alone)]
    paragraphs += [_less_data(result)]
    if len(result.affinities.index) > 1:
        paragraphs += [_conflicts(result)]
    return paragraphs + _would_uniform_do(result)


def _does_it_help(result: TableResult, together: Outcome, alone: Outcome) -> str:
    seen, numbers = result.seen, Numbers(result.seen.measure)
    mean, half = seen.difference(together, alone)
    verdict = "makes no difference beyond chance"
    if mean - half > 0:
        verdict = "helps"
    if mean + half < 0:
        verdict = "hurts"
    pooled = result.pooled
    shown = [f"{numbers.text(*seen.value(together))} for tasks learnt together ({_who(together)})"]
    shown += [f"{numbers.text(*seen.value(alone))} for one model per task ({_who(alone)})"]
    minus = f"one model per task, paired: {numbers.difference(mean, half)} percentage points"
    if pooled is not None:
        shown += [f"{numbers.text(*seen.value(pooled))} for one pooled model ({_who(pooled)})"]
        minus += f"; minus pooled: {numbers.difference(*seen.difference(together, pooled))}"
    return (
        f"**Does learning together help?** It {verdict}. The {seen.measure.name} is"
        f" {', '.join(shown)}. Together minus {minus}."
    )


def _for_which(result: TableResult, together: Outcome, alone: Outcome) -> str:
    gain, half = result.seen.gains(together, alone)
    names, known = result.seen.rows.names, np.isfinite(gain)
    better, worse = (known & (gain - half > 0)), (known & (gain + half < 0))
    order = [names[i] for i in np.argsort(np.where(known, -gain, np.inf))]
    most = order[: min(3, int((known & (gain > 0)).sum()))]
    losses = [names[i] for i in np.flatnonzero(worse)]
    sentences = [f"{_listed(most)} gain most."] if len(most) > 1 else []
    sentences += [f"{_listed(most)} gains most."] if len(most) == 1 else []
    sentences += [f"Losses beyond it: {_listed(losses[:3])}."] if losses else []
    chance = 0.025 * known.sum()
    return (
        f"**For which tasks?** {better.sum()} of {known.sum()} tasks gain beyond their 95 %"
        f" interval, and {worse.sum()} lose; {(known & (gain > 0)).sum()} gain on average. By"
        f" chance alone about {chance:.0f} would be beyond it on each side."
        f" {' '.join(sentences)}".rstrip()
    )


def _less_data(result: TableResult) -> str:
    lead = "**How much data does it save on a new task?**"
    if result.new is None:
        return (
            f"{lead} The table has {len(result.table)} tasks that are large enough: too few to hold"
            " some of them out."
        )
    new, numbers, sign = result.new, Numbers(result.new.measure), result.new.measure.sign
    few, many = new.shots[0], new.shots[-1]
    baseline = new.baseline()
    others = [o for o in new if o.recipe.setting is not Setting.SCRATCH]
    if baseline is None or not others:
        return f"{lead} No recipe has an answer."
    best = max(others, key=lambda o: sign * float(o.overall_at(few).mean()))
    target = float(baseline.overall_at(many).mean())
    reached = next(
        (s for s in new.shots if sign * best.overall_at(s).mean() >= sign * target), None
    )
    from_scratch = f"learning from scratch with {many} ({numbers.one(target)})"
    enough = f"with {many} rows it does not yet do as well as {from_scratch}"
    if reached is not None:
        fewer = " or fewer" if reached == few else ""
        enough = f"with {reached} rows{fewer} it does as well as {from_scratch}"
    kind = "an accuracy" if result.table.classes else "an error (in variances of the target)"
    return (
        f"{lead} From {few} rows of a held-out task, {escaped(best.name)} has {kind} of"
        f" {numbers.text(*new.value(best, few))}, and learning from scratch"
        f" {numbers.text(*new.value(baseline, few))}; {enough}."
    )


def _conflicts(result: TableResult) -> str:
    some, size = result.affinities, len(result.affinities.index)
    off = ~np.eye(size, dtype=bool)
    cosine, ahead = some.cosine[off], some.lookahead[off]
    names = [escaped(short(result.table.names[i], LONGEST)) for i in some.index]
    i, j = np.unravel_index(np.where(off, some.lookahead, np.inf).argmin(), off.shape)
    among = "" if size == len(result.table) else f"Among the {size} tasks with most rows, "
    worst = "No task's step raises the loss of another on average."
    if some.lookahead[i, j] < 0:
        rise = percent(some.lookahead[i, j])
        worst = f"A step for {names[i]} hurts {names[j]} most (its loss rises by {rise})."
    gradients = "gradients" if among else "Gradients"
    return (
        f"**Which tasks hurt each other?** {among}{gradients} conflict in"
        f" {100 * (cosine < 0).mean():.0f} % of pairs (median cosine {np.median(cosine):.2f}), and"
        f" a step for one task raises the loss of another for {100 * (ahead < 0).mean():.0f} % of"
        f" them. {worst}"
    )


def _would_uniform_do(result: TableResult) -> list[str]:
    seen, numbers = result.seen, Numbers(result.seen.measure)
    balanced = [outcome for outcome in seen if outcome.name in result.balanced]
    if not balanced or result.uniform not in seen:
        return []
    best = seen.best_of("balanced", balanced)
    assert best is not None  # there is at least one
    mean, half = seen.difference(best, seen[result.uniform])
    verdict = "Yes" if mean - half <= 0 else "No"
    return [
        f"**Would a tuned uniform sum do as well as a balancer?** {verdict}: on the same shared"
        f" body, {_who(best)} minus the uniform sum is {numbers.difference(mean, half)} percentage"
        " points."
    ]


def _who(outcome: Outcome) -> Markdown:
    """The recipes that validation rows chose, and how often."""
    if not isinstance(outcome, BestOf):
        return escaped(outcome.name)
    counts = Counter(outcome.members[-1])
    if len(counts) == 1:
        return escaped(next(iter(counts)))
    return escaped(", ".join(f"{name} {count}×" for name, count in counts.items()))


def _listed(names: Sequence[str]) -> str:
    shown = [str(escaped(short(name, LONGEST))) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _target(table: Table) -> str:
    names = _listed(table.targets[:12]) + (", …" if len(table.targets) > 12 else "")
    if table.classes:
        return f"target: {names} ({len(table.classes)} classes)"
    return f"target: {names}"


# Tables


def _recipe_grid(result: TableResult) -> Grid:
    seen, rows, numbers = result.seen, result.seen.rows, Numbers(result.seen.measure)
    alone = result.alone
    base = None if alone is None else rows.errors(alone.predictions).mean(axis=0)
    error = "wrong (%)" if rows.classes else "root mean squared error"
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
                _overall(seen, errors, outcome),
                delta,
                _who(outcome) if is_best else _settings(outcome),
                f"{outcome.cost.train_seconds:.1f}" if outcome.cost.train_seconds else "",
            )
        )
    head = (
        "recipe",
        "setting",
        numbers.label,
        "minus one model per task",
        error,
        "Δm",
        "chosen",
        "seconds",
    )
    return Grid(head, tuple(lines), left=2, brief=(0, 1, 2, 3))


def _same(outcome: Outcome, other: Outcome) -> bool:
    return np.array_equal(outcome.predictions, other.predictions)


def _overall(seen: Comparison, errors: np.ndarray, outcome: Outcome) -> str:
    """The error in units of the target; of several targets there are several units."""
    rows = seen.rows
    if rows.classes:
        return f"{100 * float(errors.mean()):.1f}"
    if not rows.one_target:
        return "by task, below"
    squares = rows.squares(outcome.predictions)[0].sum(axis=1)
    each = np.sqrt(squares / rows.present.sum(axis=(1, 2))) * rows.std[:, 0]
    return number(float(each.mean()))


def _settings(outcome: Outcome) -> str:
    """The settings that validation rows chose, in short."""

    def short(text: str) -> str:
        pairs = re.findall(r"\b(l2|alpha|lr|decay|to_mean|slopes)=([^,()\s]+)", text)
        return ", ".join(f"{name} {value}" for name, value in pairs) or "as it is"

    learners = [described(outcome.recipe, choice)["learner"] for choice in outcome.chosen[-1]]
    return "; ".join(dict.fromkeys(map(short, learners)))


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
    unit = "percentage points" if result.seen.rows.classes else "% of the target's variance"
    lines = []
    for i in shown:
        record = records[i]
        gain, half = record.get("gain"), record.get("gain_ci95")
        text = "" if gain is None else f"{100 * gain:+.1f}"
        text += "" if half is None else f" ± {100 * half:.1f}"
        cells = ("" if record[head] is None else number(record[head]) for head in heads)
        lines.append((short(record["task"], LONGEST), f"{record['scored_rows']:.0f}", *cells, text))
    grid = Grid(("task", "rows scored", *heads, f"gain ({unit})"), tuple(lines))
    return (grid,) if len(shown) == len(order) else (Paragraph(lead), grid)


def _new_parts(new: Comparison) -> tuple[Grid | Paragraph, ...]:
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
    measure = (
        "Accuracy" if new.measure.percent else "Mean squared error, in variances of the target,"
    )
    words = (
        f"{measure} on held-out tasks, ± over seeds. *Rows needed*: to do as well as learning from"
        " scratch at its best. Targets are scaled by training tasks, so that a network that begins"
        " near zero begins near their mean."
    )
    return (Grid(head, tuple(lines), left=2), Paragraph(words))


def _method(result: TableResult) -> tuple[Bullets | Grid, ...]:
    entries = [
        "Each division gives six tenths of each task's rows to training, two to validation and two"
        " to scoring. Scaling, filled-in values and known words come from training rows alone.",
        "Networks are trained by AdamW on all tasks at once; step size, decay and when to stop are"
        " chosen on validation rows, by the same grid for one network per task, the pooled one, and"
        " those with a shared body.",
        "*Best of* takes, for each division, the recipe that is best on validation rows.",
        *(str(escaped(note)) for note in result.table.notes),
    ]
    sources = tuple((outcome.name, outcome.recipe.source) for outcome in result.seen)
    return (Bullets(tuple(entries)), Grid(("recipe", "source"), sources, left=2))
