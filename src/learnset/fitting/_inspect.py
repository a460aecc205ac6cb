"""The model card: what a fitted model is, what it was learnt from, how well it does, its limits."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._examples import Classifier, FittedExamples
from ._fitted import Fitted
from ._inspect_examples import card_of_examples
from ._intervals import ENOUGH


def card(
    fitted: Fitted | FittedExamples | Classifier,
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections of lines, each a name and what is to be said."""
    if not isinstance(fitted, Fitted):
        return card_of_examples(fitted)
    about = fitted.card
    recipe, data, scores = about["recipe"], about["data"], about["scores"]
    return [
        (
            "Model",
            [
                ("recipe", recipe["name"]),
                ("setting", recipe["setting"]),
                ("source", recipe["source"]),
                ("settings", recipe["learner"]),
            ],
        ),
        (
            "Data",
            [
                ("rows", str(data["rows"])),
                ("tasks", f"{data['tasks']}, and {len(fitted.added)} that were adapted"),
                ("digest", data["digest"]),
                *(("note", note) for note in data["notes"]),
            ],
        ),
        ("Columns", list(_columns(fitted))),
        (
            f"Scores on held-out {'tasks' if scores.get('shots') else 'rows'} of"
            f" {len(scores['divisions'])} divisions",
            [(scores["measure"], _score(scores["mean"])), *_uncertainty(fitted)],
        ),
        *_new_tasks(about.get("new_tasks", [])),
        ("Versions", [(name, version) for name, version in about["versions"].items()]),
        ("Limits", [("", line) for line in _limits(fitted)]),
    ]


def _new_tasks(plans: list[dict[str, Any]]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    if plans:
        yield (
            f"New tasks, with their {plans[0]['measure']} on held-out tasks",
            [
                (f"from {plan['shots']} rows", f"{plan['recipe']} ({_score(plan['value'])})")
                for plan in plans
            ],
        )


def _columns(fitted: Fitted) -> Iterator[tuple[str, str]]:
    for column in fitted.schema.columns:
        words = f": {', '.join(column.words[:8])}{', …' * (len(column.words) > 8)}"
        kind = "" if column.role == "task" else f", {column.kind}"
        unit = f" in {column.unit}" if column.unit else ""
        done = f" ({column.done})" if column.done else ""
        yield column.name, f"{column.role}{kind}{unit}{words if column.words else ''}{done}"


def _uncertainty(fitted: Fitted) -> Iterator[tuple[str, str]]:
    intervals, calibration = fitted.intervals, fitted.calibration
    if calibration is not None:
        yield "expected calibration error", f"{calibration.error:.3f}"
    if intervals is not None:
        low, high = intervals.tasks.min(), intervals.tasks.max()
        width = f"± {low:.3g}" if low == high else f"± {low:.3g} to ± {high:.3g}"
        yield "90 % interval", width
        if np.isfinite(intervals.new):
            yield "90 % interval of a new task", f"± {intervals.new:.3g}"
        for shots, half in zip(intervals.shots, intervals.adapted, strict=True):
            yield f"… from {shots} row{'s' * (shots > 1)}", f"± {half:.3g}"


def _limits(fitted: Fitted) -> Iterator[str]:
    if fitted.schema.task is not None:
        yield (
            "A task that is not known is answered by the mean of tasks, until a few of its rows are"
            " learnt (`adapt`)."
        )
    if any(fitted.logs):
        yield "It has learnt the logarithm of the target: predictions are medians, not means."
    yield "Words that were not there before are read as missing; a missing number is the mean."
    if fitted.intervals is not None:
        yield (
            f"Intervals hold on average for rows like those that were learnt from; a task with"
            f" fewer than {ENOUGH} held-out rows has the interval of all tasks."
        )
    yield "Rows of another time, place or way to measure may be predicted worse than scored."


def _score(score: float | None) -> str:
    return "not finite" if score is None else f"{score:.3f}"
