"""What a comparison on a table says, in sentences and tables."""

import re
from collections.abc import Sequence

import numpy as np

from ..comparison import Comparison, Outcome, RowComparison, RowOutcome, Setting
from ..data import Table
from ..multitask import delta_m
from ._findings import KINDS, MOST_NAMED, TableFindings
from ._scale import number, scale

# Sentences.


def answers_of_table(found: TableFindings) -> list[str]:
    """The questions that the page answers, in a sentence each."""
    return [
        _does_it_help(found.rows),
        _for_which(found.rows),
        _less_data(found),
        _who_hurts(found),
        *_would_uniform_do(found),
    ]


def _does_it_help(rows: RowComparison) -> str:
    alone, pooled, together = rows.alone(), rows.pooled(), rows.together()
    mean, half = rows.difference(together, alone)
    verdict = (
        "helps"
        if mean - half > 0
        else "hurts"
        if mean + half < 0
        else "makes no difference that is beyond chance"
    )
    scores = [_shown(rows, outcome) for outcome in (together, alone, pooled)]
    against = _points(rows, *rows.difference(together, pooled))
    return (
        f"**Does learning together help?** It {verdict}: {rows.rows.measure} {scores[0]} for what is learnt together"
        f" ({_counted(together)}), {scores[1]} for one model each ({_counted(alone)}), {scores[2]} for one pooled model"
        f" ({_counted(pooled)}). Together minus one model each, paired: {_points(rows, mean, half)}; minus pooled: {against}."
    )


def _for_which(rows: RowComparison) -> str:
    gain, half = rows.rows.gains(rows.together().answers, rows.alone().answers)
    names, known = np.array(rows.rows.names), np.isfinite(gain)
    better, worse = (known & (gain - half > 0)), (known & (gain + half < 0))
    order = names[np.argsort(np.where(known, -gain, np.inf))]
    most = order[: min(3, (known & (gain > 0)).sum())]
    sentences = [f"Most is gained by {_listed(most)}."] if len(most) else []
    sentences += [f"Lost beyond it: {_listed(names[worse][:3])}."] if worse.any() else []
    chance = 0.025 * known.sum()
    return (
        f"**For which tasks?** {better.sum()} of {known.sum()} tasks gain beyond their 95 % interval, and {worse.sum()} lose;"
        f" {(known & (gain > 0)).sum()} gain on average at all. By chance alone about {chance:.0f} would be beyond it on each"
        f" side. {' '.join(sentences)}".rstrip()
    )


def _less_data(found: TableFindings) -> str:
    lead = "**How much data does it save on a new task?**"
    if found.new is None:
        return f"{lead} The table has {len(found.table)} tasks that are large enough: too few to hold some of them out."
    new, shots = found.new, found.new.shots
    shown = scale(new.metric)
    alone = [o for o in new if o.recipe.setting is Setting.SCRATCH]
    others = [o for o in new if o.recipe.setting is not Setting.SCRATCH]
    first, last = (
        min(alone, key=lambda o, s=s: float(o.at(s).mean())) for s in (shots[0], shots[-1])
    )
    best = min(others, key=lambda o: float(o.at(shots[0]).mean()))
    target, curve = float(last.at(shots[-1]).mean()), [float(best.at(s).mean()) for s in shots]
    reached = next((s for s, error in zip(shots, curve, strict=True) if error <= target), None)
    enough = (
        f"with {reached} rows{' or fewer' if reached == shots[0] else ''} it does as well as the best from scratch with"
        f" {shots[-1]} ({last.recipe.name}, {shown.one(target)})"
        if reached is not None
        else f"with {shots[-1]} rows it has not yet come to what scratch has with as many ({shown.one(target)})"
    )
    return (
        f"{lead} From {shots[0]} rows of a task that was held out, {best.recipe.name} has {_error(found)}"
        f" {shown.text(best.at(shots[0]))}, and the best from scratch ({first.recipe.name})"
        f" {shown.text(first.at(shots[0]))}; {enough}."
    )


def _error(found: TableFindings) -> str:
    return "an accuracy of" if found.table.classes else "an error (in variances of the target) of"


def _who_hurts(found: TableFindings) -> str:
    some, size = found.affinities, len(found.affinities.index)
    off = ~np.eye(size, dtype=bool)
    cosine, ahead = some.cosine[off], some.lookahead[off]
    names = [found.table.names[i] for i in some.index]
    i, j = np.unravel_index(np.where(off, some.lookahead, np.inf).argmin(), off.shape)
    among = (
        "The gradients"
        if size == len(found.table)
        else f"Among the {size} tasks with most rows the gradients"
    )
    worst = (
        f"most of all a step for {names[i]} hurts {names[j]} (its loss rises by {_percent(some.lookahead[i, j])})"
        if some.lookahead[i, j] < 0
        else "no task's step raises the loss of another on average"
    )
    return (
        f"**Which tasks hurt each other?** {among} of {100 * (cosine < 0).mean():.0f} % of pairs are in conflict (the median"
        f" cosine is {np.median(cosine):.2f}), and a step for one task raises the loss of another for"
        f" {100 * (ahead < 0).mean():.0f} % of them; {worst}."
    )


