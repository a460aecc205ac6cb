"""A comparison on new tasks as a page: answers, the table, figures, and how it was done."""

from collections.abc import Sequence

from ..comparison import Benefit, Comparison, Outcome, Setting
from ._look import amount, number, Numbers
from ._values import (
    Bullets,
    escaped,
    Grid,
    Page,
    Paragraph,
    Picture,
    Section,
)

HEAD = (
    "recipe",
    "setting",
    "tasks",
    "before",
    "1 step",
    "best",
    "difference to baseline",
    "steps needed",
    "{unit}s needed",
    "past data kept",
    "stored",
    "training",
    "adapting",
    "queries see each other",
    "calibration error",
)
BRIEF = (0, 1, 5, 6, 7, 8)  # the columns that fit a terminal
CAPTIONS = {
    "steps": "New tasks, against gradient steps (step 0 stands at one half). Bands are 95 %"
    " intervals.",
    "shots": "New tasks, against the number of their {unit}s, each recipe at its best number of"
    " steps.",
    "episode": "One held-out task: its support set, and its query set.",
    "embeddings": "Features of one held-out task in the plane of their two main directions.",
    "confusion": "Queries of one held-out task: their class, and the class that was predicted.",
    "differences": "The paired difference of each recipe to the baseline, with its 95 % interval.",
}
CONTRASTED = (Setting.POOLED, Setting.TRANSFER, Setting.MULTI_TASK, Setting.META)


def page_of_new_tasks(
    comparisons: Sequence[Comparison],
    shots: int,
    *,
    title: str,
    tasks: str,
    unit: str,
    figures: Sequence[str] = (),
    further: str = "",
    notes: Sequence[str] = (),
) -> Page:
    """The page.

    **Arguments:**

    - `comparisons`: the one on new tasks first; then one on seen tasks, if there is any.
    - `shots`: the number of support points that the table shows.
    - `tasks`: the distribution in words; `unit`: the name of a support point.
    - `figures`: names of those that were drawn.
    - `further`: a last answer, such as the verdict of the control.
    """
    new = comparisons[0]
    numbers = Numbers(new.measure)
    label = numbers.label[0].upper() + numbers.label[1:]
    answers = [*answers_of(new, shots, unit), *([further] if further else [])]
    grid = grid_of(comparisons, shots, unit)
    failures = [message for c in comparisons for message in c.failures.values()]
    table = (grid, *(Paragraph(str(escaped(message))) for message in failures))
    pictures = tuple(Picture(name, CAPTIONS[name].format(unit=unit)) for name in figures)
    return Page(
        title,
        (
            Section("", (Paragraph("\n\n".join(answers), boxed=True),), brief=True),
            Section(f"{label} from {amount(shots, unit)}", table, brief=True),
            Section("", (Paragraph(explanation(unit)), *pictures)),
            Section("How it was done", _method(comparisons, tasks, notes)),
        ),
    )


def answers_of(comparison: Comparison, shots: int, unit: str) -> list[str]:
    """The recommended recipe, and the two promised benefits, in a sentence each. Recipes are chosen
    on validation tasks; their values are those on test tasks."""
    baseline, best = comparison.baseline(), comparison.recommended(shots)
    if baseline is None or best is None:
        return []
    numbers = Numbers(comparison.measure)
    sentences = [
        f"Best on validation tasks from {amount(shots, unit)}: {escaped(best.name)}. On new tasks"
        f" its {comparison.measure.name} is {numbers.text(*comparison.value(best, shots))}"
        + ("." if best is baseline else f", that of {_of_baseline(comparison, baseline, shots)}.")
    ]
    iterative = [o for o in comparison if o.recipe.setting in CONTRASTED and o.steps]
    quick = comparison.recommended(shots, iterative)
    benefit = None if quick is None else comparison.acceleration(quick, shots)
    if quick is not None and benefit is not None and _helps(benefit):
        sentences.append(
            f"Faster learning: {baseline.name} reaches {numbers.one(benefit.target)} in"
            f" {benefit.baseline:.0f} steps, {escaped(quick.name)} in {benefit.reached:.0f}"
            f" ({benefit.ratio:.3g}×)."
        )
    saver = comparison.saver()
    benefit = None if saver is None else comparison.sample_efficiency(saver[0])
    if saver is not None and benefit is not None and _helps(benefit):
        most, least = ("at most ", "at least ") if benefit.at_most else ("", "")
        sentences.append(
            f"Less data: {baseline.name} reaches {numbers.one(benefit.target)} with"
            f" {amount(int(benefit.baseline), unit)}, {escaped(saver[0].name)} with"
            f" {most}{benefit.reached:.3g} ({least}{benefit.ratio:.3g}×)."
        )
    return sentences


def _of_baseline(comparison: Comparison, baseline: Outcome, shots: int) -> str:
    value = Numbers(comparison.measure).text(*comparison.value(baseline, shots))
    return f"{escaped(baseline.name)} is {value}"


def _helps(benefit: Benefit) -> bool:
    return benefit.ratio is not None and benefit.ratio > 1


def grid_of(comparisons: Sequence[Comparison], shots: int, unit: str) -> Grid:
    """The table of all recipes at one number of support points."""
    rows = []
    for comparison in comparisons:
        baseline = comparison.baseline()
        rows += [_row(comparison, outcome, baseline, shots) for outcome in comparison]
        blank = ("",) * (len(HEAD) - 6)
        rows += [(name, "", "", "", "", "diverged", *blank) for name in comparison.failures]
    head = tuple(cell.format(unit=unit) for cell in HEAD)
    return Grid(head, tuple(rows), left=3, brief=BRIEF)


