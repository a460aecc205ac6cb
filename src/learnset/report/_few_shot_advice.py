"""Which recipe of few-shot classification to use, for each number of shots."""

from collections.abc import Sequence
from typing import Any

from ..comparison import Comparison, in_full, Outcome, takes_any_ways
from ..core import at
from ._look import amount
from ._table_result import recommended_as
from ._values import escaped

Used = Sequence[tuple[int, Outcome]]


def to_use(comparison: Comparison) -> Used:
    """For each number of shots the recipe that is best on validation tasks, among those that answer
    one query at a time and take any number of classes: an image that comes alone has no others to
    be seen with, and users have as many classes as they have."""
    able = [o for o in comparison if not o.transductive and _takes_any(comparison, o)]
    best = [(shots, comparison.recommended(shots, able)) for shots in comparison.shots]
    return [(shots, one) for shots, one in best if shots is not None and one is not None]


def _takes_any(comparison: Comparison, outcome: Outcome) -> bool:
    """Whether a recipe takes another number of classes than the tasks of training have."""
    family: Any = comparison.question.family  # pyright: ignore[reportAttributeAccessIssue]
    adapter: Any = outcome.recipe.adapters[0]
    return takes_any_ways(adapter, at(outcome.models, 0), family)


def recommendation_of(comparison: Comparison, best: Used) -> dict[str, Any]:
    """What `to_use` names, for `result.json`."""
    new = [{"shots": shots} | recommended_as(comparison, outcome, shots) for shots, outcome in best]
    return {"known": None, "new": new}


def advice_of(best: Used, unit: str) -> str:
    """What `to_use` names, in a sentence; none where that is nothing."""
    if not best:
        return ""
    of_name: dict[str, list[str]] = {}
    for shots, outcome in best:
        of_name.setdefault(outcome.name, []).append(amount(shots, unit))
    named = [f"{escaped(name)} (from {', '.join(shots)})" for name, shots in of_name.items()]
    kept = "`learnset fit` keeps it."
    if not kept_by_fit(best):
        kept = "`learnset fit` keeps one of them, with `--recipe`: they see other features."
    return (
        f"To use: {' and '.join(named)}, best on validation tasks among recipes that answer one"
        f" query at a time and take any number of classes. {kept}"
    )


def kept_by_fit(best: Used) -> bool:
    """Whether there are such recipes, and all of them see the same of examples, so that `learnset
    fit` keeps them."""
    names = {outcome.name for _, outcome in best}
    return len(names) == 1 or bool(best) and all(o.recipe.view is in_full for _, o in best)
