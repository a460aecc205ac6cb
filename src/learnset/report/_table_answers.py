"""The answers of a comparison on a table, in sentences: what to use, and what it rests on."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..comparison import BestOf, Comparison, Outcome, Setting, Verdict
from ..core import short
from ._look import number, Numbers, percent
from ._table_result import TableResult
from ._values import code, escaped, Markdown

LONGEST = 80  # letters of a name on the page
MEANING = {
    "explained variance": "100 % is perfect, 0 % no better than one mean for all rows",
    "explained deviance": "of counts, by their Poisson likelihood: 100 % is perfect, 0 % no better"
    " than one mean for all rows",
    "ROC-AUC": "the probability that a row of the second class is ranked above one of the first:"
    " 100 % is perfect, 50 % is chance",
    "log loss": "minus the logarithm of the probability of the right class: 0 is perfect, lower is"
    " better",
    "mean squared error": "in variances of the target: 0 is perfect, 1 is no better than one mean",
    "accuracy": "the part of the rows whose class is right",
}
# The value of a measure where nothing is known of a row, and what has it.
ONE_MEAN = (0.0, "one mean for all rows")
NOTHING = {
    "explained variance": ONE_MEAN,
    "explained deviance": ONE_MEAN,
    "ROC-AUC": (0.5, "chance"),
}


def recommendation(result: TableResult, folder: Path) -> list[str]:
    """What to use, in numbers, and the command that fits it."""
    seen, best = result.seen, result.seen.recommended()
    if best is None:
        return []
    numbers = Numbers(seen.measure)
    name = seen.measure.name
    command = code(f"learnset fit {shlex.quote(str(folder))}")
    paragraphs = [
        f"**Use {_with_article(best.name)}** for the {len(result.table)} tasks of this table. On"
        f" rows that were not trained on, its {name} ({MEANING.get(name, '')}) is"
        f" {numbers.text(*seen.value(best))}{_in_units(result, best)}."
        f" {_against_others(result, best)} To fit it on all rows: {command}"
    ]
    if result.new is not None:
        paragraphs += [_for_new_tasks(result.new), _cost_of_less(result.new)]
    return [paragraph for paragraph in paragraphs if paragraph]


def _in_units(result: TableResult, best: Outcome) -> str:
    """The error of one target of numbers in its unit."""
    rows = result.seen.rows
    if rows.classes or not rows.one_target:
        return ""
    error = overall_error(result.seen, best)
    return f", and its error (root mean squared) {error} in units of {listed(result.table.targets)}"


def _against_others(result: TableResult, best: Outcome) -> str:
    """What the recommended recipe is better than, or cannot be told from."""
    seen, together = result.seen, best.recipe.setting is Setting.MULTI_TASK
    other = result.rival if together else result.together
    sentences = []
    if other is not None:
        kind = "without learning tasks together" if together else "that learns tasks together"
        sentences.append(
            f"Compared with the best {kind} ({who(other)},"
            f" {Numbers(seen.measure).text(*seen.value(other))}),"
            f" {_compared(seen, seen.verdict(best, other))}."
        )
    nothing, value, half = NOTHING.get(seen.measure.name), *seen.value(best)
    if nothing is not None and not value - np.nan_to_num(half) > nothing[0]:
        sentences.append(f"**That is not significantly better than {nothing[1]}.**")
    if "mean of each task" in seen:
        verdict = seen.verdict(best, seen["mean of each task"])
        if verdict.word in ("same", "worse", "unclear"):
            sentences.append(
                "It is not significantly better than the mean of each task: the inputs may say"
                " nothing about the target."
            )
    return " ".join(sentences)


def _compared(comparison: Comparison, verdict: Verdict) -> str:
    apart = _difference(comparison, verdict)
    return {
        "better": f"it is better: {apart}",
        "worse": f"it is worse: {apart}",
        "same": f"it is equal within ±{_margin(comparison)}: {apart}",
        "unclear": f"the difference may be chance: {apart}",
        "one division": f"it differs by {apart} in the one division, which may be chance",
    }[verdict.word]


def _for_new_tasks(new: Comparison) -> str:
    """One recipe for each number of rows; one sentence where it is the same for all."""
    numbers = Numbers(new.measure)
    best = [(shots, new.recommended(shots)) for shots in new.shots]
    some = [(shots, outcome) for shots, outcome in best if outcome is not None]
    if not some:
        return ""
    each = [(shots, o.name, numbers.text(*new.value(o, shots))) for shots, o in some]
    name = new.measure.name
    if len({recipe for _, recipe, _ in each}) == 1:
        values = ", ".join(f"{value} with {shots} rows" for shots, _, value in each)
        use = f"{_with_article(each[0][1])}: its {name} ({MEANING[name]}) is {values}"
    else:
        use = "; ".join(f"with {s} rows {_with_article(r)} ({value})" for s, r, value in each)
        use += f". In brackets is the {name} ({MEANING[name]})"
    return f"**For a new task**, use {use}."


def _cost_of_less(new: Comparison) -> str:
    """What a new task loses if fewer of its rows are collected."""
    tried = new.shots
    best = [new.recommended(shots) for shots in tried]
    if len(tried) < 2 or any(outcome is None for outcome in best):
        return ""
    values = [
        float(new.value(outcome, shots)[0])
        for outcome, shots in zip(best, tried, strict=True)
        if outcome is not None
    ]
    numbers = Numbers(new.measure)
    each = [f"{numbers.one(value)} with {n}" for n, value in zip(tried, values, strict=True)]
    each[0] += " rows"
    return (
        f"**What collecting less data costs**: the {new.measure.name} on a new task is"
        f" {', '.join(each[:-1])} and {each[-1]}."
    )


def answers(result: TableResult) -> list[str]:
    """The questions that the page answers, in a paragraph each."""
    together, rival, alone = result.together, result.rival, result.alone
    paragraphs = []
    if together is not None and rival is not None:
        paragraphs.append(_does_it_help(result, together, rival))
    if together is not None and alone is not None:
        paragraphs.append(_for_which(result, together, alone))
    paragraphs += [_less_data(result), *_stopped(result.new)]
    if len(result.affinities.index) > 1:
        paragraphs.append(_conflicts(result))
    return paragraphs + _would_uniform_do(result)


def _does_it_help(result: TableResult, together: Outcome, rival: Outcome) -> str:
    seen, numbers = result.seen, Numbers(result.seen.measure)
    verdict = seen.verdict(together, rival)
    answer = {
        "better": "It helps.",
        "worse": _what_hurts(result, together),
        "same": f"It makes no difference: less than {_margin(seen)}.",
        "unclear": f"It cannot be told from these rows: {_more(verdict)} would tell.",
        "one division": "One division of the rows cannot tell: chance may be larger.",
    }[verdict.word]
    pairs = (("one model per task", result.alone), ("one pooled model", result.pooled))
    others = [
        f"{numbers.text(*seen.value(outcome))} for {words} ({who(outcome)})"
        for words, outcome in pairs
        if outcome is not None
    ]
    return (
        f"**Does learning together help?** {answer} The {seen.measure.name} is"
        f" {numbers.text(*seen.value(together))} for tasks learnt together ({who(together)}),"
        f" {' and '.join(others)}. Together minus the best of the others: "
        f"{_difference(seen, verdict)}."
    )


def _what_hurts(result: TableResult, together: Outcome) -> str:
    """What is said where another model is better than tasks learnt together: one of each task
    alone, or only one of all tasks at once."""
    alone = result.alone
    if alone is not None and result.seen.verdict(together, alone).word == "worse":
        return "It hurts."
    return "One pooled model, which also learns from all tasks, is better."


def _for_which(result: TableResult, together: Outcome, alone: Outcome) -> str:
    gain, half = result.seen.gains(together, alone, simultaneous=True)
    names, known = result.seen.rows.names, np.isfinite(gain)
    better, worse = (known & (gain - half > 0)), (known & (gain + half < 0))
    order = [i for i in np.argsort(np.where(known, -gain, np.inf)) if better[i]]
    most = [names[i] for i in order[:3]]
    losses = [names[i] for i in np.flatnonzero(worse)]
    if not np.isfinite(half).any():
        gaining = (known & (gain > 0)).sum()
        return (
            f"**For which tasks?** One division of the rows cannot tell; {gaining} of {known.sum()}"
            " gain in it."
        )
    sentences = [f"{_tasks(most, 'gain')} most."] if most else []
    sentences += [f"{_tasks(losses[:3], 'lose')}."] if losses else []
    return (
        f"**For which tasks?** {better.sum()} of {known.sum()} tasks gain significantly over one"
        f" model per task, and {worse.sum()} lose (95 % intervals that hold for all tasks at once);"
        f" {(known & (gain > 0)).sum()} gain on average. {' '.join(sentences)}".rstrip()
    )


def _less_data(result: TableResult) -> str:
    lead = "**How much data does it save on a new task?**"
    if result.new is None:
        if result.table.part is not None:
            return (
                f"{lead} It is not asked: a given division of the rows does not say which tasks are"
                " new. Leave `--split-column` out to ask it."
            )
        return f"{lead} Too few tasks are large enough to hold some of them out."
    new, numbers = result.new, Numbers(result.new.measure)
    baseline, saver = new.baseline(), new.saver()
    if baseline is None:
        return f"{lead} No recipe has an answer."
    many = new.shots[-1]
    scratch = f"learning from scratch with {many} ({numbers.text(*new.value(baseline, many))})"
    if saver is None:
        return f"{lead} None: no recipe does as well as {scratch} with {many} rows or fewer."
    outcome, shots, verdict = saver
    name = escaped(outcome.name)
    fewer = " or fewer" if shots == new.shots[0] else ""
    ending = "" if verdict.word != "worse" else ", though significantly worse on the tasks scored"
    return (
        f"{lead} With {shots} rows{fewer} of a held-out task, {name}"
        f" ({numbers.text(*new.value(outcome, shots))}) does as well as {scratch}{ending}."
    )


def _stopped(new: Comparison | None) -> list[str]:
    """In how many adaptations descent did harm, for each recipe and number of rows."""
    some = [
        f"{escaped(outcome.name)} from {shots} rows in {pair[0]:,} of {pair[1]:,}"
        for outcome in (new or ())
        for shots, pair in zip(outcome.shots, outcome.stopped, strict=False)
        if pair and pair[0]
    ]
    if not some:
        return []
    return [
        "**Which adaptations were stopped?** Those after which a network fitted the rows that it"
        " learnt from worse than a constant and worse than before; it then answers as before:"
        f" {'; '.join(some)} adaptations to held-out tasks."
    ]


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
        f"**Which tasks hurt each other?** {among}{gradients} (the directions in which training"
        f" moves a shared network) conflict in {100 * (cosine < 0).mean():.0f} % of pairs (median"
        f" cosine {np.median(cosine):.2f}; 1 is the same direction, -1 the opposite), and a step"
        f" for one task raises the loss of another for {100 * (ahead < 0).mean():.0f} % of them."
        f" {worst}"
    )


def _would_uniform_do(result: TableResult) -> list[str]:
    seen = result.seen
    balanced = [outcome for outcome in seen if outcome.name in result.balanced]
    if not balanced or result.uniform not in seen:
        return []
    best = seen.best_of("balanced", balanced)
    assert best is not None  # there is at least one
    verdict = seen.verdict(best, seen[result.uniform])
    answer = {
        "better": "No",
        "worse": "Yes",
        "same": "Yes",
        "unclear": f"It cannot be told from these rows ({_more(verdict)} would tell)",
        "one division": "One division cannot tell",
    }[verdict.word]
    return [
        "**Would a plain sum of the tasks' losses do as well as a balancer** (which weights them"
        f" during training)? {answer}: on the same shared body, {who(best)} minus the sum is"
        f" {_difference(seen, verdict)}."
    ]


def _difference(comparison: Comparison, verdict: Verdict) -> str:
    """A difference as the measure has it, with its unit."""
    measure = comparison.measure
    text = Numbers(measure).difference(measure.sign * verdict.mean, verdict.half)
    if measure.percent:
        return f"{text} percentage points"
    return text if measure.higher_is_better else f"{text} (below zero is better)"


def _margin(comparison: Comparison) -> str:
    margin = comparison.measure.margin
    return f"{100 * margin:g} percentage point" if comparison.measure.percent else f"{margin:g}"


def _more(verdict: Verdict) -> str:
    return verdict.more if "division" in verdict.more else f"{verdict.more} rows"


def overall_error(seen: Comparison, outcome: Outcome) -> str:
    """The error in units of the target; of several targets there are several units."""
    rows = seen.rows
    if rows.classes:
        return f"{100 * float(rows.errors(outcome.predictions).mean()):.1f}"
    if not rows.one_target:
        return "by task, below"
    squares = rows.squares(outcome.predictions)[0].sum(axis=1)
    each = np.sqrt(squares / rows.present.sum(axis=(1, 2))) * rows.std[:, 0]
    return number(float(each.mean()))


def who(outcome: Outcome) -> Markdown:
    """The recipes that validation rows chose, and how often."""
    if not isinstance(outcome, BestOf):
        return escaped(outcome.name)
    counts = Counter(outcome.members[-1])
    if len(counts) == 1:
        return escaped(next(iter(counts)))
    return escaped(", ".join(f"{name} {count}×" for name, count in counts.items()))


def listed(names: Sequence[str]) -> str:
    """Names of a user's file in a sentence."""
    shown = [str(escaped(short(name, LONGEST))) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _tasks(names: Sequence[str], verb: str) -> str:
    """What tasks do: "Task a gains", "Tasks a and b gain"."""
    return f"Task {listed(names)} {verb}s" if len(names) == 1 else f"Tasks {listed(names)} {verb}"


def _with_article(name: str) -> str:
    """A recipe's name in a sentence: "the mixed model", but "ridge per task"."""
    plain = name.startswith(("mixed model", "shared body", "pooled network", "pooled model"))
    return f"the {escaped(name)}" if plain else str(escaped(name))