def grid_by_shots(comparison: Comparison, unit: str) -> Grid:
    """The table of all recipes at all numbers of support points, each at its best."""
    numbers = Numbers(comparison.measure)
    head = ("recipe", *(amount(shots or 0, unit) for shots in comparison.shots))
    rows = [
        (o.name, *(numbers.text(*comparison.value(o, shots)) for shots in comparison.shots))
        for o in comparison
    ]
    return Grid(head, tuple(rows))


def _row(
    comparison: Comparison, outcome: Outcome, baseline: Outcome | None, shots: int
) -> tuple[str, ...]:
    at = shots if shots in outcome.shots else outcome.shots[0]
    numbers, iterative = Numbers(comparison.measure), outcome.steps > 0
    difference = ""
    if baseline is not None and not outcome.recipe.baseline:
        difference = numbers.difference(*comparison.difference(outcome, baseline, at))
    calibration = outcome.calibration[outcome.shots.index(at)] if outcome.calibration else None
    return (
        outcome.name,
        outcome.recipe.setting.value,
        comparison.question.tasks,
        numbers.one(float(outcome.overall_at(at, 0).mean())) if iterative else "",
        numbers.one(float(outcome.overall_at(at, 1).mean())) if iterative else "",
        numbers.text(*comparison.value(outcome, at)) + _at_step(outcome, at),
        difference,
        _steps(comparison.acceleration(outcome, at), outcome),
        _benefit(comparison.sample_efficiency(outcome), outcome),
        _past_data(outcome),
        size(outcome.cost.stored_bytes),
        f"{outcome.cost.train_seconds:.1f} s" if outcome.recipe.learns else "none",
        f"{outcome.cost.adapt_seconds * 1e3:.3f} ms",
        "yes" if outcome.transductive else "no",
        "" if calibration is None else f"{calibration:.3f}",
    )


def _at_step(outcome: Outcome, shots: int | None) -> str:
    """After how many steps, which may differ from seed to seed."""
    if not outcome.steps:
        return ""
    low, high = min(outcome.chosen_steps(shots)), max(outcome.chosen_steps(shots))
    return f" (step {low})" if low == high else f" (steps {low} to {high})"


def _steps(benefit: Benefit | None, outcome: Outcome) -> str:
    """Steps to the baseline's best; an adapter without steps is there at once, or never."""
    if benefit is not None and outcome.steps == 0 and benefit.reached is not None:
        return "at once"
    return _benefit(benefit, outcome)


def _benefit(benefit: Benefit | None, outcome: Outcome) -> str:
    if benefit is None:
        return ""
    return f"{benefit.baseline:.3g}" if outcome.recipe.baseline else str(benefit)


def _past_data(outcome: Outcome) -> str:
    if not outcome.recipe.learns or outcome.recipe.setting is Setting.SCRATCH:
        return "none"
    return "yes" if outcome.recipe.setting.keeps_data else "no"


def size(count: int) -> str:
    """A number of bytes in words.

    >>> size(7124)
    '7.0 KiB'
    """
    return f"{count / 1024:.1f} KiB" if count else "nothing"


def explanation(unit: str) -> str:
    """What the columns mean."""
    return (
        "± is half the 95 % interval over tasks and seeds. *Best* has the adapter and the number of"
        " steps that were chosen on validation tasks, for each seed. *Difference* is paired by task"
        " with the baseline at its best: learning from scratch; on seen tasks a network for each"
        f" task. *Steps needed* and *{unit}s needed* say how much of each the recipe needs to do as"
        " well as the baseline at its best, and how many times less that is. *Past data kept*:"
        " whether the data of past tasks are needed to add another task. *Training* is for all"
        " seeds together, without compilation; *adapting* for one task in a batch of many."
    )


def _method(
    comparisons: Sequence[Comparison], tasks: str, notes: Sequence[str]
) -> tuple[Paragraph | Bullets, ...]:
    sources = tuple(
        str(escaped(f"{outcome.name}: {outcome.recipe.source}"))
        for comparison in comparisons
        for outcome in comparison
    )
    return (
        Paragraph(f"Tasks: {escaped(tasks)}."),
        *(Paragraph(str(escaped(note))) for note in notes),
        Paragraph(
            "Each seed has its own initial network, which all recipes start from, its own stream of"
            " training tasks, and its own validation and test tasks, which are the same for all"
            " recipes. Settings are chosen on validation tasks, for each seed. Nothing was chosen"
            " on test tasks."
        ),
        Bullets(sources),
    )


def below_constant(comparison: Comparison) -> list[str]:
    """Recipes whose error on tasks that share nothing lies below that of the best constant by more
    than chance explains.

    The difference is paired by task: on the drawn queries the constant itself may be better or
    worse than is expected. Its interval is over tasks, which are independent whatever was trained
    before, and holds for all recipes and numbers of shots at once (Bonferroni).
    """
    from scipy.special import ndtri

    constant = comparison["best constant"]
    others = [outcome for outcome in comparison if outcome is not constant]
    quantile = float(ndtri(1 - 0.025 / max(1, len(others) * len(comparison.shots))))
    below = []
    for outcome in others:
        for shots in comparison.shots:
            apart = outcome.at(shots) - constant.at(shots)
            if apart.mean() + quantile * apart.std() / apart.size**0.5 < 0:
                below.append(f"{escaped(outcome.name)} at {shots} points")
    return below


def verdict_of_control(comparison: Comparison, floor: float) -> str:
    """What the control says: no recipe can beat the best constant."""
    below = below_constant(comparison)
    verdict = (
        f"{', '.join(below)} came out below it: look for a leak."
        if below
        else "no recipe came out below it."
    )
    return (
        f"These tasks share nothing: the best possible error is {number(floor)}, that of the best"
        f" constant, and {verdict} What the others gain here over scratch is only the common scale."
    )