def _would_uniform_do(found: TableFindings) -> list[str]:
    rows = found.rows
    there = [outcome for outcome in rows if outcome.name in found.balanced]
    uniform = [outcome for outcome in rows if outcome.name == found.uniform]
    if not there or not uniform:
        return []
    best = rows.best_of("balanced", there)
    mean, half = rows.difference(best, uniform[0])
    verdict = "Yes" if mean - half <= 0 else "No"
    return [
        f"**Would a tuned uniform sum do as well as a balancer?** {verdict}: on the same shared body, {_counted(best)} minus the"
        f" uniform sum is {_points(rows, mean, half)}."
    ]


def _counted(outcome: RowOutcome) -> str:
    """Which recipes validation rows chose, and how often."""
    names = list(dict.fromkeys(outcome.chosen))
    if len(names) == 1:
        return names[0]
    return ", ".join(f"{name} {outcome.chosen.count(name)}×" for name in names)


def _shown(rows: RowComparison, outcome: RowOutcome) -> str:
    mean, half = rows.score(outcome)
    return f"{100 * mean:.1f} ± {100 * half:.1f} %" if np.isfinite(half) else f"{100 * mean:.1f} %"


def _points(rows: RowComparison, mean: float, half: float) -> str:
    """A difference of measures, in hundredths."""
    return f"{100 * mean:+.1f} ± {100 * half:.1f}"


def _percent(value: float) -> str:
    return f"{100 * abs(value):.1f} %"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(str, names))


# The page, as Markdown.


def words_of_table(found: TableFindings, figures: Sequence[str], command: str) -> str:
    """The page: answers, tables, figures, and how it was done."""
    rows, table = found.rows, found.table
    lines = [f"# {len(table)} tasks: one model each, pooled, or learnt together?", ""]
    lines += [
        f"{len(table.x):,} rows, {table.x.shape[1]} inputs, {_target_words(table)}. Made by `{command}`.",
        "",
    ]
    lines += [f"{sentence}\n" for sentence in answers_of_table(found)]
    lines += [
        f"## Rows that were not trained on: {rows.rows.measure}",
        "",
        *_recipe_lines(rows),
        "",
    ]
    lines += [
        "± is half the 95 % interval over divisions of the rows (seeds), differences are paired by them; divisions share rows,"
        " so that intervals are a little too narrow. Settings are chosen on validation rows, for each division apart; nothing"
        " is chosen on the rows that are scored. Δm is the mean over tasks of the relative change in error, in per cent, against"
        " one model each: lower is better.",
        "",
    ]
    lines += [f"{message}\n" for message in rows.failures.values()]
    captions = {
        "recipes": "Each recipe on rows that were not trained on, with its 95 % interval over divisions.",
        "gains": "What each task gains from being learnt together, against one model each, with its 95 % interval.",
        "affinity": "Left: cosines between the gradients of tasks for what they share. Right: by what part the loss of the"
        " column's task falls after a step for the row's task alone. Red is conflict. Means over the training of a shared body;"
        " tasks whose gradients point alike stand side by side.",
        "shots": "Held-out tasks, against the number of their rows that are learnt from.",
    }
    lines += [f"![{captions[name]}]({name}.svg)\n\n*{captions[name]}*\n" for name in figures]
    lines += ["## Tasks", "", *_task_lines(found), ""]
    if found.new is not None:
        lines += ["## New tasks", "", *_new_lines(found.new), ""]
    lines += ["## How it was done", "", *_method_lines(found)]
    return "\n".join(lines)


def _target_words(table: Table) -> str:
    names = ", ".join(table.targets[:12]) + (", …" if len(table.targets) > 12 else "")
    if table.classes:
        return f"target: {names} ({len(table.classes)} classes)"
    return f"target: {names}"


