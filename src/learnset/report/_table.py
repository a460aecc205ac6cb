"""The comparison as one table: for the terminal and for the page."""

from rich.table import Table

from ..comparison import Benefit, Comparison, Outcome, Setting
from ._scale import scale

HEAD = (
    "recipe",
    "setting",
    "tasks",
    "before",
    "1 step",
    "best",
    "difference to scratch",
    "steps to scratch's best",
    "shots to scratch's best",
    "past data kept",
    "stored",
    "training",
    "adapting",
    "queries see each other",
    "calibration error",
)


def table_rows(comparison: Comparison, shots: int) -> list[tuple[str, ...]]:
    """Cells of each recipe's line at this number of shots, in the order of `HEAD`."""
    lines = [_line(comparison, outcome, shots) for outcome in comparison]
    failed = [(name, "", "", "diverged", *[""] * (len(HEAD) - 4)) for name in comparison.failures]
    return lines + failed


def _line(comparison: Comparison, outcome: Outcome, shots: int) -> tuple[str, ...]:
    shots = shots if shots in outcome.shots else outcome.shots[0]
    shown, steps, iterative = (
        scale(comparison.metric),
        outcome.chosen_steps(shots),
        outcome.steps > 0,
    )
    return (
        outcome.recipe.name,
        outcome.recipe.setting.value,
        outcome.tasks,
        shown.one(float(outcome.at(shots, 0).mean())) if iterative else "",
        shown.one(float(outcome.at(shots, 1).mean())) if iterative else "",
        shown.text(outcome.at(shots)) + (f" (step {steps})" if iterative else ""),
        _difference(comparison, outcome, shots),
        _steps(comparison.acceleration(outcome, shots), outcome),
        _benefit(comparison.sample_efficiency(outcome), outcome),
        _past_data(outcome),
        size(outcome.stored_bytes),
        f"{outcome.train_seconds:.1f} s" if outcome.recipe.method is not None else "none",
        f"{outcome.adapt_seconds * 1e3:.3f} ms",
        "yes" if outcome.transductive else "no",
        f"{outcome.calibration[outcome.shots.index(shots)]:.3f}" if outcome.calibration else "",
    )


def _difference(comparison: Comparison, outcome: Outcome, shots: int) -> str:
    difference = comparison.difference(outcome, shots)
    if difference is None or outcome.recipe.setting is Setting.SCRATCH:
        return ""
    return scale(comparison.metric).difference(*difference)


def _steps(benefit: Benefit | None, outcome: Outcome) -> str:
    """Steps until scratch's best; an adapter without steps is there at once, or never."""
    if benefit is not None and outcome.steps == 0 and benefit.reached is not None:
        return "at once"
    return _benefit(benefit, outcome)


def _benefit(benefit: Benefit | None, outcome: Outcome) -> str:
    if benefit is None:
        return ""
    if outcome.recipe.setting is Setting.SCRATCH:
        return f"{benefit.scratch:.3g}"
    return str(benefit)


def _past_data(outcome: Outcome) -> str:
    if outcome.recipe.method is None or outcome.recipe.setting is Setting.SCRATCH:
        return "none"
    return "yes" if outcome.recipe.setting.keeps_data else "no"


def size(count: int) -> str:
    """Bytes in words.

    >>> size(7124)
    '7.0 KiB'
    """
    return f"{count / 1024:.1f} KiB" if count else "nothing"


# The columns that fit a terminal, with shorter heads; the page and result.json have them all.
COMPACT = {
    0: "recipe",
    2: "tasks",
    4: "1 step",
    5: "best",
    6: "against scratch",
    7: "steps needed",
    8: "points needed",
}

CLASSES = {
    0: "recipe",
    1: "setting",
    5: "accuracy",
    6: "against scratch",
    8: "shots needed",
    13: "queries see each other",
}


def terminal_table(comparison: Comparison, shots: int) -> Table:
    """The table for a terminal."""
    shown = scale(comparison.metric)
    classes = not shown.logarithmic
    caption = (
        "± is the 95 % interval over tasks and seeds; needed: to do as well as scratch at its best"
    )
    title = f"{'Accuracy' if classes else 'Error'} from {shown.amount(shots)}"
    table = Table(title=title, caption=caption)
    columns = CLASSES if classes else COMPACT
    for i, words in columns.items():
        table.add_column(words, justify="left" if i < 3 else "right", no_wrap=i < 3)
    for line in table_rows(comparison, shots):
        table.add_row(*[line[i] for i in columns])
    return table
