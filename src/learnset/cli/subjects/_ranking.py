"""`--rank`: which pretrained network to take, from a few labelled images and without training; and
whether that was right."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Key

from ...comparison import Comparison
from ...core import at, Batch, Split
from ...report import amount, Numbers
from ...transfer import judge_ranking, rank_sources, Ranked


class Ranking(NamedTuple):
    """The ranking of networks at one number of shots: LogME of the images to learn from, the mean
    over test tasks, the best first; the value of the best row of each, which was chosen on
    validation tasks, with half its interval; and how right it was."""

    shots: int
    scores: dict[str, float]
    rows: dict[str, str]
    values: dict[str, tuple[float, float]]
    judged: Ranked

    def record(self) -> dict[str, Any]:
        sources = [
            {"network": n, "log_me": score, "recipe": self.rows[n]}
            | dict(zip(("value", "ci95"), self.values[n], strict=True))
            for n, score in self.scores.items()
        ]
        judged = {
            name: value if np.isfinite(value) else None for name, value in vars(self.judged).items()
        }
        return {"shots": self.shots, "sources": sources} | judged


def ranked(
    comparison: Comparison,
    views: Mapping[str, Callable[[Any], Any]],
    rows: Mapping[str, Sequence[str]],
    key: Key[Array, ""],
) -> list[Ranking]:
    """Ranks networks for each number of shots, and judges that by their rows.

    **Arguments:** `views`: tasks with the features of each network. `rows`: names of its recipes.
    """
    question: Any = comparison.question
    supports = {name: question.ask(Split.TEST, view, key).support for name, view in views.items()}
    return [_ranking(comparison, supports, rows, shots) for shots in question.shots]


def _ranking(
    comparison: Comparison,
    supports: dict[str, Batch],
    rows: Mapping[str, Sequence[str]],
    shots: int,
) -> Ranking:
    names = list(supports)
    question: Any = comparison.question
    count = shots * question.family.points_per_shot
    seeds, tasks = supports[names[0]].weight.shape[:2]
    scores = []
    for place in np.ndindex(seeds, tasks):
        sources = {name: np.asarray(supports[name].x[place][:count]) for name in names}
        task = at(supports[names[0]], (*place, slice(count)))
        found = rank_sources(sources, task)
        scores.append([found[name] for name in names])
    best = {}
    for name in names:
        chosen = comparison.recommended(shots, [o for o in comparison if o.name in rows[name]])
        if chosen is not None:
            best[name] = chosen
    values = np.stack([best[name].at(shots).reshape(-1) for name in names], axis=1)
    means = dict(zip(names, map(float, np.mean(scores, axis=0)), strict=True))
    order = sorted(names, key=lambda name: -means[name])
    return Ranking(
        shots,
        {name: means[name] for name in order},
        {name: best[name].name for name in order},
        {name: comparison.value(best[name], shots) for name in order},
        judge_ranking(np.array(scores), values),
    )


def verdict(rankings: Sequence[Ranking], comparison: Comparison) -> str:
    """What was ranked first, and whether it was right, in sentences."""
    numbers, lines = Numbers(comparison.measure), []
    for one in rankings:
        first, judged = next(iter(one.scores)), one.judged
        best = max(one.values, key=lambda name: one.values[name][0])
        right = "which was right" if first == best else f"but {best} was better"
        named = ", ".join(f"{n} ({numbers.text(*one.values[n])})" for n in one.scores)
        regret = numbers.text(judged.regret, judged.regret_ci95)
        lines.append(
            f"From {amount(one.shots, 'shot')}: {named}; {right}. Over tasks weighted τ is"
            f" {judged.tau:.2f} ± {judged.tau_ci95:.2f} and regret {regret}, that of a network at"
            f" random {numbers.one(judged.chance)}."
        )
    return (
        "Which network? LogME ranks them by the images to learn from, before anything is trained;"
        f" in brackets is what the best row of each then gave. {' '.join(lines)}"
    )