def _recipe_lines(rows: RowComparison) -> list[str]:
    alone = rows.alone()
    base = rows.rows.errors(alone.answers).mean(axis=0)
    error = "wrong (%)" if rows.rows.classes else "root mean squared error"
    lines = [
        f"| recipe | | {rows.rows.measure} (%) | minus one model each | {error} | Δm | chosen | seconds |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    best = [alone, rows.pooled(), rows.together()]
    for outcome in [*rows, *best]:
        mine = rows.rows.errors(outcome.answers).mean(axis=0)
        delta = (
            f"{float(delta_m(mine, base, [False] * len(base))):+.1f}" if (base > 0).all() else ""
        )
        name = outcome.name if outcome not in best else f"**best of: {outcome.name}**"
        apart = "" if outcome is alone else _points(rows, *rows.difference(outcome, alone))
        lines.append(
            f"| {name} | {KINDS[outcome.setting][1]} | {_shown(rows, outcome).removesuffix(' %')} | {apart} |"
            f" {_overall(rows, mine, outcome)} | {delta} | {_setting(outcome)} |"
            f" {f'{outcome.seconds:.1f}' if outcome.seconds else ''} |"
        )
    return lines


def _overall(rows: RowComparison, errors: np.ndarray, outcome: RowOutcome) -> str:
    """The error in units of the target; of several targets there are several units."""
    if rows.rows.classes:
        return f"{100 * float(errors.mean()):.1f}"
    if not rows.rows.pooled:
        return "by task, below"
    weight = rows.rows.there[..., None]
    squares = np.where(weight, (rows.rows.y - outcome.answers) ** 2, 0).sum(axis=(1, 2, 3))
    each = np.sqrt(squares / rows.rows.there.sum(axis=(1, 2))) * rows.rows.std[:, 0]
    return number(float(each.mean()))


def _setting(outcome: RowOutcome) -> str:
    """The settings that validation rows chose, in short."""

    def short(words: str) -> str:
        found = re.findall(r"\b(l2|alpha|lr|decay|to_mean|slopes)=([^,()\s]+)", words)
        return ", ".join(f"{name} {value}" for name, value in found) or words

    return "; ".join(dict.fromkeys(short(words) for words in outcome.chosen))


def _task_lines(found: TableFindings) -> list[str]:
    records = found.rows.of_tasks()
    heads = [key for key in records[0] if key not in ("task", "scored_rows", "gain", "gain_ci95")]
    order = sorted(
        range(len(records)),
        key=lambda i: -(records[i]["gain"] if records[i]["gain"] is not None else -np.inf),
    )
    shown = order if len(order) <= MOST_NAMED else [*order[:10], *order[-10:]]
    unit = (
        "hundredths of the measure"
        if found.rows.rows.classes
        else "hundredths of the target's variance"
    )
    lines = (
        []
        if len(shown) == len(order)
        else ["The ten tasks that gain most and the ten that gain least; `tasks.csv` has all.", ""]
    )
    lines += [
        f"| task | rows scored | {' | '.join(heads)} | gain ({unit}) |",
        "|---" * (len(heads) + 3) + "|",
    ]
    for i in shown:
        one = records[i]
        gain = "" if one["gain"] is None else f"{100 * one['gain']:+.1f}"
        gain += "" if one["gain_ci95"] is None else f" ± {100 * one['gain_ci95']:.1f}"
        cells = " | ".join("" if one[head] is None else number(one[head]) for head in heads)
        lines.append(f"| {one['task']} | {one['scored_rows']:.0f} | {cells} | {gain} |")
    return lines


def _new_lines(new: Comparison) -> list[str]:
    shown = scale(new.metric)
    lines = [
        f"| recipe | | {' | '.join(f'{shots} rows' for shots in new.shots)} | rows to scratch's best |"
    ]
    lines += ["|---" * (len(new.shots) + 3) + "|"]
    for outcome in new:
        cells = " | ".join(shown.text(outcome.at(shots)) for shots in new.shots)
        lines.append(
            f"| {outcome.recipe.name} | {outcome.recipe.setting.value} | {cells} | {_efficiency(new, outcome)} |"
        )
    measure = (
        "Accuracy" if not shown.logarithmic else "Mean squared error, in variances of the target,"
    )
    return [
        *lines,
        "",
        f"{measure} on tasks that were held out, ± over seeds. Rows to scratch's best: of the first line.",
        "Targets are scaled by training tasks, so that a network that begins near zero begins near their mean.",
    ]


def _efficiency(new: Comparison, outcome: Outcome) -> str:
    benefit = new.sample_efficiency(outcome)
    if benefit is None:
        return ""
    return f"{benefit.scratch:.3g}" if outcome is new.baseline(outcome) else str(benefit)


def _method_lines(found: TableFindings) -> list[str]:
    lines = [
        "- Each division gives six tenths of each task's rows to training, two to validation and two to scoring. Scaling,"
        " filled-in values and known words come from training rows alone.",
        "- Networks are trained by AdamW on all tasks at once; step size, decay and when to stop are chosen on validation rows,"
        " by the same grid for one network each, the pooled one, and those with a shared body.",
        "- *Best of* takes, for each division, the recipe that is best on validation rows.",
    ]
    lines += [f"- {note}" for note in found.table.notes]
    lines += ["", "| recipe | source |", "|---|---|"]
    lines += [f"| {outcome.name} | {outcome.source} |" for outcome in found.rows]
    return [*lines, ""]
